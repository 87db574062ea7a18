package rest_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// pages reads a whole list, limit items at a time, and checks that each page
// but the last is full.
func pages[T any](w *world, target string, limit int, name func(T) string) []string {
	w.Helper()
	names := []string{}
	for cursor := ""; ; {
		q := url.Values{"limit": {strconv.Itoa(limit)}, "cursor": {cursor}}
		page := read[api.List[T]](w.as(w.reader, "GET", target+q.Encode(), "").want(200))
		for _, item := range page.Items {
			names = append(names, name(item))
		}
		if page.NextCursor == "" {
			return names
		}
		if len(page.Items) != limit {
			w.Fatalf("a page that is not the last has %d items, want %d", len(page.Items), limit)
		}
		cursor = page.NextCursor
	}
}

// Every list has every item once, in order, with pages of any size.
func TestLists(t *testing.T) {
	w := newWorld(t)
	want := []string{}
	for _, n := range []int{3, 1, 5, 4, 2, 6} {
		name := fmt.Sprintf("n-%d", n)
		w.createIntegration(name)
		w.createAgent(`{"name": "` + name + `"}`)
		w.createRunner(name)
		w.as(w.admin, "POST", "/api/v1/agents/n-3/tokens", "{}").want(201)
		w.as(w.admin, "POST", "/api/v1/agents/n-3/bindings", bindingJSON(name)).want(201)
		want = append(want, name)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 2, 3, 5, 6, 7, 500} {
		if got := pages(w, "/api/v1/integrations?", limit,
			func(i api.Integration) string { return i.Name }); !slices.Equal(got, want) {
			t.Errorf("integrations, %d at a time: %v", limit, got)
		}
		if got := pages(w, "/api/v1/agents?", limit, func(a api.Agent) string {
			return a.Name
		}); !slices.Equal(got, want) {
			t.Errorf("agents, %d at a time: %v", limit, got)
		}
		if got := pages(w, "/api/v1/agents/n-3/tokens?", limit, func(t api.Token) string {
			return t.ID
		}); len(got) != 6 ||
			!slices.IsSorted(got) {
			t.Errorf("tokens, %d at a time: %v", limit, got)
		}
		if got := pages(w, "/api/v1/agents/n-3/bindings?", limit,
			func(b api.Binding) string { return b.ID }); len(got) != 6 || !slices.IsSorted(got) {
			t.Errorf("bindings, %d at a time: %v", limit, got)
		}
		if got := pages(w, "/api/v1/runners?", limit, func(r api.Runner) string {
			return r.Name
		}); !slices.Equal(got, want) {
			t.Errorf("runners, %d at a time: %v", limit, got)
		}
		if got := pages(w, "/api/v1/api-keys?", limit, func(k api.APIKey) string { return k.ID }); len(got) != 2 ||
			!slices.IsSorted(got) {
			t.Errorf("API keys, %d at a time: %v", limit, got)
		}
	}
	if got := pages(w, "/api/v1/agents?search=N-4&", 100, func(a api.Agent) string {
		return a.Name
	}); !slices.Equal(got,
		[]string{"n-4"}) {
		t.Errorf("agents like N-4: %v", got)
	}
}

