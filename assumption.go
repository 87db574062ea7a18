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
	PolicyARN      string // a managed policy that does so too: what either of them allows; empty: none
}

// Assumption returns the call by which the agent of that name borrows the role for a task, which may be empty. Codes:
// invalid (the task).
func (in *Integration) Assumption(r *Role, agent, task string) (Assumption, error) {
	sessionName, err := SessionName(agent, task)
	if err != nil {
		return Assumption{}, err
	}
	a := Assumption{
		ARN: r.ARN, Region: r.Region, SessionName: sessionName, ExternalID: in.ExternalID, Duration: r.Duration(),
	}
	if in.SourceIdentity {
		a.SourceIdentity, _ = SessionName(agent, "") // without a task it has no error
	}
	if in.SessionTags {
		a.Tags = Tags{Agent: agent, Integration: in.Name, Role: r.Name, Task: task}
	}
	return a, nil
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

// Check returns nil for an identity as AWS describes one, and for the zero value. It does not check RoleARN.
//
// Source: IAM User Guide, "IAM identifiers".
func (id Identity) Check() error {
	if id.ARN == "" && id.Account == "" && id.UserID == "" {
		return nil
	}
	allowed := func(c byte) bool { return isNameByte(c) || strings.IndexByte("+=,@/:", c) >= 0 }
	part := strings.SplitN(id.ARN, ":", 6)
	switch {
	case len(part) != 6 || part[0] != "arn" || len(id.ARN) > maxARN || !only(id.ARN, allowed):
		return fmt.Errorf("has the ARN %s, which is not the ARN of an identity", Quote(id.ARN))
	case !IsAccountID(part[4]) || part[4] != id.Account:
		return fmt.Errorf("has the ARN %s, which is not of the account %s", Quote(id.ARN), Quote(id.Account))
	case part[2] != "iam" && part[2] != "sts" || part[3] != "" || partitions[part[1]] == nil:
		return fmt.Errorf("has the ARN %s, which is not the ARN of an identity", Quote(id.ARN))
	case len(id.UserID) > 200 || !only(id.UserID, allowed):
		return fmt.Errorf("has the ID %s, which AWS gives to no identity", Quote(id.UserID))
	}
	return nil
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
