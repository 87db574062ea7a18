package rolebroker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Access is what a connection lets an agent do with its roles. AWS enforces it: it is sent as a session policy with
// every AssumeRole.
type Access string

// The accesses.
const (
	AccessFull     Access = "full"      // everything that the role allows
	AccessReadOnly Access = "read-only" // AWS's ReadOnlyAccess, without what returns credentials
	AccessViewOnly Access = "view-only" // AWS's ViewOnlyAccess, without what returns credentials
	AccessPolicy   Access = "policy"    // the SessionPolicy of the connection
)

// Accesses are all accesses, the widest first.
func Accesses() []Access { return []Access{AccessFull, AccessReadOnly, AccessViewOnly, AccessPolicy} }

// IsKnown reports whether this version of the program knows how to enforce the access.
func (a Access) IsKnown() bool { return slices.Contains(Accesses(), a) }

// Approval says for what of a connection a person has to approve.
type Approval string

// The approvals.
const (
	ApprovalNone   Approval = "none"   // for nothing
	ApprovalBorrow Approval = "borrow" // before a role is used
	ApprovalWrite  Approval = "write"  // before the gateway sends what may change something; with keys withheld only
	ApprovalCall   Approval = "call"   // before the gateway sends what the ExemptPolicy does not allow; likewise
)

// Approvals are all approvals.
func Approvals() []Approval {
	return []Approval{ApprovalNone, ApprovalBorrow, ApprovalWrite, ApprovalCall}
}

// IsOfCalls reports whether the gateway asks a person about single calls. It sees them with keys withheld only.
func (a Approval) IsOfCalls() bool { return a == ApprovalWrite || a == ApprovalCall }

// Keys says whether the agent is lent AWS keys.
type Keys string

// The keys.
const (
	KeysLent     Keys = "lent"     // the agent gets AWS keys
	KeysWithheld Keys = "withheld" // it gets keys that only the gateway knows, which signs its requests
)

// AllKeys are all keys.
func AllKeys() []Keys { return []Keys{KeysLent, KeysWithheld} }

// ConnectionRole is a role that a connection is limited to.
type ConnectionRole struct {
	ID   RoleID
	Name string // as it is now
}

// NewConnection returns a connection to the integration that limits nothing.
func NewConnection(in *Integration, at time.Time) Connection {
	return Connection{Integration: in.ID, IntegrationName: in.Name, ConnectedAt: at, Access: AccessFull,
		Keys: KeysLent, Approval: ApprovalNone}
}

// Includes reports whether the connection lets the agent borrow a role of its integration.
func (c *Connection) Includes(id RoleID) bool {
	return c.Roles == nil || slices.ContainsFunc(c.Roles, func(r ConnectionRole) bool { return r.ID == id })
}

// managedPolicies are AWS's managed policies for the accesses that have one, by the path and name of their ARN.
//
// Source: AWS Managed Policy Reference Guide.
var managedPolicies = map[Access]string{
	AccessReadOnly: "ReadOnlyAccess",
	AccessViewOnly: "job-function/ViewOnlyAccess",
}

// ManagedPolicy returns the ARN of AWS's managed policy for an access, in a partition; empty if it has none.
func (a Access) ManagedPolicy(partition string) string {
	if managedPolicies[a] == "" {
		return ""
	}
	return "arn:" + partition + ":iam::aws:policy/" + managedPolicies[a]
}

// Restrict adds the session policies of the connection to an AssumeRole call. Codes: denied (this version of the program
// does not know the access or the approval).
func (c *Connection) Restrict(a *Assumption) error {
	if !c.Access.IsKnown() || CheckApproval(c.Approval) != nil || CheckKeys(c.Keys) != nil {
		return Errorf(CodeDenied, "what the agent may do with the roles of integration %s is not known to this version "+
			"of rolebroker: access %s, keys %s, approval %s", c.IntegrationName, Quote(string(c.Access)),
			Quote(string(c.Keys)), Quote(string(c.Approval)))
	}
	a.PolicyARN = c.Access.ManagedPolicy(a.ARN.Partition)
	switch c.Access {
	case AccessReadOnly, AccessViewOnly:
		a.Policy = noCredentials()
	case AccessPolicy:
		if a.Policy = c.SessionPolicy; a.Policy == "" {
			return Errorf(CodeDenied, "the connection to integration %s has no session policy", c.IntegrationName)
		}
	}
	return nil
}

// Narrow returns the connection as it is for a process that asks for no more than an access; empty: for what the
// connection permits. It never widens. Codes: invalid (no process can ask for that access), denied (what the connection
// permits cannot be narrowed).
func (c *Connection) Narrow(to Access) (_ *Connection, narrowed bool, _ error) {
	switch {
	case to == "":
		return c, false, nil
	case to != AccessReadOnly:
		return nil, false, Errorf(CodeInvalid, "access %s cannot be asked for; a process can ask for read-only",
			Quote(string(to)))
	case c.Access == AccessPolicy: // STS allows what any of several session policies allows
		return nil, false, Errorf(CodeDenied, "the connection to integration %s has a session policy, and AWS has no way to "+
			"make it read-only besides", c.IntegrationName).
			WithHint("leave --read-only out, or have an administrator write the session policy so that it only reads")
	case c.Access != AccessFull:
		return c, false, nil
	}
	narrow := *c
	narrow.Access = AccessReadOnly
	return &narrow, true, nil
}

