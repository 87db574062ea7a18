package rolebroker

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AuditEvent records that a caller changed something, or that the server refused the caller. It holds no secret.
type AuditEvent struct {
	ID       AuditEventID
	At       time.Time
	Actor    Caller // only the Address is set when the caller could not be identified
	Claimed  string // the ID in the key or token of a caller who was not identified: unverified; may be empty
	Action   Action
	Subjects []Subject // what the action concerns: for agent.connect, the agent and the integration
	Refusal  *Error    // why the action was refused; nil: it was done
	Before   Facts     // of the fields that the action changed, the old values; nil for something new
	After    Facts     // and the new values; nil for something deleted
}

// AuditRecord is an AuditEvent as the audit trail keeps it.
type AuditRecord struct {
	ID       AuditEventID
	At       time.Time
	Sequence int64  // its place in the trail, from 0; -1 for some moments after it was recorded
	Hash     string // that the trail has of it, in base64; empty until it has a place
	Record   []byte // one line of JSON, whose bytes never change
}

// AuditCheckpoint is a signed statement about the audit trail.
type AuditCheckpoint struct {
	Size   int64  // how many events it covers
	Signed string // see internal/trail
}

// AuditTrail is the state of the audit trail.
type AuditTrail struct {
	Size         int64     // how many events have a place in it, with those that retention deleted
	Waiting      int64     // how many events have no place yet; at most a thousand and one are counted
	Checkpoint   int64     // how many events the newest signed checkpoint covers; 0: there is none
	CheckpointAt time.Time // when that was signed; zero: there is none
}

// AuditProgress says what of the audit trail was delivered to a sink.
type AuditProgress struct {
	Size       int64 // how many events, with those that retention deleted before
	Checkpoint int64 // the size of the last checkpoint that was delivered
}

// AuditFormat is how the audit trail is written for others.
type AuditFormat string

// The formats.
const (
	AuditJSONL AuditFormat = "jsonl" // lines of JSON that can be verified
	AuditOCSF  AuditFormat = "ocsf"  // events of the Open Cybersecurity Schema Framework, one a line
)

// AuditFilter selects audit events; the zero value selects all.
type AuditFilter struct {
	Actor   string // an ID, or the name at that time
	Action  string // agent.connect, or agent for all of that noun
	Subject string // an ID, or the name at that time
	Outcome AuditOutcome
	Token   string    // the ID of the agent token, the binding, or the runner's credential or join token
	Address string    // the IP address that the request came from
	Request RequestID // the request that the event was recorded for
	Since   time.Time // events of that time or later; zero: all
	Until   time.Time // events before; zero: all
}

// AuditCursor returns the cursor of an event in its list.
func AuditCursor(r *AuditRecord) string {
	return strconv.FormatInt(r.At.UnixMilli(), 10) + "." + string(r.ID)
}

// AuditOutcome is the outcome of an action.
type AuditOutcome string

// The outcomes.
const (
	OutcomeDone    AuditOutcome = "done"
	OutcomeRefused AuditOutcome = "refused"
)

// Outcome returns whether the action was done or refused.
func (e *AuditEvent) Outcome() AuditOutcome {
	if e.Refusal != nil {
		return OutcomeRefused
	}
	return OutcomeDone
}

// Subject is one thing that an action concerns.
type Subject struct {
	Kind Kind
	ID   string // empty until the thing has one, and when the caller used the name
	Name string // its name at that time, or what the caller wrote; empty for things without a name
}

// Kind is the kind of a Subject: a noun of the glossary.
type Kind string

// The kinds.
const (
	KindIntegration Kind = "integration"
	KindReservation Kind = "reservation" // of an external ID
	KindRole        Kind = "role"
	KindAgent       Kind = "agent"
	KindToken       Kind = "token"
	KindBinding     Kind = "binding"
	KindRunner      Kind = "runner"
	KindRunnerKey   Kind = "runner_key"
	KindAPIKey      Kind = "api_key"
	KindUser        Kind = "user"
	KindSession     Kind = "session"

	KindAccessRequest Kind = "access_request"
	KindApprovalRule  Kind = "approval_rule"

	KindCall Kind = "call"
)

// ActorKind is the kind of an actor.
type ActorKind string

// The kinds of actors.
const (
	ActorAPIKey    ActorKind = "api_key"
	ActorUser      ActorKind = "user"
	ActorAgent     ActorKind = "agent"
	ActorRunner    ActorKind = "runner"
	ActorJoinToken ActorKind = "join_token"
	ActorServer    ActorKind = "server"
	ActorUnknown   ActorKind = "unknown" // who was not identified
)

// Actor returns what the caller is, and its ID.
func (c Caller) Actor() (ActorKind, string) {
	switch {
	case c.User != "":
		return ActorUser, string(c.User)
	case c.APIKey != "":
		return ActorAPIKey, string(c.APIKey)
	case c.Runner != "":
		return ActorRunner, string(c.Runner)
	case c.Joining != "":
		return ActorJoinToken, string(c.Joining)
	case c.Agent != "":
		return ActorAgent, string(c.Agent)
	case c.Name != "":
		return ActorServer, ""
	}
	return ActorUnknown, ""
}

