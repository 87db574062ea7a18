package rolebroker

import (
	"strconv"
	"time"
)

// Page selects a part of a list: at most Limit items after the item whose cursor is After. The cursor of an item is the
// key that its list is sorted by: its name, its ID, or SessionCursor.
//
// Search selects items of which some text contains it, ignoring ASCII case: the name or the description of
// integrations, agents and runners, and the names and ARNs of an integration's roles.
type Page struct {
	Limit       int
	After       string // "" for the start of the list
	Search      string // see above
	Integration string // the ID or name of an integration that the items are connected to; for agents
	Sort        Sort   // for integrations, agents, runners and sessions; each needs the cursors of its own lists
	State       ListState
	Mode        AssumptionMode // for integrations
}

// Fetch says how often a session's credentials were handed out.
type Fetch struct {
	Session SessionID
	Count   int64
	Last    time.Time
	Runner  RunnerID // whose session it is; empty: this server's
}

// SessionFilter selects sessions; the zero value selects all.
type SessionFilter struct {
	Agent       string          // its ID, or its name when the session began
	Integration string          // its ID, or its name when the session began
	Role        string          // its ID, its ARN, or its name or integration/role when the session began
	Token       TokenID         // sessions that were begun with it; without Request
	Request     AccessRequestID // sessions under this approval
	Account     string          // sessions for roles of this AWS account
	Since       time.Time       // sessions that were requested then or later; zero: all
	Until       time.Time       // sessions that were requested before; zero: all
	LiveAt      time.Time       // sessions whose credentials may work at this time; zero: all
}

// SessionCursor returns the cursor of a session in its list.
func SessionCursor(s *Session) string {
	return strconv.FormatInt(s.RequestedAt.UnixMilli(), 10) + "." + string(s.ID)
}

// Counts are numbers for an overview.
type Counts struct {
	Integrations int
	Agents       int
	Sessions     int // live ones
	Runners      int
}
