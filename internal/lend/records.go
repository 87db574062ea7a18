package lend

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Assumer asks STS. Its errors are *rolebroker.Refusal.
type Assumer interface {
	Assume(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error)
}

// Records says what agents may borrow, and keeps the record of sessions. A
// server's is its database; a runner's is the server.
type Records interface {
	// Token finds one by ID. Codes: not_found.
	Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error)

	// Grants reads the agent and everything it is connected to, at one moment.
	// Codes: not_found.
	Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error)

	// RecordSession stores a new session with its event, durably. If the session
	// is stored already it stays as it is, in whatever state, and no event is
	// stored. Codes: conflict (another session has the ID).
	RecordSession(ctx context.Context, s *rolebroker.Session, event rolebroker.AuditEvent) error

	// FinishSession stores State, ExpiresAt, AccessKeyID, RequestID and
	// Failure of a session of the same RunnerID, with the event. The same outcome
	// again changes nothing. Codes: not_found, conflict (it has another outcome).
	FinishSession(ctx context.Context, s *rolebroker.Session, event rolebroker.AuditEvent) error

	// RecordFetches adds to the sessions' Fetches and moves FetchedAt forward.
	// It ignores sessions that are unknown or of another runner. All fetches
	// are of one runner.
	RecordFetches(ctx context.Context, fetches []rolebroker.Fetch) error

	// RecordTokenUse moves UsedAt of each token forward. It ignores unknown tokens.
	RecordTokenUse(ctx context.Context, usedAt map[rolebroker.TokenID]time.Time) error

	// Subscribe calls tell with every Change. A change made through these
	// records is told before the method that made it returns; one made elsewhere,
	// as soon as the news arrives. tell must not block or call the records.
	// Subscribe is called once, before any other method.
	Subscribe(tell func(rolebroker.Change))

	// Watching reports whether the news of changes made elsewhere arrives. While
	// it does not, no remembered answer may be used.
	Watching() bool
}
