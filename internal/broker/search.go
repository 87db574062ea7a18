package broker

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// maxFound is how many things of a kind a search finds.
const maxFound = 6

// Search finds what a text is part of: integrations, agents and runners by name and description, roles by name and ARN.
// It finds anything by its ID, or the beginning of it, sessions by their AWS access key ID, calls by the request ID of
// AWS, and audit events by their request. only is the one thing that has exactly the text as its ID; nil: none.
// Codes: denied.
func (b *Broker) Search(
	ctx context.Context, who rolebroker.Caller, text string,
) (found []rolebroker.Found, only *rolebroker.Found, err error) {
	if err := b.May(ctx, who, rolebroker.ActionSearch); err != nil {
		return nil, nil, err
	}
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxSearched {
		return nil, nil, nil
	}
	for _, look := range []func(context.Context, string) ([]rolebroker.Found, error){
		b.foundByID, b.foundByKey, b.foundByRequest,
	} {
		more, err := look(ctx, text)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, more...)
	}
	if len(found) == 1 && isWhole(&found[0], text) {
		return found, &found[0], nil
	}
	named, err := b.store.Find(ctx, text, maxFound)
	return append(found, named...), nil, err
}

// maxSearched bounds the text of a search: no ID, name or ARN is as long.
const maxSearched = 2100

// isWhole reports whether the text is an ID of the only thing that was found by it, and not a part of one.
func isWhole(f *rolebroker.Found, text string) bool {
	return strings.EqualFold(f.ID, text) || strings.EqualFold(f.Matched, text)
}

// kindsByPrefix are the kinds whose IDs have a prefix.
var kindsByPrefix = map[string]rolebroker.Kind{
	"int_": rolebroker.KindIntegration, "rol_": rolebroker.KindRole, "agt_": rolebroker.KindAgent,
	"ses_": rolebroker.KindSession, "tok_": rolebroker.KindToken, "bnd_": rolebroker.KindToken,
	"key_": rolebroker.KindAPIKey, "run_": rolebroker.KindRunner, "evt_": rolebroker.KindEvent,
	"req_": rolebroker.KindAccessRequest, "apr_": rolebroker.KindApprovalRule, "cal_": rolebroker.KindCall,
}

