package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// CuttingOff says what an agent is cut off from, and why.
type CuttingOff struct {
	Role   string // a reference to a role that the agent has, or was lent; empty: everything
	Reason string // may be empty
	Apply  bool   // the server puts the deny policies on the roles, where AWS lets it
}

// CutOff stops an agent at once, everywhere: nothing is lent to it, its sessions and its access requests end. With a
// role, only that role is taken from it. Keys that it was lent before work in AWS until they expire or until the deny
// policies of the answer are on their roles. Cutting off again changes nothing but the time in the policies. AWS is
// called after all that is stored, and no error of AWS is one of CutOff. Codes: denied, not_found (the agent, or a role
// that it does not have), invalid.
func (b *Broker) CutOff(
	ctx context.Context, who rolebroker.Caller, nameOrID string, how CuttingOff,
) (*rolebroker.CutOff, error) {
	const action = rolebroker.ActionAgentCutOff
	subjects := []rolebroker.Subject{rolebroker.Named(rolebroker.KindAgent, nameOrID)}
	if how.Role != "" {
		subjects = append(subjects, rolebroker.Named(rolebroker.KindRole, how.Role))
	}
	if err := b.May(ctx, who, action, subjects...); err != nil {
		return nil, err
	}
	how.Reason = rolebroker.OneLine(how.Reason)
	if err := rolebroker.CheckReason(how.Reason); err != nil {
		return nil, invalid("the request", "reason", "%s", err)
	}
	var cut rolebroker.CutOff
	var event rolebroker.AuditEvent
	err := retryStale(0, func() (err error) {
		cut, event, err = b.cutOff(ctx, who, nameOrID, how)
		return err
	})
	if err != nil {
		return nil, err
	}
	maps.Copy(event.After, cut.Facts())
	b.logEvent(ctx, &event)
	if err := b.addDenials(ctx, &cut); err != nil {
		return nil, err
	}
	if how.Apply {
		b.apply(ctx, who, &cut)
	}
	b.tell(&cut)
	return &cut, nil
}

// maxCutOffs is how many cut-offs of an agent are looked at for one that concerns a role.
const maxCutOffs = 200

// LastCutOff returns the last cut-off of an agent, or the last one that concerns a role, with what is still open now.
// Of an agent that is cut off, it is the last one from everything, which covers the later ones from a role. It changes
// nothing. Codes: denied, not_found (the agent, or it was not cut off).
func (b *Broker) LastCutOff(
	ctx context.Context, who rolebroker.Caller, nameOrID, role string,
) (*rolebroker.CutOff, error) {
	agent, err := b.agentFor(ctx, who, rolebroker.ActionAgentGetCutOff, nameOrID)
	if err != nil {
		return nil, withList(err, "agent")
	}
	return b.lastCutOff(ctx, agent, role)
}

func (b *Broker) lastCutOff(
	ctx context.Context, agent *rolebroker.Agent, role string,
) (*rolebroker.CutOff, error) {
	all, err := b.store.CutOffs(ctx, agent.ID, maxCutOffs)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(c rolebroker.CutOff) bool {
		if role == "" {
			return !agent.CutOff.IsSet() || len(c.Roles) == 0
		}
		return len(c.Roles) == 0 || c.Names(role)
	})
	if i < 0 {
		return nil, neverCutOff(agent, role)
	}
	cut := all[i]
	if cut.Reason == "" && len(cut.Roles) == 0 {
		cut.Reason = agent.CutOff.Reason // why it was cut off before this time; empty if it is not now
	}
	if err := b.addDenials(ctx, &cut); err != nil {
		return nil, err
	}
	b.tell(&cut)
	return &cut, nil
}

func neverCutOff(agent *rolebroker.Agent, role string) error {
	what, command := "agent "+agent.Name, []string{"rolebroker", "agent", "cut-off", agent.Name}
	if role != "" {
		what += " was not cut off from role " + rolebroker.Quote(rolebroker.ShowReference(role))
		command = append(command, "--role", role)
	} else {
		what += " was not cut off"
	}
	return rolebroker.Errorf(rolebroker.CodeNotFound, "%s", what).
		WithSteps(rolebroker.Step{Text: "cut it off:", Command: rolebroker.ShellCommand(command...)})
}

