package convert

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Validation is the outcome for one role as the management API answers it, with
// the time in whole seconds.
func Validation(v *rolebroker.Validation) api.Validation {
	shown := exactly(v)
	shown.CheckedAt = shown.CheckedAt.Truncate(time.Second)
	return shown
}

func exactly(v *rolebroker.Validation) api.Validation {
	return api.Validation{
		Status:    string(v.Status),
		Code:      string(v.Code),
		Message:   v.Message,
		Hint:      v.Hint.String(),
		HintSteps: HintSteps(v.Hint),
		RequestID: v.RequestID,
		CheckedAt: v.CheckedAt.UTC(),
		CheckedBy: v.CheckedBy,
	}
}

func validationOrNull(v *rolebroker.Validation) *api.Validation {
	if v == nil {
		return nil
	}
	shown := Validation(v)
	return &shown
}

// RoleValidation is the outcome for one role, with the role's name.
func RoleValidation(r *rolebroker.RoleValidation) api.RoleValidation {
	return api.RoleValidation{Name: r.Role.Name, Disabled: !r.Role.Enabled, Validation: Validation(&r.Validation)}
}

// Validations are the outcomes for the roles of an integration. externalID is
// that of a draft, else empty.
func Validations(results []rolebroker.RoleValidation, externalID string) api.Validations {
	return api.Validations{OK: rolebroker.AllWork(results), Roles: All(results, RoleValidation), ExternalID: externalID}
}

// Outcome is the outcome for one role, as a runner tells the server: with the
// exact time and the role's ID, as facts and without a hint. A server of an earlier
// version shows the message.
func Outcome(r *rolebroker.RoleValidation) api.IdentifiedOutcome {
	sent := api.IdentifiedOutcome{Role: string(r.Role.ID), Validation: exactly(&r.Validation),
		Finding: finding(&r.Finding)}
	sent.Hint, sent.HintSteps, sent.CheckedBy = "", nil, ""
	return sent
}

func finding(f *rolebroker.Finding) *api.Finding {
	sent := &api.Finding{Method: string(f.Method), IdentityAccount: f.Identity.Account, IdentityARN: f.Identity.ARN,
		Probe: string(f.Probe), Unclear: f.Unclear, NoTags: f.NoTags, NoSourceIdentity: f.NoSourceIdentity,
		Inherited: f.Inherited, OwnSide: string(f.OwnSide),
		SessionName: f.SessionName, RefusedAgent: f.RefusedAgent, TooLarge: f.TooLarge, Refusal: STSRefusal(f.Refusal)}
	if f.Account != (rolebroker.ServiceAccount{}) {
		sent.Account = ServiceAccount(f.Account)
	}
	return sent
}

// Tried is what a runner tries, as the server tells it.
func Tried(t rolebroker.Tried) api.Tried {
	sent := api.Tried{Agents: t.Agents, Connected: t.Connected}
	for _, p := range t.Policies {
		told := api.TriedPolicy{Access: string(p.Access), SessionPolicy: p.SessionPolicy, Ends: p.Ends,
			Agents: p.Agents, Count: p.Count}
		for _, id := range p.Roles {
			told.Roles = append(told.Roles, string(id))
		}
		sent.Policies = append(sent.Policies, told)
	}
	return sent
}

// FromTried is what a server tells a runner to try.
func FromTried(sent api.Tried) rolebroker.Tried {
	t := rolebroker.Tried{Agents: sent.Agents, Connected: sent.Connected}
	for _, p := range sent.Policies {
		told := rolebroker.TriedPolicy{Access: rolebroker.Access(p.Access), SessionPolicy: p.SessionPolicy,
			Ends: p.Ends, Agents: p.Agents, Count: p.Count}
		for _, id := range p.Roles {
			told.Roles = append(told.Roles, rolebroker.RoleID(id))
		}
		t.Policies = append(t.Policies, told)
	}
	return t
}

// STSRefusal is what AWS answered, as a runner tells the server; nil for nil.
func STSRefusal(r *rolebroker.Refusal) *api.STSRefusal {
	if r == nil {
		return nil
	}
	return &api.STSRefusal{Kind: string(r.Kind), Code: r.Code, Message: r.Message, RequestID: r.RequestID,
		DeniedBy: string(r.DeniedBy), Chained: r.Chained, Action: string(r.Action), Lack: string(r.Lack)}
}

// FromSTSRefusal is what AWS answered, as a runner tells it; nil for nil.
func FromSTSRefusal(sent *api.STSRefusal) *rolebroker.Refusal {
	if sent == nil {
		return nil
	}
	return &rolebroker.Refusal{Kind: rolebroker.RefusalKind(sent.Kind), Code: sent.Code, Message: sent.Message,
		RequestID: sent.RequestID, DeniedBy: rolebroker.Denier(sent.DeniedBy), Chained: sent.Chained,
		Action: rolebroker.DeniedAction(sent.Action), Lack: rolebroker.Lack(sent.Lack)}
}

// FromOutcomes are the findings that a runner tells, by role. An earlier version of
// the runner tells a code and a message in its own words, which are then those of
// the refusal.
func FromOutcomes(sent []api.IdentifiedOutcome) map[rolebroker.RoleID]rolebroker.Finding {
	findings := map[rolebroker.RoleID]rolebroker.Finding{}
	for _, o := range sent {
		f := rolebroker.Finding{Code: rolebroker.ValidationCode(o.Code), RequestID: o.RequestID, CheckedAt: o.CheckedAt}
		switch told := o.Finding; {
		case told != nil:
			f.Method, f.Probe = rolebroker.AssumeMethod(told.Method), rolebroker.Probe(told.Probe)
			f.Inherited, f.OwnSide = told.Inherited, rolebroker.OwnSide(told.OwnSide)
			f.Unclear, f.SessionName, f.RefusedAgent = told.Unclear, told.SessionName, told.RefusedAgent
			f.TooLarge = told.TooLarge
			f.Identity = rolebroker.Identity{Account: told.IdentityAccount, ARN: told.IdentityARN}
			f.NoTags, f.NoSourceIdentity, f.Refusal = told.NoTags, told.NoSourceIdentity, FromSTSRefusal(told.Refusal)
			if told.Account != nil {
				f.Account = FromServiceAccount(told.Account)
			}
		case o.Message != "":
			f.Refusal = &rolebroker.Refusal{Kind: rolebroker.RefusedOther, Message: o.Message}
		}
		findings[rolebroker.RoleID(o.Role)] = f
	}
	return findings
}
