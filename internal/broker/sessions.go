package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Sessions lists sessions, the newest first. A filter may name what was deleted, as long as a session is on record.
// Codes: denied, invalid (the cursor; until is not after since; no token ID or account ID), not_found (what the filter
// names never was).
func (b *Broker) Sessions(
	ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter, page rolebroker.Page,
) ([]rolebroker.Session, error) {
	if err := b.May(ctx, who, rolebroker.ActionSessionList); err != nil {
		return nil, err
	}
	if err := checkForm(filter); err != nil {
		return nil, err
	}
	found, err := b.store.Sessions(ctx, filter, page)
	if err == nil && len(found) == 0 && page.After == "" {
		err = b.checkFilter(ctx, filter)
	}
	return found, err
}

// checkForm returns an error for a filter that can select no session. It does not repeat a token ID, which may be a
// token in the wrong place. Codes: invalid.
func checkForm(filter rolebroker.SessionFilter) error {
	switch {
	case !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until):
		return invalid("the filter", "until", "must be after since")
	case filter.Token != "" && !rolebroker.IsTokenID(string(filter.Token)):
		return invalid("the filter", "token", "must be the ID of an agent token or a binding, as in tok_… or bnd_…")
	case filter.Token != "" && filter.Request != "":
		return invalid("the filter", "request", "cannot be together with token")
	case filter.Request != "" && !rolebroker.IsAccessRequestID(string(filter.Request)):
		return invalid("the filter", "request", "must be the ID of an access request, as in req_…")
	case filter.Account != "" && !rolebroker.IsAccountID(filter.Account):
		return invalid("the filter", "account", "%s is not an account ID, which is 12 digits",
			rolebroker.Quote(filter.Account))
	}
	return nil
}

// checkFilter returns an error if a filter names what neither exists nor is on record. Codes: not_found.
func (b *Broker) checkFilter(ctx context.Context, filter rolebroker.SessionFilter) error {
	agent := func() error {
		_, err := b.store.Agent(ctx, filter.Agent)
		return withList(err, "agent")
	}
	integration := func() error {
		_, err := b.store.Integration(ctx, filter.Integration)
		return withList(err, "integration")
	}
	role := func() error {
		_, err := b.rolesCalled(ctx, filter.Role)
		return err
	}
	token := func() error {
		_, err := b.store.Token(ctx, filter.Token)
		return withHint(err, "rolebroker agent token list AGENT shows the tokens of an agent")
	}
	request := func() error {
		_, err := b.store.AccessRequest(ctx, filter.Request)
		return withHint(err, "rolebroker request list shows what there is")
	}
	account := func() error {
		has, err := b.store.HasAccount(ctx, filter.Account)
		if err == nil && !has {
			err = rolebroker.Errorf(rolebroker.CodeNotFound, "no role is in the account %s, and none was",
				filter.Account).
				WithHint("rolebroker role list shows the roles and their accounts")
		}
		return err
	}
	for _, part := range []struct {
		text   string
		find   func() error
		record rolebroker.SessionFilter
	}{
		{filter.Agent, agent, rolebroker.SessionFilter{Agent: filter.Agent}},
		{filter.Integration, integration, rolebroker.SessionFilter{Integration: filter.Integration}},
		{filter.Role, role, rolebroker.SessionFilter{Role: filter.Role}},
		{string(filter.Token), token, rolebroker.SessionFilter{Token: filter.Token}},
		{string(filter.Request), request, rolebroker.SessionFilter{Request: filter.Request}},
		{filter.Account, account, rolebroker.SessionFilter{Account: filter.Account}},
	} {
		if part.text == "" {
			continue
		}
		if err := b.knownOrRecorded(ctx, part.find, part.record); err != nil {
			return err
		}
	}
	return nil
}

// knownOrRecorded returns the error of find, except CodeNotFound while a session is on record.
func (b *Broker) knownOrRecorded(ctx context.Context, find func() error, record rolebroker.SessionFilter) error {
	unknown := find()
	if rolebroker.CodeOf(unknown) != rolebroker.CodeNotFound {
		return unknown
	}
	recorded, err := b.store.Sessions(ctx, record, rolebroker.Page{Limit: 1})
	if err == nil && len(recorded) == 0 {
		err = unknown
	}
	return err
}

// sessionsPerDeletion bounds one deletion, so that it does not block the database for long.
const sessionsPerDeletion = 1000

// ForgetSessions deletes the records of sessions that ended before a time, and returns how many.
func (b *Broker) ForgetSessions(ctx context.Context, endedBefore time.Time) (int, error) {
	total := 0
	for {
		n, err := b.store.DeleteSessions(ctx, endedBefore, sessionsPerDeletion)
		total += n
		if err != nil || n < sessionsPerDeletion {
			return total, err
		}
	}
}