// cutOff cuts off the current version of the agent.
func (b *Broker) cutOff(
	ctx context.Context, who rolebroker.Caller, nameOrID string, how CuttingOff,
) (cut rolebroker.CutOff, event rolebroker.AuditEvent, err error) {
	before, err := b.store.Agent(ctx, nameOrID)
	if err != nil {
		return cut, event, withList(err, "agent")
	}
	after := *before
	after.Version, after.UpdatedAt = before.Version+1, b.now()
	ending := rolebroker.Ending{Agent: before.ID, At: b.now(), By: who.Name}
	subjects := []rolebroker.Subject{before.Subject()}
	if how.Role == "" {
		if !after.CutOff.IsSet() {
			after.CutOff = rolebroker.CutOffMark{At: ending.At, By: who.Name, Reason: how.Reason, Disabled: before.Disabled}
		}
		after.Disabled = true
	} else if ending.Roles, err = b.takeRole(ctx, &after, how.Role); err != nil {
		return cut, event, err
	}
	for _, role := range ending.Roles {
		subjects = append(subjects, role.Subject())
	}
	event = b.event(who, rolebroker.ActionAgentCutOff, before.Facts(), after.Facts(), subjects...)
	cut, err = b.store.CutOff(ctx, &after, before.Version, ending, how.Reason, event)
	return cut, event, err
}

// takeRole takes a role out of an agent's connections, and returns what the reference means: a role of a connection, or
// one that the agent has a live session for. Codes: not_found, invalid (ambiguous).
func (b *Broker) takeRole(
	ctx context.Context, a *rolebroker.Agent, reference string,
) ([]rolebroker.EndedRole, error) {
	grants, err := b.store.Grants(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	live, err := b.sessionsAt(ctx, a.ID, b.now())
	if err != nil {
		return nil, err
	}
	found := rolesNamed(grants, live, reference)
	switch {
	case len(found) == 0:
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound,
			"agent %s has no role %s: it is in none of its connections, and no live session is for it", a.Name,
			rolebroker.Quote(rolebroker.ShowReference(reference))).
			WithSteps(rolebroker.Step{Text: "see what it has:", Command: rolebroker.ShellCommand("rolebroker", "agent", "show",
				a.Name) + "\n" + rolebroker.ShellCommand("rolebroker", "session", "list", "--live", "--agent", string(a.ID))})
	case len(found) > 1 && !isRoleARN(reference):
		return nil, ambiguousRole(reference, found)
	}
	a.Connections = slices.Clone(a.Connections)
	for i := range a.Connections {
		excludeRoles(&a.Connections[i], grants, found)
	}
	return found, nil
}

// excludeRoles limits a connection to the roles that it has now, except those that are taken.
func excludeRoles(c *rolebroker.Connection, grants *rolebroker.Grants, taken []rolebroker.EndedRole) {
	isTaken := func(id rolebroker.RoleID) bool {
		return slices.ContainsFunc(taken, func(r rolebroker.EndedRole) bool { return r.Role == id })
	}
	for _, in := range grants.Integrations {
		if in.ID != c.Integration || !slices.ContainsFunc(in.Roles, func(r rolebroker.Role) bool { return isTaken(r.ID) }) {
			continue
		}
		left := []rolebroker.ConnectionRole{}
		for _, role := range in.Roles {
			if c.Includes(role.ID) && !isTaken(role.ID) {
				left = append(left, rolebroker.ConnectionRole{ID: role.ID, Name: role.Name})
			}
		}
		c.Roles = left
	}
}

// rolesNamed returns the roles that a reference can mean among those of an agent's connections, and of its live sessions.
func rolesNamed(
	grants *rolebroker.Grants, live []rolebroker.Session, reference string,
) (found []rolebroker.EndedRole) {
	add := func(in rolebroker.IntegrationID, inName string, id rolebroker.RoleID, name string, arn rolebroker.RoleARN) {
		integration, role, qualified := strings.Cut(reference, "/")
		is := reference == string(id) || reference == name || reference == arn.String()
		if qualified {
			is = is || (integration == inName || integration == string(in)) && (role == name || role == string(id))
		}
		known := slices.ContainsFunc(found, func(r rolebroker.EndedRole) bool { return r.Role == id })
		if is && !known {
			found = append(found, rolebroker.EndedRole{Integration: in, Role: id, Reference: inName + "/" + name})
		}
	}
	for _, in := range grants.Integrations {
		for _, role := range in.Roles {
			add(in.ID, in.Name, role.ID, role.Name, role.ARN)
		}
	}
	for _, s := range live {
		add(s.Integration, s.IntegrationName, s.Role, s.RoleName, s.ARN)
	}
	return found
}

