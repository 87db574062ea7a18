package sts

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

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
	"IDPCommunicationError":       rolebroker.RefusedIssuer,
}

// refusal is an error of the SDK as a *rolebroker.Refusal.
func refusal(err error) error {
	r := &rolebroker.Refusal{Cause: err, RequestID: requestID(err)}
	var api smithy.APIError
	if foreign := foreign(err); foreign != "" || !errors.As(err, &api) {
		r.Kind, r.Message = rolebroker.RefusedUnreachable, cmp.Or(foreign, unanswered(err))
		return r
	}
	r.Code, r.Message = api.ErrorCode(), api.ErrorMessage()
	r.Kind = kindOf(api, status(err))
	switch r.Kind {
	case rolebroker.RefusedDenied:
		r.DeniedBy, r.Action = deniedBy(r.Message), deniedAction(r.Message)
	case rolebroker.RefusedDuration:
		r.Chained = strings.Contains(r.Message, "role chaining")
	}
	return r
}

// foreign says that the answer did not come from AWS; it is empty if it did, or if there
// was none. A proxy that refuses a connection answers in HTML, or redirects to a page.
//
// AWS's answers are XML, and have a request ID even if they are not.
func foreign(err error) string {
	var answered *smithyhttp.ResponseError
	if !errors.As(err, &answered) || answered.Response == nil ||
		answered.Response.Response == nil || answered.HTTPStatusCode() == 0 {
		return ""
	}
	header := answered.Response.Header
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if header.Get("X-Amzn-Requestid") != "" || strings.HasSuffix(kind, "xml") && kind != "application/xhtml+xml" {
		return ""
	}
	return fmt.Sprintf("something else than AWS STS answered, perhaps a proxy: HTTP %d, %s",
		answered.HTTPStatusCode(), rolebroker.Quote(cmp.Or(kind, "without a content type")))
}

// unanswered says why there was no answer, as far as that helps.
func unanswered(err error) string {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "STS did not answer in time"
	case errors.As(err, &certificate):
		return "the certificate of STS is not trusted; if a proxy made it, AWS_CA_BUNDLE has to name the proxy's CA"
	}
	return "STS cannot be reached"
}

// deniedAction is the action that AWS says was denied, as in sts:TagSession; empty if it
// does not say. It only tells which of the actions of a call was denied.
func deniedAction(message string) rolebroker.DeniedAction {
	_, rest, _ := strings.Cut(message, "is not authorized to perform: ")
	name, _, _ := strings.Cut(rest, " ")
	switch action := rolebroker.DeniedAction(name); action {
	case rolebroker.ActionTagSession, rolebroker.ActionSetSourceIdentity:
		return action
	}
	return ""
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

// tokenKinds tell apart what AWS finds wrong with a web-identity token, by the beginning
// of its words: all of these have the code InvalidIdentityToken.
//
// Source: AWS re:Post and issues of the AWS SDKs, which quote them.
var tokenKinds = map[string]rolebroker.RefusalKind{
	"No OpenIDConnect provider found": rolebroker.RefusedNoProvider,
	"Incorrect token audience":        rolebroker.RefusedAudience,
	"Couldn't retrieve verification":  rolebroker.RefusedIssuer,
}

func kindOf(api smithy.APIError, status int) rolebroker.RefusalKind {
	for words, kind := range tokenKinds {
		if api.ErrorCode() == "InvalidIdentityToken" && strings.HasPrefix(api.ErrorMessage(), words) {
			return kind
		}
	}
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
