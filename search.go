package rolebroker

// Found is something that a search found.
type Found struct {
	Kind   Kind
	ID     string
	Name   string // what people call it; its ID if it has no name
	Detail string // more about it, such as the ARN of a role; may be empty
	In     string // the ID of what it belongs to: the integration of a role, or the agent of a token; may be empty
	InName string
	// Matched is what the search compared besides the ID: the access key ID of a session, or a request ID.
	Matched string
}

// KindEvent is the kind of an audit event.
const KindEvent Kind = "audit_event"

// Sort is the key that a list of integrations, agents or runners is sorted by. Items with the same key are sorted by
// name. Sessions are listed from the newest on, or by SortCreated from the oldest on.
type Sort string

// The keys. A - before one that is not empty, and - alone, sort in the opposite order.
const (
	SortName     Sort = ""
	SortState    Sort = "state" // what fails first; for integrations and agents
	SortCreated  Sort = "created"
	SortAgents   Sort = "agents"       // how many are connected; for integrations
	SortGranted  Sort = "integrations" // how many it is connected to; for agents
	SortSeen     Sort = "seen"         // for runners
	SortBackward Sort = "-"
)

// ListState selects items of a list by their state. The states of enabled integrations are those of validations.
type ListState string

// The states that are no ValidationStatus.
const (
	ListedDisabled ListState = "disabled"
	ListedCutOff   ListState = "cut-off" // of agents, as the next two
	ListedEnabled  ListState = "enabled"
	ListedAlone    ListState = "not-connected"

	ListedWaiting   ListState = "waiting" // of runners, as the next two: it has not joined
	ListedConnected ListState = "connected"
	ListedAway      ListState = "away"
)
