package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/config"
)

// validateSTS is the latency of the simulated STS in row 7.
const validateSTS = 50 * time.Millisecond

// measureValidate has a server with default settings validate an integration of
// many roles. The least possible time is that of consecutive STS calls in each of
// its concurrent lanes.
func measureValidate(ctx context.Context, l *lab) ([]figure, error) {
	w, err := newWorld(ctx, l, "")
	if err != nil {
		return nil, err
	}
	defer w.close()
	many := api.IntegrationRequest{Name: "many", DefaultRole: "role-0"}
	for i := range l.validated {
		name := fmt.Sprintf("Role%d", i)
		many.Roles = append(many.Roles, api.RoleRequest{Name: fmt.Sprintf("role-%d", i),
			ARN: "arn:aws:iam::" + customerAccount + ":role/" + name, Region: "us-east-1"})
	}
	made, err := w.admin.CreateIntegration(ctx, many, api.ValidateSkip)
	if err != nil {
		return nil, err
	}
	closed := strings.Replace(trustPolicy, `"Action"`,
		`"Condition":{"StringEquals":{"sts:ExternalId":"`+made.ExternalID+`"}},"Action"`, 1)
	for i := range l.validated {
		w.aws.Account(customerAccount).CreateRole(awssim.Role{Name: fmt.Sprintf("Role%d", i), TrustPolicy: closed})
	}
	w.aws.Inject(awssim.Slow(validateSTS))
	start := time.Now()
	var first time.Duration
	answer, err := w.admin.ValidateIntegration(ctx, "many", client.Validating{Tell: func(api.RoleValidation) {
		if first == 0 {
			first = time.Since(start)
		}
	}})
	took := time.Since(start)
	if err != nil {
		return nil, err
	}
	defaults := config.DefaultServer()
	least := time.Duration(l.validated) * validateSTS / time.Duration(defaults.ValidationConcurrency)
	wrong := 0
	for _, r := range answer.Roles {
		if r.Status != "assumable" {
			wrong++
		}
	}
	return []figure{
		single(fmt.Sprintf("validating %s roles, %d at a time, STS at %v", number(float64(l.validated)),
			defaults.ValidationConcurrency, validateSTS), took.Seconds(), "s").
			against(least.Seconds(), "STS alone").atMost(1.2),
		single("most STS calls within a second", float64(busiestSecond(w.aws.Assumed())),
			"").noMoreThan(float64(defaults.ValidationRate)),
		single("the first outcome is told after", milliseconds(first), "ms"),
		single("roles with another outcome than theirs", float64(wrong), "").noMoreThan(0),
	}, nil
}

// busiestSecond returns the largest number of calls within one second.
func busiestSecond(calls []awssim.AssumeRoleCall) (most int) {
	slices.SortFunc(calls, func(a, b awssim.AssumeRoleCall) int { return a.Time.Compare(b.Time) })
	first := 0
	for last := range calls {
		for calls[last].Time.Sub(calls[first].Time) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}