// clocks is how far the clocks of two servers may differ.
const clocks = time.Minute

// sessionsAt returns all sessions of an agent whose keys worked at a time, ended or not.
func (b *Broker) sessionsAt(
	ctx context.Context, agent rolebroker.AgentID, at time.Time,
) (all []rolebroker.Session, err error) {
	const size = 500
	filter := rolebroker.SessionFilter{Agent: string(agent), LiveAt: at, Until: at.Add(clocks)}
	page := rolebroker.Page{Limit: size}
	for {
		found, err := b.store.Sessions(ctx, filter, page)
		all = append(all, found...)
		if err != nil || len(found) < size {
			return all, err
		}
		page.After = rolebroker.SessionCursor(&found[len(found)-1])
	}
}

// addDenials adds the deny policies for the roles whose keys the agent had then: by its live sessions, except those
// whose keys were withheld, whatever became of the roles since, and by what a runner may have lent it without reporting
// that yet.
func (b *Broker) addDenials(ctx context.Context, cut *rolebroker.CutOff) error {
	live, err := b.sessionsAt(ctx, cut.Agent, cut.At)
	if err != nil {
		return err
	}
	if len(cut.Roles) > 0 {
		live = slices.DeleteFunc(live, func(s rolebroker.Session) bool { return !cut.Concerns(s.Role) })
	}
	grants, err := b.store.Grants(ctx, cut.Agent)
	if err != nil {
		return err
	}
	signed, err := b.store.TokenSessions(ctx, cut.Agent, cut.At)
	if err != nil {
		return err
	}
	live = cut.Left(live, signed)
	denied := deniedRoles(live)
	for _, in := range grants.Integrations {
		if c := grants.Agent.Connection(in.ID); c != nil && c.Keys == rolebroker.KeysWithheld {
			continue // the runner signs with what it has not reported yet
		}
		for _, role := range in.Roles {
			if in.AssumptionMode == rolebroker.ModeCluster && cut.Concerns(role.ID) {
				denied.at(in.ID, role.ARN, in.Name+"/"+role.Name, in.RunnerName, cut.At.Add(role.Duration()))
			}
		}
	}
	deny(cut, setup.AgentDenial(cut.AgentName, live, cut.At), denied)
	return b.addStates(ctx, cut)
}

// deny adds a denial of roles to a cut-off.
func deny(cut *rolebroker.CutOff, denial setup.Denial, denied denials) {
	var roles []rolebroker.DeniedRole
	for _, role := range denied {
		roles = append(roles, *role)
		if role.Until.After(cut.Removal) {
			cut.Removal = role.Until
		}
		if role.Sessions > 0 && role.Until.After(cut.Until) {
			cut.Until = role.Until
		}
	}
	cut.Accounts = denial.Deny(roles)
}

// denials are roles by their ARNs.
type denials map[rolebroker.RoleARN]*rolebroker.DeniedRole

func deniedRoles(sessions []rolebroker.Session) denials {
	d := denials{}
	for _, s := range sessions {
		d.at(s.Integration, s.ARN, s.IntegrationName+"/"+s.RoleName, s.Runner, s.ExpiresAt).Sessions++
	}
	return d
}

// at returns the entry of a role, with these facts added.
func (d denials) at(
	in rolebroker.IntegrationID, arn rolebroker.RoleARN, called, runner string, until time.Time,
) *rolebroker.DeniedRole {
	role := d[arn]
	if role == nil {
		role = &rolebroker.DeniedRole{ARN: arn, State: rolebroker.PolicyOpen}
		d[arn] = role
	}
	if !slices.Contains(role.Integrations, in) {
		role.Integrations = append(role.Integrations, in)
	}
	if !slices.Contains(role.Called, called) {
		role.Called = append(role.Called, called)
		slices.Sort(role.Called)
	}
	if until.After(role.Until) {
		role.Until = until
	}
	if runner != "" {
		role.Runner = runner
	}
	return role
}