// An empty list is [], and the default limit is 100.
func TestListShapes(t *testing.T) {
	w := newWorld(t)
	if got := w.as(w.reader, "GET", "/api/v1/integrations", "").
		want(200).Body; got != `{"items":[],"next_cursor":""}`+"\n" {
		t.Errorf("the empty list is %s", got)
	}
	for i := range 101 {
		w.createAgent(`{"name": "` + strconv.Itoa(i) + `"}`)
	}
	if got := read[api.List[api.Agent]](w.as(w.reader, "GET", "/api/v1/agents", "").want(200)); len(got.Items) != 100 ||
		got.NextCursor == "" {
		t.Errorf("a list without a limit has %d items", len(got.Items))
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	arn, err := rolebroker.ParseRoleARN("arn:aws:iam::444455556666:role/R")
	if err != nil {
		t.Fatal(err)
	}
	agents := map[string]rolebroker.AgentID{"scout": rolebroker.NewAgentID(), "digger": rolebroker.NewAgentID()}
	tokens := map[string]rolebroker.TokenID{"scout": rolebroker.NewTokenID(), "digger": rolebroker.NewTokenID()}
	integration, role := rolebroker.NewIntegrationID(), rolebroker.NewRoleID()
	session := func(id, agent string, age time.Duration, state rolebroker.SessionState) string {
		s := rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested, Agent: agents[agent],
			AgentName:   agent,
			Integration: integration, IntegrationName: "production", Role: role, RoleName: id, ARN: arn,
			Region: "us-east-1", Token: tokens[agent],
			SessionName: agent, RequestedAt: w.now.Add(-age), ExpiresAt: w.now.Add(time.Hour - age)}
		if err := w.store.RecordSession(context.Background(), &s, s.BeginEvent(w.now)); err != nil {
			t.Fatal(err)
		}
		if s.State = state; state == rolebroker.SessionFailed {
			s.Failure = "AccessDenied"
		}
		if err := w.store.FinishSession(context.Background(), &s, s.OutcomeEvent(w.now)); err != nil {
			t.Fatal(err)
		}
		return id
	}
	old := session("old", "scout", 2*time.Hour, rolebroker.SessionActive)
	failed := session("failed", "scout", 3*time.Minute, rolebroker.SessionFailed)
	live := session("live", "scout", 2*time.Minute, rolebroker.SessionActive)
	other := session("other", "digger", time.Minute, rolebroker.SessionActive)

	for query, want := range map[string][]string{
		"":             {other, live, failed, old},
		"live=true&":   {other, live},
		"live=false&":  {other, live, failed, old},
		"agent=scout&": {live, failed, old},
		"agent=" + string(agents["scout"]) + "&live=true&":                                   {live},
		"integration=" + string(integration) + "&":                                           {other, live, failed, old},
		"integration=production&agent=digger&role=old&":                                      {},
		"role=production/old&":                                                               {old},
		"since=" + url.QueryEscape(w.now.Add(-2*time.Minute).Format(time.RFC3339Nano)) + "&": {other, live},
		"until=" + url.QueryEscape(w.now.Add(-2*time.Minute).Format(time.RFC3339Nano)) + "&": {failed, old},
		"role=old&": {old},
		"token=" + string(tokens["digger"]) + "&":                                {other},
		"account=444455556666&token=" + string(tokens["digger"]) + "&live=true&": {other},
		"account=444455556666&agent=scout&":                                      {live, failed, old},
		"role=" + string(role) + "&agent=digger&":                                {other},
		"role=" + url.QueryEscape(arn.String()) + "&":                            {other, live, failed, old},
	} {
		for _, limit := range []int{1, 3, 100} {
			if got := pages(w, "/api/v1/sessions?"+query, limit,
				func(s api.Session) string { return s.Role }); !slices.Equal(got, want) {
				t.Errorf("sessions?%s are %v, want %v", query, got, want)
			}
		}
	}
	for _, query := range []string{"integration=staging", "agent=nobody", "role=production/nothing"} {
		w.as(w.reader, "GET", "/api/v1/sessions?"+query, "").want(404)
	}
	w.as(w.reader, "GET", "/api/v1/sessions?since=yesterday", "").want(400)
	got := read[api.List[api.Session]](w.as(w.reader, "GET", "/api/v1/sessions?agent=scout", "").want(200)).Items
	if !got[0].Live || got[0].State != "active" || got[0].FetchedAt != nil || got[0].Agent != "scout" ||
		got[0].ARN != arn.String() || !got[0].RequestedAt.Equal(w.now.Add(-2*time.Minute)) {
		t.Errorf("the live session is %+v", got[0])
	}
	if got[1].Live || got[1].State != "failed" || got[1].Failure != "AccessDenied" {
		t.Errorf("the failed session is %+v", got[1])
	}
}
