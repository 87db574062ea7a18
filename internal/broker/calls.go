package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// CallSelection selects calls, by names where a CallFilter has IDs.
type CallSelection struct {
	Agent string // a name or an ID; empty: any
	Role  string // integration/role, a name, an ARN or an ID; empty: any
	rolebroker.CallFilter
}

// Calls lists calls, the newest first. Names are those of now; an ID also finds the calls of what was deleted. Codes:
// denied, invalid (a field of the selection), not_found (the agent or the role).
func (b *Broker) Calls(
	ctx context.Context, who rolebroker.Caller, selected CallSelection, page rolebroker.Page,
) ([]rolebroker.Call, error) {
	if err := b.May(ctx, who, rolebroker.ActionCallList); err != nil {
		return nil, err
	}
	filter, err := b.callFilter(ctx, selected)
	if err != nil {
		return nil, err
	}
	return b.store.Calls(ctx, filter, page)
}

// callFilter finds the IDs of what a selection names. Codes: invalid, not_found.
func (b *Broker) callFilter(ctx context.Context, selected CallSelection) (rolebroker.CallFilter, error) {
	filter := selected.CallFilter
	if err := filter.Check(); err != nil {
		return filter, err
	}
	switch {
	case rolebroker.IsID(selected.Agent):
		filter.Agent = rolebroker.AgentID(selected.Agent)
	case selected.Agent != "":
		agent, err := b.store.Agent(ctx, selected.Agent)
		if err != nil {
			return filter, withHint(err, "the calls of an agent that was deleted are found by its ID, which "+
				"rolebroker audit list --subject NAME shows")
		}
		filter.Agent = agent.ID
	}
	switch {
	case rolebroker.IsID(selected.Role) && !strings.Contains(selected.Role, "/"):
		filter.Role = rolebroker.RoleID(selected.Role)
	case selected.Role != "":
		found, err := b.rolesCalled(ctx, selected.Role)
		if err != nil {
			return filter, err
		}
		if len(found) > 1 {
			return filter, ambiguousRole(selected.Role, found)
		}
		filter.Role = found[0].Role
	}
	return filter, nil
}

// Call finds a call by its ID. Codes: denied, not_found.
func (b *Broker) Call(ctx context.Context, who rolebroker.Caller, id rolebroker.CallID) (*rolebroker.Call, error) {
	named := rolebroker.Named(rolebroker.KindCall, string(id))
	if err := b.May(ctx, who, rolebroker.ActionCallList, named); err != nil {
		return nil, err
	}
	call, err := b.store.Call(ctx, id)
	return call, withHint(err, "rolebroker call list shows what there is")
}

// MyCalls lists the calls of the agent that asks, the newest first. Codes: denied, expired, invalid.
func (b *Broker) MyCalls(
	ctx context.Context, who rolebroker.Caller, filter rolebroker.CallFilter, page rolebroker.Page,
) ([]rolebroker.Call, error) {
	if err := b.May(ctx, who, rolebroker.ActionCallListOwn); err != nil {
		return nil, err
	}
	if err := b.lender.Prepare(ctx, who); err != nil {
		return nil, err
	}
	if who.Agent == "" { // which would select the calls of all agents
		return nil, rolebroker.Errorf(rolebroker.CodeDenied, "the caller is no agent")
	}
	if filter.Agent = who.Agent; filter.Check() != nil {
		return nil, filter.Check()
	}
	return b.store.Calls(ctx, filter, page)
}

// exportPage is how many calls an export reads at a time.
const exportPage = 500

// ExportCalls returns a function that writes the calls that began from one time until before another, the oldest first,
// as lines of JSON. A zero from is the first call; a zero until is now. Codes: denied, invalid (until is not after from).
func (b *Broker) ExportCalls(
	ctx context.Context, who rolebroker.Caller, from, until time.Time,
) (write func(io.Writer) error, err error) {
	if err := b.May(ctx, who, rolebroker.ActionCallList); err != nil {
		return nil, err
	}
	if until.IsZero() {
		until = b.now().Add(time.Millisecond)
	}
	if !from.Before(until) {
		return nil, invalid("the export", "until", "must be after since")
	}
	return func(to io.Writer) error {
		_, err := b.writeCalls(ctx, to, from, until)
		return err
	}, nil
}

// writeCalls writes calls as lines of JSON, and counts them.
func (b *Broker) writeCalls(ctx context.Context, to io.Writer, from, until time.Time) (n int64, err error) {
	var after rolebroker.CallID
	for {
		page, err := b.store.CallsFrom(ctx, from, until, after, exportPage)
		if err != nil {
			return n, err
		}
		for i := range page {
			line, err := trail.CallLine(&page[i])
			if err != nil {
				return n, err
			}
			if _, err := to.Write(line); err != nil {
				return n, err
			}
		}
		n += int64(len(page))
		if len(page) < exportPage {
			return n, nil
		}
		after = page[len(page)-1].ID
	}
}

// digestAfter is how long after the end of an hour its calls are covered by the audit trail. The outcome of a call that
// comes later is not recorded.
const digestAfter = 6 * time.Hour

// DigestCalls puts into the audit trail a digest of the calls of each hour that is over for long enough, unless another
// server did: the hash of their export. An hour without calls has none.
func (b *Broker) DigestCalls(ctx context.Context) error {
	for {
		first, err := b.store.FirstCallWithoutDigest(ctx)
		if err != nil || first.IsZero() {
			return err
		}
		hour := first.Truncate(time.Hour)
		if b.now().Before(hour.Add(time.Hour + digestAfter)) {
			return nil
		}
		if err := b.digestCalls(ctx, hour); err != nil {
			return err
		}
	}
}

func (b *Broker) digestCalls(ctx context.Context, hour time.Time) error {
	hash := sha256.New()
	n, err := b.writeCalls(ctx, hash, hour, hour.Add(time.Hour))
	if err != nil {
		return err
	}
	digest := rolebroker.CallDigest{Hour: hour, Calls: n, SHA256: hex.EncodeToString(hash.Sum(nil))}
	event := b.event(rolebroker.Caller{Name: "call-digest"}, rolebroker.ActionCallDigest, nil, digest.Facts())
	return b.store.RecordCallDigest(ctx, digest, event)
}

// ForgetCalls deletes the records of calls that began before a time, and returns how many.
func (b *Broker) ForgetCalls(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		n, err := b.store.DeleteCalls(ctx, before, sessionsPerDeletion)
		total += n
		if err != nil || n < sessionsPerDeletion {
			return total, err
		}
	}
}