// sessionCutOff is the cut-off of a session that was ended.
func (b *Broker) sessionCutOff(ctx context.Context, s *rolebroker.Session) (*rolebroker.CutOff, error) {
	cut := &rolebroker.CutOff{Agent: s.Agent, AgentName: s.AgentName, Session: s.ID, At: s.EndedAt, By: s.EndedBy,
		Roles: []rolebroker.EndedRole{{Integration: s.Integration, Role: s.Role,
			Reference: s.IntegrationName + "/" + s.RoleName}}}
	signed, err := b.store.TokenSessions(ctx, s.Agent, s.EndedAt)
	if err != nil {
		return nil, err
	}
	deny(cut, setup.SessionDenial(s, s.EndedAt), deniedRoles(cut.Left([]rolebroker.Session{*s}, signed)))
	return cut, b.addStates(ctx, cut)
}

// addStates adds what the server did with the deny policies of a cut-off. What it did for an earlier one does not reach
// to the time of this.
func (b *Broker) addStates(ctx context.Context, cut *rolebroker.CutOff) error {
	if len(cut.Accounts) == 0 {
		return nil
	}
	known, err := b.store.DenyPolicies(ctx, cut.Agent)
	if err != nil {
		return err
	}
	for role := range cut.Denials() {
		i := slices.IndexFunc(known, func(p rolebroker.DenyPolicy) bool {
			return p.Role == role.ARN && p.Name == role.Name && !p.Before.Before(stored(cut.At))
		})
		if i >= 0 {
			role.State, role.Problem = known[i].State, known[i].Problem
		}
	}
	return nil
}

// tell completes a cut-off with what is left to do and still open now.
func (b *Broker) tell(cut *rolebroker.CutOff) {
	now := b.now()
	for i := range cut.Accounts {
		account := &cut.Accounts[i]
		account.Commands = setup.PutPolicies(account.Account, without(account.Roles, func(r rolebroker.DeniedRole) bool {
			return r.State == rolebroker.PolicyApplied || !now.Before(r.Until)
		}))
		account.Remove = setup.RemovePolicies(account.Account, without(account.Roles, func(r rolebroker.DeniedRole) bool {
			return r.State == rolebroker.PolicyRemoved
		}))
	}
	cut.Open = slices.DeleteFunc(stillOpen(cut), func(o rolebroker.StillOpen) bool {
		return !o.Until.IsZero() && !now.Before(o.Until)
	})
}

// without returns the roles of which done is false.
func without(roles []rolebroker.DeniedRole, done func(rolebroker.DeniedRole) bool) []rolebroker.DeniedRole {
	return slices.DeleteFunc(slices.Clone(roles), done)
}

// stillOpen lists what a cut-off does not end by itself.
func stillOpen(cut *rolebroker.CutOff) (open []rolebroker.StillOpen) {
	runners := map[string]bool{}
	sessions, until := 0, time.Time{}
	for role := range cut.Denials() {
		if role.Sessions > 0 && role.State != rolebroker.PolicyApplied {
			sessions += role.Sessions
			until = later(until, role.Until)
		}
		if role.Runner != "" {
			runners[role.Runner] = true
		}
	}
	if sessions > 0 {
		with := ""
		if cut.Signed {
			with = ", or tokens and URLs that were signed with them,"
		}
		open = append(open, rolebroker.StillOpen{Until: until,
			What: fmt.Sprintf("Keys of %d %s that were lent before%s work in AWS, until the deny policies are on "+
				"their roles.", sessions, plural(sessions, "session", "sessions"), with)})
	}
	for _, runner := range slices.Sorted(maps.Keys(runners)) {
		open = append(open, rolebroker.StillOpen{Until: cut.Removal,
			What: "Runner " + runner + " gave keys out itself. If it cannot reach the server now, it goes on with what it " +
				"knows for as long as its settings let it, and reports these sessions later: run the cut-off again then."})
	}
	if len(cut.Accounts) > 0 {
		open = append(open, rolebroker.StillOpen{Until: cut.Removal.Add(time.Hour),
			What: "Sessions that the agent itself started from these keys, by assuming other roles, are not known " +
				"here. CloudTrail shows them as AssumeRole events of the agent's sessions."})
	}
	if cut.Withheld > 0 {
		open = append(open, rolebroker.StillOpen{
			What: "What AWS gave the agent through the gateway stays with it: data and, where its connection names " +
				"the actions, credentials. " + rolebroker.ShellCommand("rolebroker", "call", "list", "--agent",
				cut.AgentName) + " shows its calls."})
	}
	if len(cut.Accounts) == 0 && cut.Withheld == 0 {
		return open
	}
	return append(open,
		rolebroker.StillOpen{
			What: "What the agent made or started in AWS goes on, such as functions, instances, access keys and trust " +
				"policies. CloudTrail shows it by the name of the session."})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
