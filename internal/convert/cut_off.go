package convert

import (
	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// CutOff is a cut-off as the management API answers it.
func CutOff(c *rolebroker.CutOff) api.CutOff {
	return api.CutOff{
		ID:             string(c.ID),
		Agent:          c.AgentName,
		AgentID:        string(c.Agent),
		Roles:          All(c.Roles, func(r *rolebroker.EndedRole) string { return r.Reference }),
		SessionID:      string(c.Session),
		At:             c.At.UTC(),
		By:             c.By,
		Reason:         c.Reason,
		SessionsEnded:  c.Ended.Sessions,
		Withheld:       c.Withheld,
		RequestsEnded:  c.Requests,
		KeysExpireAt:   Time(c.Until),
		Accounts:       All(c.Accounts, deniedAccount),
		StillOpen:      All(c.Open, stillOpen),
		RemovableAfter: Time(c.Removal),
	}
}

// EndedSession is a session that was ended, as the management API answers it.
func EndedSession(s api.Session, c *rolebroker.CutOff) api.EndedSession {
	return api.EndedSession{Session: s, CutOff: CutOff(c)}
}

// EnabledAgent is an agent that was enabled, as the management API answers it. c is nil if it was never cut off.
func EnabledAgent(a *rolebroker.Agent, c *rolebroker.CutOff) api.EnabledAgent {
	enabled := api.EnabledAgent{Agent: Agent(a)}
	if c != nil {
		cut := CutOff(c)
		enabled.CutOff = &cut
	}
	return enabled
}

func deniedAccount(a *rolebroker.DeniedAccount) api.DeniedAccount {
	return api.DeniedAccount{Account: a.Account, Roles: All(a.Roles, deniedRole), Commands: a.Commands, Remove: a.Remove}
}

func deniedRole(r *rolebroker.DeniedRole) api.DeniedRole {
	return api.DeniedRole{
		ARN:        r.ARN.String(),
		Called:     r.Called,
		Sessions:   r.Sessions,
		ExpiresAt:  r.Until.UTC(),
		Runner:     r.Runner,
		PolicyName: r.Name,
		Policy:     r.Policy,
		State:      string(r.State),
		Problem:    r.Problem,
	}
}

func stillOpen(o *rolebroker.StillOpen) api.StillOpen {
	return api.StillOpen{What: o.What, Until: Time(o.Until)}
}

// cutOffMark is when an agent was cut off; nil if it is not.
func cutOffMark(m rolebroker.CutOffMark) *api.CutOffMark {
	if !m.IsSet() {
		return nil
	}
	return &api.CutOffMark{At: m.At.UTC(), By: m.By, Reason: m.Reason}
}
