package rolebroker

import (
	"slices"
	"time"
)

// Overview is what people want to know first. Activity may be ten seconds old; the rest is of At.
type Overview struct {
	Troubles  []Trouble // the newest first
	Failing   int       // how many integrations fail, which may be more than Troubles has
	Pending   []AccessRequest
	Activity  []Activity // of the last day, by hours, the oldest first
	Ending    []EndingKey
	Silent    []Runner // that joined and do not answer, the longest silent first
	CutOffs   []CutOff // with something to do before the last keys expire
	HasTokens bool     // some agent has a token, or a service account that is bound to it
	At        time.Time
}

// Trouble is why some enabled roles of an integration fail: those with the same cause.
type Trouble struct {
	Integration     IntegrationID
	IntegrationName string
	Roles           []string // their names, at most MaxTroubleRoles
	First           RoleID   // of Roles
	Count           int      // how many roles fail so
	State           RoleState
}

// Troubles returns why enabled roles fail, one for each cause, in the order of the roles. Since is when the first of
// the roles that fail so began to.
func (in *Integration) Troubles() (all []Trouble) {
	for i := range in.Roles {
		role := &in.Roles[i]
		state := in.StateOf(role)
		if !role.Enabled || state.Status != StatusFailed {
			continue
		}
		at := slices.IndexFunc(all, func(t Trouble) bool { return t.State.Code == state.Code })
		if at < 0 {
			at = len(all)
			all = append(all, Trouble{Integration: in.ID, IntegrationName: in.Name, First: role.ID, State: state})
		}
		t := &all[at]
		t.Count++
		if len(t.Roles) < MaxTroubleRoles {
			t.Roles = append(t.Roles, role.Name)
		}
		t.State.Since = earlierKnown(t.State.Since, state.Since)
	}
	return all
}

// MaxTroubleRoles is how many roles a Trouble names.
const MaxTroubleRoles = 3

// Activity is what agents did in an hour. Where much happened, the numbers stop at MaxActivity.
type Activity struct {
	From     time.Time
	Sessions int // that began
	Calls    int // through the gateway
	Refused  int // of them, but for those that lacked a yes
	Waited   int // of them: refused because a person had not approved them
}

// MaxActivity bounds the numbers of an Activity.
const MaxActivity = 10_000

// EndingKey is an agent's token or an API key that is about to expire.
type EndingKey struct {
	Token     TokenID // empty: it is an API key
	Agent     AgentID // of the token
	AgentName string
	Name      string // of an API key; the label of a token, which may be empty
	At        time.Time
}