// foundByID finds what has an ID that begins with the text. Two characters after the prefix are too few to look.
func (b *Broker) foundByID(ctx context.Context, text string) (found []rolebroker.Found, err error) {
	const prefix, least = 4, 3
	text = strings.ToLower(text)
	if len(text) < prefix+least || kindsByPrefix[text[:prefix]] == "" {
		return nil, nil
	}
	kind := kindsByPrefix[text[:prefix]]
	ids, err := b.store.IDsLike(ctx, kind, text, maxFound)
	for i := 0; i < len(ids) && err == nil; i++ {
		var f rolebroker.Found
		f, err = b.describe(ctx, kind, ids[i])
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			err = nil // it was deleted meanwhile
			continue
		}
		found = append(found, f)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// describe says what has an ID. Codes: not_found.
func (b *Broker) describe(ctx context.Context, kind rolebroker.Kind, id string) (f rolebroker.Found, err error) {
	f = rolebroker.Found{Kind: kind, ID: id, Name: id}
	switch kind {
	case rolebroker.KindIntegration:
		in, err := b.store.Integration(ctx, id)
		if err != nil {
			return f, err
		}
		f.Name, f.Detail = in.Name, in.Description
	case rolebroker.KindRole:
		return b.describeRole(ctx, f)
	case rolebroker.KindAgent:
		agent, err := b.store.Agent(ctx, id)
		if err != nil {
			return f, err
		}
		f.Name, f.Detail = agent.Name, agent.Description
	case rolebroker.KindRunner:
		runner, err := b.store.Runner(ctx, id)
		if err != nil {
			return f, err
		}
		f.Name, f.Detail = runner.Name, runner.Description
	case rolebroker.KindToken:
		return b.describeToken(ctx, f)
	case rolebroker.KindAPIKey:
		key, err := b.store.APIKey(ctx, rolebroker.APIKeyID(id))
		if err != nil {
			return f, err
		}
		f.Name = key.Name
	case rolebroker.KindApprovalRule:
		rule, err := b.store.ApprovalRule(ctx, id)
		if err != nil {
			return f, err
		}
		f.Name, f.Detail = rule.Name, rule.Reason
	default:
		return b.describeRecord(ctx, f)
	}
	return f, nil
}

func (b *Broker) describeRole(ctx context.Context, f rolebroker.Found) (rolebroker.Found, error) {
	in, err := b.integrationOfRole(ctx, rolebroker.RoleID(f.ID))
	if err != nil {
		return f, err
	}
	role := in.Role(f.ID)
	if role == nil {
		return f, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no role %q", f.ID)
	}
	f.Name, f.Detail, f.In, f.InName = role.Name, role.ARN.String(), string(in.ID), in.Name
	return f, nil
}

func (b *Broker) describeToken(ctx context.Context, f rolebroker.Found) (rolebroker.Found, error) {
	token, err := b.store.Token(ctx, rolebroker.TokenID(f.ID))
	if err != nil {
		return f, err
	}
	agent, err := b.store.Agent(ctx, string(token.Agent))
	if err != nil {
		return f, err
	}
	f.Detail, f.In, f.InName = token.Label, string(agent.ID), agent.Name
	if token.Account != (rolebroker.ServiceAccount{}) {
		f.Detail = token.Account.Namespace + "/" + token.Account.Name
	}
	return f, nil
}

// describeRecord describes what happened: a session, an access request, a call or an event.
func (b *Broker) describeRecord(ctx context.Context, f rolebroker.Found) (rolebroker.Found, error) {
	switch f.Kind {
	case rolebroker.KindSession:
		s, err := b.store.Session(ctx, rolebroker.SessionID(f.ID))
		if err != nil {
			return f, err
		}
		return foundSession(s), nil
	case rolebroker.KindAccessRequest:
		r, err := b.store.AccessRequest(ctx, rolebroker.AccessRequestID(f.ID))
		if err != nil {
			return f, err
		}
		f.Detail = r.AgentName + " for " + r.Reference()
	case rolebroker.KindCall:
		c, err := b.store.Call(ctx, rolebroker.CallID(f.ID))
		if err != nil {
			return f, err
		}
		return foundCall(c), nil
	case rolebroker.KindEvent:
		e, err := b.store.AuditEvent(ctx, rolebroker.AuditEventID(f.ID))
		if err != nil {
			return f, err
		}
		return foundEvent(e), nil
	}
	return f, nil
}

func foundSession(s *rolebroker.Session) rolebroker.Found {
	return rolebroker.Found{Kind: rolebroker.KindSession, ID: string(s.ID), Name: string(s.ID), Matched: s.AccessKeyID,
		Detail: s.AgentName + " as " + s.IntegrationName + "/" + s.RoleName}
}

func foundCall(c *rolebroker.Call) rolebroker.Found {
	return rolebroker.Found{Kind: rolebroker.KindCall, ID: string(c.ID), Name: string(c.ID), Matched: c.RequestID,
		Detail: c.AgentName + ": " + c.Service + " " + c.Operation, In: string(c.Session)}
}

// foundEvent says what an event's record has.
func foundEvent(e *rolebroker.AuditRecord) rolebroker.Found {
	f := rolebroker.Found{Kind: rolebroker.KindEvent, ID: string(e.ID), Name: string(e.ID)}
	var record struct {
		Action  string `json:"action"`
		Request string `json:"request_id"`
	}
	if json.Unmarshal(e.Record, &record) == nil {
		f.Detail, f.In = record.Action+", "+e.At.UTC().Format(time.DateTime)+" UTC", record.Request
	}
	return f
}

// foundByKey finds sessions by the ID of their AWS access key, or the beginning of it.
func (b *Broker) foundByKey(ctx context.Context, text string) (found []rolebroker.Found, err error) {
	const least = 8
	text = strings.ToUpper(text)
	if len(text) < least || !strings.HasPrefix(text, "ASIA") && !strings.HasPrefix(text, "AKIA") {
		return nil, nil
	}
	sessions, err := b.store.SessionsOfKey(ctx, text, maxFound)
	for i := range sessions {
		found = append(found, foundSession(&sessions[i]))
	}
	return found, err
}

// foundByRequest finds calls by the request ID that AWS gave them, and events by the request that was sent here.
func (b *Broker) foundByRequest(ctx context.Context, text string) (found []rolebroker.Found, err error) {
	const least = 8
	if len(text) < least || strings.ContainsAny(text, " /:_") {
		return nil, nil
	}
	calls, err := b.store.CallsOfRequest(ctx, text, maxFound)
	if err != nil {
		return nil, err
	}
	for i := range calls {
		found = append(found, foundCall(&calls[i]))
	}
	events, err := b.store.AuditEvents(ctx, rolebroker.AuditFilter{Request: rolebroker.RequestID(text)},
		rolebroker.Page{Limit: maxFound})
	for i := range events {
		f := foundEvent(&events[i])
		f.Matched = text
		found = append(found, f)
	}
	return found, err
}

// SortedIntegrations lists integrations sorted and filtered as the page says, and the cursor of each. Codes: denied.
func (b *Broker) SortedIntegrations(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.Integration, []string, error) {
	if err := b.May(ctx, who, rolebroker.ActionIntegrationList); err != nil {
		return nil, nil, err
	}
	return b.store.SortedIntegrations(ctx, page)
}

// SortedAgents lists agents sorted and filtered as the page says, and the cursor of each. Codes: denied, not_found (the
// integration of the page).
func (b *Broker) SortedAgents(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.Agent, []string, error) {
	if err := b.May(ctx, who, rolebroker.ActionAgentList); err != nil {
		return nil, nil, err
	}
	found, cursors, err := b.store.SortedAgents(ctx, page)
	if err == nil && len(found) == 0 && page.Integration != "" {
		_, err = b.store.Integration(ctx, page.Integration)
		err = withList(err, "integration")
	}
	return found, cursors, err
}

// SortedRunners lists runners sorted as the page says, and the cursor of each. Codes: denied.
func (b *Broker) SortedRunners(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.Runner, []string, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerList); err != nil {
		return nil, nil, err
	}
	return b.store.SortedRunners(ctx, page, b.now())
}

// UsualRegion returns the region that most roles of the deployment have, as an offer for a new one; empty: there is no
// role. Codes: denied.
func (b *Broker) UsualRegion(ctx context.Context, who rolebroker.Caller) (rolebroker.Region, error) {
	if err := b.May(ctx, who, rolebroker.ActionIntegrationList); err != nil {
		return "", err
	}
	return b.store.UsualRegion(ctx)
}
