package sts

import (
	"context"
	"errors"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/rolebroker/rolebroker"
)

// kinds maps the codes STS puts on the wire. ExpiredToken is about the
// caller's own session; ExpiredTokenException, about a web-identity token.
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

// refusal is what an error of the SDK means.
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

// deniers are how AWS names, in the clause that ends some of its denials, the
// kinds of policy that deny.
//
// Source: IAM User Guide, "Troubleshoot access denied error messages".
var deniers = []struct {
	words string
	is    rolebroker.Denier
}{
	{"role trust policy", rolebroker.DeniedByTrust},
	{"identity-based policy", rolebroker.DeniedByIdentity},
	{"permissions boundary", rolebroker.DeniedByIdentity},
	{"session policy", rolebroker.DeniedByIdentity},
	{"service control policy", rolebroker.DeniedByOrganization},
	{"resource control policy", rolebroker.DeniedByOrganization},
	{"VPC endpoint policy", rolebroker.DeniedByOrganization},
}

// deniedBy is what the clause with the reason names; empty when there is none.
// The names of users and roles, which come before it, cannot have its words.
func deniedBy(message string) rolebroker.Denier {
	_, reason, found := strings.Cut(message, " because no ")
	if !found {
		_, reason, _ = strings.Cut(message, " with an explicit deny in ")
	}
	for _, d := range deniers {
		if words := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(reason, "the "), "a "), "an "); strings.HasPrefix(words, d.words) {
			return d.is
		}
	}
	return ""
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

// isDuration tells the one ValidationError apart that well-formed input can
// cause: STS has no code of its own for it, and names the parameter in both of
// its texts (the role's maximum, and the hour of role chaining).
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