// Named returns the Subject for a name or an ID that a caller wrote. It leaves out a text that is too long for either:
// that may be a secret in the wrong place.
func Named(kind Kind, nameOrID string) Subject {
	if IsID(nameOrID) {
		return Subject{Kind: kind, ID: nameOrID}
	}
	return Subject{Kind: kind, Name: ShowReference(nameOrID)}
}

// Facts are the values of fields, by the names they have in JSON. They hold no secrets and no hashes.
type Facts map[string]string

// Without returns the facts whose values differ in other. A missing field counts as empty.
func (f Facts) Without(other Facts) Facts {
	left := Facts{}
	for field, value := range f {
		if other[field] != value {
			left[field] = value
		}
	}
	return left
}

// Subject names the agent.
func (a *Agent) Subject() Subject { return Subject{KindAgent, string(a.ID), a.Name} }

// Facts returns the fields of the agent that a person sets.
func (a *Agent) Facts() Facts {
	facts := Facts{"name": a.Name, "description": a.Description, "disabled": fmt.Sprint(a.DisabledByPerson()),
		"owner": a.owner()}
	if a.CutOff.IsSet() {
		facts["cut_off"] = "true"
	}
	names := make([]string, len(a.Connections))
	for i, c := range a.Connections {
		c.facts(facts)
		names[i] = c.IntegrationName
		if c.Integration == a.DefaultIntegration {
			facts["default_integration"] = c.IntegrationName
		}
	}
	facts["connections"] = strings.Join(names, ", ")
	return facts
}

// owner names the owner of the agent, with the ID, which never changes; empty if there is none.
func (a *Agent) owner() string { return named(a.Owner, a.OwnerName) }

func named(owner PrincipalID, name string) string {
	if name == "" {
		return string(owner)
	}
	return name + " (" + string(owner) + ")"
}

// Subject names the agent token, or the binding of a service account.
func (t *Token) Subject() Subject {
	if t.Account != (ServiceAccount{}) {
		return Subject{Kind: KindBinding, ID: string(t.ID)}
	}
	return Subject{Kind: KindToken, ID: string(t.ID)}
}

// Facts returns the fields of the token or the binding that a person sets.
func (t *Token) Facts() Facts {
	if t.Account != (ServiceAccount{}) {
		return Facts{"service_account": t.Account.String(), "issuer": t.Account.Issuer, "labels": t.Labels.String()}
	}
	return Facts{"label": t.Label, "expires_at": expiry(t.ExpiresAt)}
}

// Subject names the integration.
func (in *Integration) Subject() Subject { return Subject{KindIntegration, string(in.ID), in.Name} }

// Facts returns the fields of the integration that a person sets: those that Differences compares. A role is one fact.
func (in *Integration) Facts() Facts {
	facts := Facts{}
	for _, t := range in.traits() {
		facts[t.inJSON()] = fmt.Sprint(t.value)
	}
	for _, role := range in.Roles {
		var words []string
		for _, t := range role.traits() {
			if t.field != "name" {
				words = append(words, t.words)
			}
		}
		facts["roles."+role.Name] = strings.Join(words, " ")
	}
	return facts
}

// Subject names the runner.
func (r *Runner) Subject() Subject { return Subject{KindRunner, string(r.ID), r.Name} }

// Facts returns the fields of the runner that a person sets.
func (r *Runner) Facts() Facts {
	return Facts{"name": r.Name, "description": r.Description, "issuer": r.Issuer}
}

// Subject names the join token or the credential.
func (k *RunnerKey) Subject() Subject { return Subject{Kind: KindRunnerKey, ID: string(k.ID)} }

// Facts returns the fields of the join token that a person sets.
func (k *RunnerKey) Facts() Facts { return Facts{"expires_at": expiry(k.ExpiresAt)} }

// Subject names the session.
func (s *Session) Subject() Subject { return Subject{Kind: KindSession, ID: string(s.ID)} }

// Subject names the role.
func (r EndedRole) Subject() Subject { return Subject{KindRole, string(r.Role), r.Reference} }

// Facts returns how many sessions were ended, and when the last of their credentials expire.
func (e Ended) Facts() Facts {
	facts := Facts{"sessions": fmt.Sprint(e.Sessions)}
	if !e.Until.IsZero() {
		facts["credentials_expire_at"] = expiry(e.Until)
	}
	return facts
}

// Subject names the API key.
func (k *APIKey) Subject() Subject { return Subject{KindAPIKey, string(k.ID), k.Name} }

// Facts returns the fields of the API key that a person sets.
func (k *APIKey) Facts() Facts {
	facts := Facts{"name": k.Name, "access": string(k.Access), "expires_at": expiry(k.ExpiresAt)}
	if k.Owner != "" {
		facts["owner"] = named(k.Owner, k.OwnerName)
	}
	return facts
}

// expiry formats a time of expiry; the zero time is "never".
func expiry(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
