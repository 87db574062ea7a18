package setup

import (
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Denial selects sessions in AWS: those that a deny policy on their role ends.
type Denial struct {
	Name   string   // of the inline policy
	Agents []string // the sessions of the agents of these names; one agent, and what it was called before
	Before time.Time

	// Session is the one session to deny; nil: all that AWS issued before Before.
	Session *rolebroker.Session
}

// AgentDenial is the denial of all sessions of an agent that AWS has issued by now. sessions are its live ones: they
// have the names that the agent had when they began.
func AgentDenial(agent string, sessions []rolebroker.Session, now time.Time) Denial {
	names := []string{agent}
	for _, s := range sessions {
		names = append(names, s.AgentName)
	}
	slices.Sort(names)
	return Denial{Name: "rolebroker-cut-off-" + agent, Agents: slices.Compact(names), Before: nextSecond(now)}
}

// How long before its record, by a clock that is ahead of AWS's, and how long after it STS may have issued a session.
const (
	clockSkew   = time.Minute
	longestCall = 2 * time.Minute
)

// SessionDenial is the denial of one session.
func SessionDenial(s *rolebroker.Session, now time.Time) Denial {
	before := nextSecond(s.RequestedAt.Add(longestCall))
	if end := nextSecond(now); end.Before(before) {
		before = end
	}
	return Denial{Name: "rolebroker-cut-off-" + string(s.ID), Before: before, Session: s}
}

// nextSecond rounds up: AWS's times are whole seconds, rounded down, so a token of this second is issued before the
// next one.
func nextSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second).Add(time.Second) }

// Policy is the inline policy that denies the sessions everything, as JSON on one line. No identity policy, resource
// policy or session policy allows what it denies.
//
// AWS has no condition on an access key. It tells sessions apart by aws:userid, which is the ID of the role and the name
// of the session, and by the time when STS issued them. The source identity, where an integration sets it, also finds
// the sessions that the agent itself started from these, for the same role under another name.
//
// Source: IAM User Guide, "AWS global condition context keys" and "Revoke IAM role temporary security credentials".
func (d Denial) Policy() string {
	if d.Session != nil {
		return string(compact(denying(
			object{{"StringLike", object{{"aws:userid", "*:" + d.Session.SessionName}}},
				{"DateGreaterThanEquals", object{{"aws:TokenIssueTime", awsTime(d.Session.RequestedAt.Add(-clockSkew))}}},
				{"DateLessThan", object{{"aws:TokenIssueTime", awsTime(d.Before)}}}})))
	}
	var users, sources []string
	for _, agent := range d.Agents {
		name, _ := rolebroker.SessionName(agent, "") // without a task it has no error
		sources = append(sources, name)
		users = append(users, "*:"+name)
		if !strings.HasSuffix(name, "@") {
			name += "@"
		}
		users = append(users, "*:"+name+"*")
	}
	before := member{"DateLessThan", object{{"aws:TokenIssueTime", awsTime(d.Before)}}}
	return string(compact(denying(
		object{{"StringLike", object{{"aws:userid", texts(users)}}}, before},
		object{{"StringEquals", object{{"aws:SourceIdentity", texts(sources)}}}, before})))
}

// denying is a policy that denies everything under one of the conditions.
func denying(conditions ...object) object {
	var statements []any
	for _, when := range conditions {
		statements = append(statements, object{{"Effect", "Deny"}, {"Action", "*"}, {"Resource", "*"}, {"Condition", when}})
	}
	return object{{"Version", "2012-10-17"}, {"Statement", statements}}
}

func awsTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Deny adds the policy to each role, and returns them by account.
func (d Denial) Deny(roles []rolebroker.DeniedRole) (accounts []rolebroker.DeniedAccount) {
	policy := d.Policy()
	roles = slices.Clone(roles)
	slices.SortFunc(roles, func(a, b rolebroker.DeniedRole) int {
		return strings.Compare(a.ARN.Account+" "+a.ARN.String(), b.ARN.Account+" "+b.ARN.String())
	})
	for _, role := range roles {
		role.Name, role.Policy = d.Name, policy
		if n := len(accounts); n == 0 || accounts[n-1].Account != role.ARN.Account {
			accounts = append(accounts, rolebroker.DeniedAccount{Account: role.ARN.Account})
		}
		account := &accounts[len(accounts)-1]
		account.Roles = append(account.Roles, role)
	}
	return accounts
}

// PutPolicies is the commands that put the policies on roles of one account, for a POSIX shell; empty for no roles.
func PutPolicies(account string, roles []rolebroker.DeniedRole) string {
	return inAccount(account, roles, func(r rolebroker.DeniedRole) string {
		return rolebroker.ShellCommand("aws", "iam", "put-role-policy", "--role-name", r.ARN.Name, "--policy-name", r.Name,
			"--policy-document", r.Policy)
	})
}

// RemovePolicies is the commands that remove them; empty for no roles.
func RemovePolicies(account string, roles []rolebroker.DeniedRole) string {
	return inAccount(account, roles, func(r rolebroker.DeniedRole) string {
		return rolebroker.ShellCommand("aws", "iam", "delete-role-policy", "--role-name", r.ARN.Name, "--policy-name", r.Name)
	})
}

// inAccount is a command for each role. They run in one account only.
func inAccount(
	account string, roles []rolebroker.DeniedRole, command func(rolebroker.DeniedRole) string,
) string {
	if len(roles) == 0 {
		return ""
	}
	var out script
	out.line("# With credentials of account %s: export AWS_PROFILE=… if you use profiles.", account)
	out.line("%s", guard(account))
	for _, role := range roles {
		out.line("%s", command(role))
	}
	out.WriteString("fi")
	return out.String()
}

// cutOffSession is the name of the sessions in which the server puts deny policies on roles.
const cutOffSession = "rolebroker-cut-off"

// CutOffAssumption is how the server becomes the role that puts deny policies on the roles of an integration. The
// session may do that on one role only. Codes: denied (IAM has no name for such a role).
func CutOffAssumption(in *rolebroker.Integration, role rolebroker.RoleARN) (rolebroker.Assumption, error) {
	name, err := rolebroker.CutOffRoleName(in.Name)
	if err != nil {
		return rolebroker.Assumption{}, rolebroker.Errorf(rolebroker.CodeDenied, "integration %s %s", in.Name, err)
	}
	as := rolebroker.Assumption{SessionName: cutOffSession, ExternalID: in.ExternalID,
		ARN:      rolebroker.RoleARN{Partition: role.Partition, Account: role.Account, Path: "/", Name: name},
		Duration: rolebroker.MinSessionDuration, Policy: string(compact(mayChangePolicies([]rolebroker.RoleARN{role})))}
	for _, r := range in.Roles {
		if r.ARN.Partition == role.Partition {
			as.Region = r.Region
		}
	}
	return as, nil
}

// mayChangePolicies is a policy that allows to change the inline policies of exactly these roles. IAM has no condition
// on what such a policy says.
//
// Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM".
func mayChangePolicies(roles []rolebroker.RoleARN) object {
	var resources []string
	for _, role := range roles {
		resources = append(resources, resourceOf(role))
	}
	return object{{"Version", "2012-10-17"}, {"Statement", []any{object{{"Effect", "Allow"},
		{"Action", texts([]string{"iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"})},
		{"Resource", texts(resources)}}}}}
}
