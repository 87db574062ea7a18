package broker

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
)

// May permits an action, or refuses it and records the refusal. Every method that administers something asks it
// first. A door may ask it too, to refuse a request before it reads the body. Codes: denied, unauthenticated.
func (b *Broker) May(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, subjects ...rolebroker.Subject,
) error {
	return b.refused(ctx, who, action, who.May(action), subjects...)
}

// refused returns err, which ended an action. If it is a refusal of the caller, refused records it.
func (b *Broker) refused(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, err error, subjects ...rolebroker.Subject,
) error {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeDenied, rolebroker.CodeUnauthenticated:
		b.RecordEvent(ctx, rolebroker.AuditEvent{
			Actor: who, Action: action, Subjects: b.named(ctx, who, subjects), Refusal: rolebroker.AsError(err)})
	}
	return err
}

// named adds their names to the subjects that a refused caller named by ID. For a caller who was not identified it
// reads nothing.
func (b *Broker) named(
	ctx context.Context, who rolebroker.Caller, subjects []rolebroker.Subject,
) (all []rolebroker.Subject) {
	for _, s := range subjects {
		if s.Name == "" && s.ID != "" && !who.IsUnknown() {
			s.Name = b.nameOf(ctx, s)
		}
		all = append(all, s)
	}
	return all
}

// nameOf returns the name of the thing with an ID; empty if it has none, or cannot be read.
func (b *Broker) nameOf(ctx context.Context, s rolebroker.Subject) string {
	switch s.Kind {
	case rolebroker.KindAgent:
		if a, err := b.store.Agent(ctx, s.ID); err == nil {
			return a.Name
		}
	case rolebroker.KindIntegration:
		if in, err := b.store.Integration(ctx, s.ID); err == nil {
			return in.Name
		}
	case rolebroker.KindRunner:
		if r, err := b.store.Runner(ctx, s.ID); err == nil {
			return r.Name
		}
	}
	return ""
}

// event makes the audit event of an action that May permitted. The store keeps it in the transaction of the change;
// after that logEvent writes it to the log. before and after are the facts before and after the change; what stayed
// the same is left out.
func (b *Broker) event(
	who rolebroker.Caller, action rolebroker.Action, before, after rolebroker.Facts, subjects ...rolebroker.Subject,
) rolebroker.AuditEvent {
	return rolebroker.AuditEvent{ID: rolebroker.NewAuditEventID(), At: stored(b.now()), Actor: who, Action: action,
		Subjects: subjects, Before: before.Without(after), After: after.Without(before)}
}

// RecordEvent records an audit event that goes with no change: a refusal, or an action that only looked. Events of
// callers who were not identified are not stored, because strangers could fill the database; the log has a sample.
func (b *Broker) RecordEvent(ctx context.Context, e rolebroker.AuditEvent) {
	b.storeEvent(ctx, &e)
	b.logEvent(ctx, &e)
}

// agentRefused records that an agent was refused. The lender has logged it.
func (b *Broker) agentRefused(ctx context.Context, r rolebroker.AgentRefusal) {
	e := r.Event()
	b.storeEvent(ctx, &e)
}

// storeEvent stores an event of now that goes with no change, unless there are too many.
func (b *Broker) storeEvent(ctx context.Context, e *rolebroker.AuditEvent) {
	e.ID, e.At = rolebroker.NewAuditEventID(), stored(b.now())
	if b.keeps(e) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		if err := b.store.RecordEvent(ctx, *e); err != nil {
			b.log.ErrorContext(ctx, "an audit event could not be stored", "id", e.ID, "action", e.Action, "error", err)
		}
	}
}

// What is stored of the refusals of one caller: so many at once, and then one in a time. The log has them all.
const (
	refusalBurst = 60
	refusalEvery = 10 * time.Second
)

// keeps says whether an event is stored.
func (b *Broker) keeps(e *rolebroker.AuditEvent) bool {
	if e.Actor.IsUnknown() {
		return false
	}
	_, actor := e.Actor.Actor()
	if e.Refusal == nil || actor == "" {
		return true
	}
	limiter, known := b.refusals.Load(actor)
	if !known {
		limiter, _ = b.refusals.LoadOrStore(actor, rate.NewLimiter(rate.Every(refusalEvery), refusalBurst))
	}
	return limiter.(*rate.Limiter).AllowN(b.now(), 1)
}

// logEvent writes an audit event to the log. Those of callers who were not identified are sampled.
func (b *Broker) logEvent(ctx context.Context, e *rolebroker.AuditEvent) {
	level := slog.LevelInfo
	if e.Outcome() == rolebroker.OutcomeRefused {
		level = slog.LevelWarn
	}
	log := b.log
	if level == slog.LevelWarn && e.Actor.IsUnknown() {
		log = b.strangers
	}
	if !log.Enabled(ctx, level) {
		return
	}
	line := slog.NewRecord(e.At, level, "audit event", 0)
	line.AddAttrs(attributes(e)...)
	_ = log.Handler().Handle(ctx, line) // as slog.Logger does
}

// attributes returns what a log line says about an event. Empty values are left out.
func attributes(e *rolebroker.AuditEvent) []slog.Attr {
	attrs := []slog.Attr{slog.String("id", string(e.ID)), slog.String("action", string(e.Action)),
		slog.String("outcome", string(e.Outcome()))}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	who := e.Actor
	add("by", who.Name)
	add("by_id", cmp.Or(string(who.User), string(who.APIKey), string(who.Runner), string(who.Joining),
		string(who.Agent)))
	add("claimed", e.Claimed)
	add("address", who.Address)
	add("request_id", string(who.Request))
	for _, s := range e.Subjects {
		add(string(s.Kind), s.Name)
		add(string(s.Kind)+"_id", s.ID)
	}
	attrs = append(attrs, group("before", e.Before), group("after", e.After))
	if e.Refusal != nil {
		add("code", string(e.Refusal.Code))
		add("reason", e.Refusal.Error())
	}
	return attrs
}

// maxFacts bounds the facts in a log line. An integration may have thousands of roles.
const maxFacts = 100

// group returns facts in the order of their names. A log omits an empty group.
func group(name string, facts rolebroker.Facts) slog.Attr {
	var attrs []slog.Attr
	for i, field := range slices.Sorted(maps.Keys(facts)) {
		if i == maxFacts {
			attrs = append(attrs, slog.Int("more", len(facts)-maxFacts))
			break
		}
		attrs = append(attrs, slog.String(field, facts[field]))
	}
	return slog.Attr{Key: name, Value: slog.GroupValue(attrs...)}
}
