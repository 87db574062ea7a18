package rolebroker

import (
	"fmt"
	"strings"
	"time"
)

// Assumption is one AssumeRole call: everything that shapes the credentials.
type Assumption struct {
	ARN         RoleARN
	Region      Region // whose regional STS endpoint is asked
	SessionName string
	ExternalID  string // always sent when lending; a trust policy that does not ask for it ignores it. Empty: none, to find out whether it is asked for
	Duration    time.Duration

	SourceIdentity string // stays with every session that follows from this one; empty: none
	Tags           Tags   // zero: none
	Policy         string // a session policy, JSON, that narrows what the credentials may do; empty: none
}

// Tags are the session tags that say who borrows. They show in CloudTrail's
// record of the AssumeRole call, and policies can ask for them.
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

// Hint is what to do about a refusal that is about ourselves, or about the way
// to STS; empty for the others.
func (k RefusalKind) Hint() Hint {
	switch k {
	case RefusedNoIdentity:
		return Hintf("give the server an AWS identity: an instance or container role, a web-identity token, a profile or AWS_ACCESS_KEY_ID")
	case RefusedIdentityExpired:
		return Hintf("renew the server's AWS credentials; long-lived ones, or an instance or container role, renew themselves")
	case RefusedIdentity:
		return Hintf("correct the server's AWS credentials: the access key may be deleted, disabled or mistyped, or the server's clock wrong")
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

	DeniedBy Denier // of RefusedDenied: what AWS says denied it; empty where it does not say
	Chained  bool   // of RefusedDuration: AWS says that it is the hour of role chaining
}

// Denier is what AWS says denied a call. Across accounts it says nothing.
type Denier string

const (
	DeniedByIdentity     Denier = "identity"     // a policy of the caller: identity-based, session, permissions boundary
	DeniedByTrust        Denier = "trust"        // the role's trust policy
	DeniedByOrganization Denier = "organization" // a service or resource control policy, or that of a VPC endpoint
)

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
	// RoleARN is, for the session of a role, that role's ARN with its path,
	// which GetCallerIdentity does not say; empty when it is not known.
	RoleARN string
}

// Partition is the AWS partition of the identity, as in "aws".
func (id Identity) Partition() string {
	parts := strings.SplitN(id.ARN, ":", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// IsRoot says whether it is the root user of its account, who may assume no role.
func (id Identity) IsRoot() bool { return strings.HasSuffix(id.ARN, ":root") }

// assumedRole is what the ARN of a role's session has before role and session name.
const assumedRole = ":assumed-role/"

// IsRoleSession says whether it is the session of a role, so that every role
// it assumes is chained, and lasts an hour at most.
func (id Identity) IsRoleSession() bool { return strings.Contains(id.ARN, assumedRole) }

// Principal is the ARN by which a trust policy names the identity itself. It
// is not certain when it is that of a role whose path is not known.
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

// AccountPrincipal is the ARN by which a trust policy names the identity's account.
func (id Identity) AccountPrincipal() string {
	return "arn:" + id.Partition() + ":iam::" + id.Account + ":root"
}
