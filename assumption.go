package rolebroker

import (
	"fmt"
	"strings"
	"time"
)

// Assumption is the input of one AssumeRole call: everything that shapes the credentials.
type Assumption struct {
	ARN         RoleARN
	Region      Region // of the STS endpoint
	SessionName string
	// ExternalID is always sent when lending: a trust policy without a condition on it ignores it. Validation leaves it
	// empty to find out whether the trust policy requires it.
	ExternalID string
	Duration   time.Duration

	SourceIdentity string // AWS keeps it when the session assumes further roles; empty: none
	Tags           Tags   // zero: none
	Policy         string // a session policy, JSON, that narrows what the credentials may do; empty: none
}

// Tags are the session tags that name the borrower. CloudTrail shows them with the AssumeRole call, and policies can
// test them.
type Tags struct {
	Agent       string
	Integration string
	Role        string
	Task        string // may be empty
}

// The keys of the session tags.
const (
	TagAgent       = "rolebroker:agent"
	TagIntegration = "rolebroker:integration"
	TagRole        = "rolebroker:role"
	TagTask        = "rolebroker:task"
)

// Assumed is what STS answered.
type Assumed struct {
	Credentials Credentials
	RequestID   string // AWS's; finds the call in CloudTrail
}

// RefusalKind is the reason why STS gave no credentials, as far as its answer shows.
type RefusalKind string

// The kinds of refusal. "We" are the server or the runner that called STS.
const (
	// RefusedDenied: the role does not trust us, does not exist, or a policy denies. AWS does not distinguish these.
	RefusedDenied RefusalKind = "denied"

	RefusedThrottled       RefusalKind = "throttled"        // we called too often
	RefusedUnreachable     RefusalKind = "unreachable"      // no answer, or an error of STS itself
	RefusedNoIdentity      RefusalKind = "no_identity"      // we have no AWS identity
	RefusedIdentityExpired RefusalKind = "identity_expired" // our AWS credentials have expired
	RefusedIdentity        RefusalKind = "identity_invalid" // our AWS credentials are wrong: key or signature
	RefusedRegion          RefusalKind = "region_disabled"  // the role's account has not activated STS in the region
	RefusedDuration        RefusalKind = "duration"         // longer than the role or role chaining allows
	RefusedOther           RefusalKind = "rejected"         // anything else
)

// Temporary reports whether the same call may succeed later without a change in AWS.
func (k RefusalKind) Temporary() bool {
	return k == RefusedThrottled || k == RefusedUnreachable
}

// Hint returns what to do about a refusal because of our own identity or the network; empty for the other kinds.
func (k RefusalKind) Hint() Hint {
	switch k {
	case RefusedNoIdentity:
		return Hintf("give the server an AWS identity: an instance or container role, a web-identity token, " +
			"a profile or AWS_ACCESS_KEY_ID")
	case RefusedIdentityExpired:
		return Hintf("renew the server's AWS credentials; " +
			"long-lived ones, or an instance or container role, renew themselves")
	case RefusedIdentity:
		return Hintf("correct the server's AWS credentials: the access key may be deleted, disabled or mistyped, " +
			"or the server's clock wrong")
	case RefusedUnreachable:
		return Hintf("look whether the server can reach STS, by HTTPS and perhaps through a proxy")
	}
	return nil
}

// Refusal is the error of an AssumeRole call that gave no credentials.
type Refusal struct {
	Kind      RefusalKind
	Code      string // AWS's error code, as on the wire; may be empty
	Message   string // AWS's words, or what went wrong on the way there
	RequestID string // AWS's; may be empty
	Cause     error  // for the log

	DeniedBy Denier // for RefusedDenied: the policy that AWS names; empty if it names none
	Chained  bool   // for RefusedDuration: AWS says that role chaining allows an hour at most
}

// Denier is the kind of policy that AWS says denied a call. For a role of another account AWS does not say it.
type Denier string

// The kinds of policy.
const (
	DeniedByIdentity     Denier = "identity"     // of the caller: identity-based, session, permissions boundary
	DeniedByTrust        Denier = "trust"        // the role's trust policy
	DeniedByOrganization Denier = "organization" // service or resource control policy, or a VPC endpoint's policy
)

// Error returns AWS's code, message and request ID.

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

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Identity is an AWS identity of this deployment or of a runner.
type Identity struct {
	Account string // 12 digits
	ARN     string // as GetCallerIdentity returns it
	UserID  string
	// RoleARN is the ARN of the role, with its path, if the identity is a role session. GetCallerIdentity does not
	// return the path. Empty: unknown.
	RoleARN string
}

// Partition returns the AWS partition of the identity, as in "aws".
func (id Identity) Partition() string {
	parts := strings.SplitN(id.ARN, ":", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// IsRoot reports whether the identity is the root user of its account, which cannot assume roles.
func (id Identity) IsRoot() bool { return strings.HasSuffix(id.ARN, ":root") }

// assumedRole precedes the names of the role and the session in the ARN of a role session.
const assumedRole = ":assumed-role/"

// IsRoleSession reports whether the identity is a role session. The roles that it assumes are then chained, and last an
// hour at most.
func (id Identity) IsRoleSession() bool { return strings.Contains(id.ARN, assumedRole) }

// Principal returns the ARN by which a trust policy names the identity. It is not certain for a role whose path is
// unknown.
func (id Identity) Principal() (arn string, certain bool) {
	if !id.IsRoleSession() {
		return id.ARN, id.ARN != ""
	}
	if id.RoleARN != "" {
		return id.RoleARN, true
	}
	_, session, _ := strings.Cut(id.ARN, assumedRole)
	role, _, _ := strings.Cut(session, "/")
	return RoleARN{Partition: id.Partition(), Account: id.Account, Path: "/", Name: role}.String(), false
}

// AccountPrincipal returns the ARN by which a trust policy names the account of the identity.
func (id Identity) AccountPrincipal() string {
	return "arn:" + id.Partition() + ":iam::" + id.Account + ":root"
}
