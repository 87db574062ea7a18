package rolebroker

import (
	"strconv"
	"time"
)

// Page is a part of a list: at most Limit items that come after the item whose
// cursor is After; "" is the start. The cursor of an item is the key its list
// is sorted by: its name, its ID, or SessionCursor.
type Page struct {
	Limit       int
	After       string
	Search      string // only items whose name contains it, ignoring ASCII case; integrations, agents and runners only
	Integration string // only those connected to it, an ID or a name; agents only
}

// Fetch says that a session's credentials were handed out.
type Fetch struct {
	Session SessionID
	Count   int64
	Last    time.Time
	Runner  string // the name of the runner that handed them out, as the session has it; empty: this server did
}

// SessionFilter picks sessions; the zero value picks all.
type SessionFilter struct {
	Agent       string    // its ID, or its name at the time
	Integration string    // likewise
	Role        string    // its ID, its name at the time, or its ARN
	LiveAt      time.Time // only those that may still work at this time; zero: all
}

// SessionCursor is the cursor of a session in its list.
func SessionCursor(s *Session) string {
	return strconv.FormatInt(s.RequestedAt.UnixMilli(), 10) + "." + string(s.ID)
}

// Counts is how many there are of each thing.
type Counts struct {
	Integrations int
	Agents       int
	Sessions     int // those that may still work
}
