package rolebroker

import (
	"fmt"
	"time"
)

// Assumption is one AssumeRole call: everything that shapes the credentials.
type Assumption struct {
	ARN         RoleARN
	Region      Region // whose regional STS endpoint is asked
	SessionName string
	ExternalID  string // always sent; a trust policy that does not ask for it ignores it
	Duration    time.Duration
}

// Assumed is what STS answered.
type Assumed struct {
	Credentials Credentials
	RequestID   string // AWS's; finds the call in CloudTrail
}

// RefusalKind says why STS gave no credentials, as far as its answer tells.
type RefusalKind string

const (
	RefusedDenied          RefusalKind = "denied"           // the role does not trust us, does not exist, or a policy denies: AWS does not tell these apart
	RefusedThrottled       RefusalKind = "throttled"        // we asked too often
	RefusedUnreachable     RefusalKind = "unreachable"      // no answer, or one that says STS itself is in trouble
	RefusedNoIdentity      RefusalKind = "no_identity"      // we have no AWS identity of our own
	RefusedIdentityExpired RefusalKind = "identity_expired" // ours has expired
	RefusedIdentity        RefusalKind = "identity_invalid" // ours is not accepted: unknown key, wrong signature
	RefusedRegion          RefusalKind = "region_disabled"  // STS is not activated in that region for the role's account
	RefusedDuration        RefusalKind = "duration"         // longer than the role allows, or than role chaining does
	RefusedOther           RefusalKind = "rejected"         // anything else STS found wrong
)

// Temporary says that the same call may succeed later with nothing changed in AWS.
func (k RefusalKind) Temporary() bool {
	return k == RefusedThrottled || k == RefusedUnreachable
}

// Refusal is the error of an AssumeRole call that gave no credentials.
type Refusal struct {
	Kind      RefusalKind
	Code      string // AWS's error code, as on the wire; may be empty
	Message   string // AWS's words, or what went wrong on the way there
	RequestID string // AWS's; may be empty
	Cause     error  // for the log
}

func (r *Refusal) Error() string {
	text := r.Message
	if r.Code != "" {
		text = r.Code + ": " + text
	}
	if r.RequestID != "" {
		text += fmt.Sprintf(" (request ID %s)", r.RequestID)
	}
	return text
}

// Unwrap gives the log its cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Identity is who this deployment is in AWS.
type Identity struct {
	Account string // 12 digits
	ARN     string // as GetCallerIdentity gives it
	UserID  string
}