// IsReadOnly reports whether credentials of the access only read. Those whose access is unknown may do more.
func (a Access) IsReadOnly() bool { return a == AccessReadOnly || a == AccessViewOnly }

// IsRestricted reports whether the connection lets the agent do less than borrow every role of its integration with all
// that the role allows.
func (c *Connection) IsRestricted() bool {
	return c.Access != AccessFull || c.Roles != nil || c.Keys != KeysLent || c.Approval != ApprovalNone
}

// IsLike reports whether both connections let the agent do the same.
func (c *Connection) IsLike(other *Connection) bool {
	isSame := func(a, b ConnectionRole) bool { return a.ID == b.ID }
	return c.Access == other.Access && c.SessionPolicy == other.SessionPolicy && c.Keys == other.Keys &&
		c.Approval == other.Approval && c.ExemptPolicy == other.ExemptPolicy &&
		slices.Equal(c.AllowedActions, other.AllowedActions) &&
		(c.Roles == nil) == (other.Roles == nil) && slices.EqualFunc(c.Roles, other.Roles, isSame)
}

// RoleNames returns the names of the roles that the connection is limited to; nil: all.
func (c *Connection) RoleNames() []string {
	if c.Roles == nil {
		return nil
	}
	names := make([]string, 0, len(c.Roles))
	for _, r := range c.Roles {
		names = append(names, r.Name)
	}
	return names
}

// check adds the fields that are wrong, under path, which is empty or ends with a dot.
func (c *Connection) check(path string, p *problems) {
	p.check(path+"access", oneOf(c.Access, Accesses()))
	p.check(path+"keys", CheckKeys(c.Keys))
	p.check(path+"approval", CheckApproval(c.Approval))
	c.checkActions(path, p)
	if c.Approval.IsOfCalls() && c.Keys != KeysWithheld {
		p.add(path+"approval", "%s is possible only with keys %s: the gateway sees what an agent calls, and AWS keys "+
			"work without it", c.Approval, Quote(string(KeysWithheld)))
	}
	c.checkExempt(path, p)
	switch {
	case c.Access == AccessPolicy && c.SessionPolicy == "":
		p.add(path+"session_policy", "is required with access policy: an IAM policy document")
	case c.Access != AccessPolicy && c.SessionPolicy != "":
		p.add(path+"session_policy", "is allowed only with access policy, and the access is %s",
			Quote(string(c.Access)))
	case c.SessionPolicy != "":
		_, wrong := ParseSessionPolicy(c.SessionPolicy)
		for _, f := range wrong {
			f.Path = path + "session_policy" + f.Path
			*p = append(*p, f)
		}
		if c.Approval == ApprovalBorrow && len(wrong) == 0 {
			ends := Assumption{Policy: c.SessionPolicy}
			p.check(path+"session_policy", ends.EndAt(time.Time{}))
		}
	}
}

// Check returns every field that is wrong. Codes: invalid.
func (c *Connection) Check() error {
	var p problems
	c.check("", &p)
	return p.err("the connection")
}

// CheckApproval returns nil for an approval that a connection can have.
func CheckApproval(a Approval) error { return oneOf(a, Approvals()) }

// CheckKeys returns nil for the keys that a connection can have.
func CheckKeys(k Keys) error { return oneOf(k, AllKeys()) }

// oneOf returns nil if the value is one of those that are allowed.
func oneOf[T ~string](value T, allowed []T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is not one of %s", Quote(string(value)), inWords(allowed))
}

// inWords writes values as in "full, read-only".
func inWords[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}

// facts adds what the connection lets the agent do to the facts of its agent, if it limits anything. A session policy is
// shown by its size and hash.
func (c *Connection) facts(facts Facts) {
	if !c.IsRestricted() {
		return
	}
	words := []string{"access " + string(c.Access)}
	if c.SessionPolicy != "" {
		words = append(words, fmt.Sprintf("session_policy of %d characters, sha256 %s", len(c.SessionPolicy),
			HashPolicy(c.SessionPolicy)))
	}
	if c.Roles != nil {
		words = append(words, "roles "+orNone(strings.Join(c.RoleNames(), " ")))
	}
	if c.Keys != KeysLent {
		words = append(words, "keys "+string(c.Keys))
	}
	if len(c.AllowedActions) > 0 {
		words = append(words, "allowed_actions "+strings.Join(c.AllowedActions, " "))
	}
	if c.Approval != ApprovalNone {
		words = append(words, "approval "+string(c.Approval))
	}
	if c.ExemptPolicy != "" {
		words = append(words, fmt.Sprintf("exempt_policy of %d characters, sha256 %s", len(c.ExemptPolicy),
			HashPolicy(c.ExemptPolicy)))
	}
	facts["connections."+c.IntegrationName] = strings.Join(words, ", ")
}

// HashPolicy returns the SHA-256 of a policy, in hexadecimal.
func HashPolicy(policy string) string {
	sum := sha256.Sum256([]byte(policy))
	return hex.EncodeToString(sum[:])
}

// pathOf is the path of a connection in the JSON of its agent.
func pathOf(i int) string { return "connections[" + strconv.Itoa(i) + "]." }
