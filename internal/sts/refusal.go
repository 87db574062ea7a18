package sts

import (
	"context"
	"errors"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/rolebroker/rolebroker"
)

// kinds maps AWS's error codes. ExpiredToken is about the caller's own session,
// ExpiredTokenException about a web-identity token.
//
// Source: STS API Reference, "Common errors" and AssumeRole; SDK retry
// settings for the codes of throttling.
var kinds = map[string]rolebroker.RefusalKind{
	"AccessDenied":                rolebroker.RefusedDenied,
	"AccessDeniedException":       rolebroker.RefusedDenied,
	"Throttling":                  rolebroker.RefusedThrottled,
	"ThrottlingException":         rolebroker.RefusedThrottled,
	"ThrottledException":          rolebroker.RefusedThrottled,
	"RequestLimitExceeded":        rolebroker.RefusedThrottled,
	"TooManyRequestsException":    rolebroker.RefusedThrottled,
	"ExpiredToken":                rolebroker.RefusedIdentityExpired,
	"ExpiredTokenException":       rolebroker.RefusedIdentityExpired,
	"RequestExpired":              rolebroker.RefusedIdentityExpired,
	"InvalidClientTokenId":        rolebroker.RefusedIdentity,
	"UnrecognizedClientException": rolebroker.RefusedIdentity,
	"SignatureDoesNotMatch":       rolebroker.RefusedIdentity,
	"IncompleteSignature":         rolebroker.RefusedIdentity,
	"MissingAuthenticationToken":  rolebroker.RefusedIdentity,
	"InvalidIdentityToken":        rolebroker.RefusedIdentity,
	"RegionDisabledException":     rolebroker.RefusedRegion,
	"RegionDisabled":              rolebroker.RefusedRegion,
	"IDPCommunicationError":       rolebroker.RefusedUnreachable,
}

// refusal is an error of the SDK as a *rolebroker.Refusal.
func refusal(err error) error {
	r := &rolebroker.Refusal{Cause: err, RequestID: requestID(err)}
	var api smithy.APIError
	if !errors.As(err, &api) {
		r.Kind, r.Message = rolebroker.RefusedUnreachable, "STS cannot be reached"
		if errors.Is(err, context.DeadlineExceeded) {
			r.Message = "STS did not answer in time"
		}
		return r
	}
	r.Code, r.Message = api.ErrorCode(), api.ErrorMessage()
	r.Kind = kindOf(api, status(err))
	switch r.Kind {
	case rolebroker.RefusedDenied:
		r.DeniedBy = deniedBy(r.Message)
	case rolebroker.RefusedDuration:
		r.Chained = strings.Contains(r.Message, "role chaining")
	}
	return r
}

// deniers are the kinds of policies that AWS names in the clause that ends some of
// its denials.
//
// Source: IAM User Guide, "Troubleshoot access denied error messages".
var deniers = []struct {
	name   string // as AWS writes it
	denier rolebroker.Denier
}{
	{"role trust policy", rolebroker.DeniedByTrust},
	{"identity-based policy", rolebroker.DeniedByIdentity},
	{"permissions boundary", rolebroker.DeniedByIdentity},
	{"session policy", rolebroker.DeniedByIdentity},
	{"service control policy", rolebroker.DeniedByOrganization},
	{"resource control policy", rolebroker.DeniedByOrganization},
	{"VPC endpoint policy", rolebroker.DeniedByOrganization},
}

// deniedBy is the policy that the clause with the reason names; empty without such
// a clause. The names of users and roles, which come before it, cannot contain it.
func deniedBy(message string) rolebroker.Denier {
	_, reason, found := strings.Cut(message, " because no ")
	if !found {
		_, reason, _ = strings.Cut(message, " with an explicit deny in ")
	}
	for _, d := range deniers {
		if strings.HasPrefix(withoutArticle(reason), d.name) {
			return d.denier
		}
	}
	return ""
}

func withoutArticle(text string) string {
	for _, article := range []string{"the ", "a ", "an "} {
		if rest, ok := strings.CutPrefix(text, article); ok {
			return rest
		}
	}
	return text
}

func kindOf(api smithy.APIError, status int) rolebroker.RefusalKind {
	if kind, ok := kinds[api.ErrorCode()]; ok {
		return kind
	}
	switch {
	case status >= 500 || api.ErrorFault() == smithy.FaultServer:
		return rolebroker.RefusedUnreachable
	case isDuration(api):
		return rolebroker.RefusedDuration
	}
	return rolebroker.RefusedOther
}

// isDuration recognizes the one ValidationError that well-formed input can cause.
// STS has no code for it, and names the parameter in both of its messages: the
// role's maximum, and the hour of role chaining.
func isDuration(api smithy.APIError) bool {
	return api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "DurationSeconds exceeds")
}

func requestID(err error) string {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.ServiceRequestID()
	}
	return ""
}

func status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
