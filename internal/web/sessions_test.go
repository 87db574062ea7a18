package web_test

import (
	"context"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// The list of sessions has a button that ends a live session, and then says when and
// by whom it was ended, and until when its keys work.
func TestEndingASession(t *testing.T) {
	s := newSite(t, true)
	arn, err := rolebroker.ParseRoleARN("arn:aws:iam::444455556666:role/ReadOnly")
	if err != nil {
		t.Fatal(err)
	}
	session := rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive,
		Agent: rolebroker.NewAgentID(), AgentName: "scout", Integration: rolebroker.NewIntegrationID(),
		IntegrationName: "production", Role: rolebroker.NewRoleID(), RoleName: "readonly", ARN: arn,
		Region:      "us-east-1",
		SessionName: "scout", RequestedAt: s.now, ExpiresAt: s.now.Add(time.Hour), AccessKeyID: "ASIAEXAMPLE"}
	if err := s.store.RecordSession(context.Background(), &session, session.BeginEvent(session.RequestedAt)); err != nil {
		t.Fatal(err)
	}
	end := "/sessions/" + string(session.ID) + "/end"
	shows := func(b *browser, target string, wants, not string) {
		t.Helper()
		if page := b.get(target).Body.String(); !strings.Contains(page, wants) || strings.Contains(page, not) {
			t.Errorf("%s has no %q, or has %q:\n%s", target, wants, not, page)
		}
	}
	reader := s.as(s.reader)
	shows(reader, "/sessions", "live", end)
	if answer := reader.post(end); answer.Code != http.StatusForbidden {
		t.Errorf("a reader's POST answers %d", answer.Code)
	}
	admin := s.as(s.admin)
	shows(admin, "/sessions", `action="`+end+`"`, "by admin")
	s.now = s.now.Add(time.Minute)
	answer := admin.post(end)
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/sessions/"+string(session.ID)+"/cut-off?done=ended" {
		t.Errorf("it answers %d and leads to %s", answer.Code, answer.Header().Get("Location"))
	}
	shows(admin, "/sessions?done=ended", "Ended. Nobody gets its credentials any more", end)
	shows(admin, "/sessions", "by admin; keys from before expire", end)
}

// A session has a page to read: what it is, who approved it, which change allowed it, and what happened to it. The lists
// lead there. The page of its end does not lead to an agent that was deleted since.
func TestThePageOfASession(t *testing.T) {
	a := newAsker(t)
	ctx := context.Background()
	in, err := a.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	approver, reader := a.as(a.key("approver", rolebroker.KeyApprover)), a.as(a.reader)
	request := a.asks("release-17")
	approver.answers(approver.post(request+"/approve", "duration", "10m"), http.StatusSeeOther)
	a.now = a.now.Add(time.Minute)
	session := rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive, Agent: a.agent.ID,
		AgentName: "scout", Integration: in.ID, IntegrationName: in.Name, Role: in.Roles[0].ID, RoleName: "readonly",
		ARN: in.Roles[0].ARN, Region: "us-east-1", SessionName: "scout@release-17", Task: "release-17", RequestedAt: a.now,
		ExpiresAt: a.now.Add(time.Hour), AccessKeyID: "ASIAEXAMPLE", Access: rolebroker.AccessReadOnly, Token: a.token,
		Address: "192.0.2.7", Request: "req-of-scout", RequestID: "aws-request",
		AccessRequest: rolebroker.AccessRequestID(strings.TrimPrefix(request, rolebroker.AccessRequestPage))}
	if err := a.store.RecordSession(ctx, &session, session.BeginEvent(a.now)); err != nil {
		t.Fatal(err)
	}
	call := rolebroker.Call{ID: rolebroker.NewCallID(a.now), EndedAt: a.now, Agent: a.agent.ID, Token: a.token,
		Integration: in.ID, Role: in.Roles[0].ID, Session: session.ID, Service: "dynamodb", Operation: "PutItem",
		Region: "eu-west-1", Resources: []string{"arn:aws:dynamodb:eu-west-1:444455556666:table/<jobs>"},
		Level: rolebroker.CallWrite, Decision: rolebroker.CallAllowed, Status: 400, Times: 1}
	if err := a.store.RecordCalls(ctx, []rolebroker.Call{call}); err != nil {
		t.Fatal(err)
	}
	page := "/sessions/" + string(session.ID)
	token := "/audit?token=" + string(a.token)
	reader.shows(page, "<h1>scout borrowed production/readonly ", ">live</span>", "read-only", "release-17", token,
		"192.0.2.7", "/audit?request_id=req-of-scout", "aws-request", "ASIAEXAMPLE",
		`href="`+request+`">approved</a> by approver`, "agent.connect by ", "approval borrow", `href="`+page+`/calls"`)
	reader.shows(page+"/calls", "dynamodb:PutItem", "table/&lt;jobs&gt;", ">400<", `href="/calls?session=`)
	reader.shows(page+"/activity", "session.begin", "/audit?subject="+string(session.ID))
	reader.lacks(page, page+"/end", "was deleted", "Cut Off")
	for _, list := range []string{"/sessions", "/audit", "/calls", request} {
		reader.shows(list, `href="`+page+`"`)
	}
	if answer := reader.get("/sessions/ses_aaaaaaaaaaaaaaaaaaaaaaaaaa"); answer.Code != http.StatusNotFound {
		t.Errorf("the page of a session that there is not answers %d", answer.Code)
	}
	if answer := (&browser{site: a.site}).get(page); answer.Code != http.StatusSeeOther && answer.Code != http.StatusUnauthorized {
		t.Errorf("the page answers %d to who is not signed in", answer.Code)
	}

	admin := a.as(a.admin)
	admin.shows(page, `action="`+page+`/end"`, "Cut off scout?", "only production/readonly")
	admin.answers(admin.post(page+"/end"), http.StatusSeeOther)
	agent := `href="/agents/` + string(a.agent.ID)
	admin.shows(page, "by admin", `href="`+page+`/cut-off"`, ">ended</span>")
	admin.shows(page+"/activity", "session.end")
	admin.lacks(page, page+"/end", "cut it off")
	admin.shows(page+"/cut-off", agent, `href="`+page+`"`)
	admin.answers(admin.post("/agents/scout/delete"), http.StatusSeeOther)
	for _, shown := range []string{page, page + "/cut-off"} {
		admin.shows(shown, "scout", "which was deleted since")
		admin.lacks(shown, agent)
	}
	admin.lacks(page+"/activity", agent)
}

// The page of a session that a cut-off ended says so, and leads to what is left of the cut-off. It offers to cut off an
// agent that is not.
func TestASessionThatWasCutOff(t *testing.T) {
	a := newAsker(t)
	in, err := a.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	first := "/sessions/" + string(a.lends(a.agent, in, "readonly").ID)
	other := "/sessions/" + string(a.lends(a.agent, in, "readonly").ID)
	admin, agent := a.as(a.admin), "/agents/"+string(a.agent.ID)
	a.now = a.now.Add(time.Minute)
	admin.answers(admin.post(other+"/end"), http.StatusSeeOther)
	a.now = a.now.Add(time.Minute)
	admin.shows(first, `action="`+agent+`/cut-off"`, ">live</span>")
	admin.shows(first+"/calls", "No call is on record")
	role := string(in.Roles[0].ID)
	admin.answers(admin.post(agent+"/cut-off", "role", role), http.StatusSeeOther)
	admin.shows(first, ">cut off</span>", `href="`+agent+`/cut-off?role=`+role+`">cut it off</a>`)
	admin.lacks(first, first+`/end"`)
	admin.shows(other, ">ended</span>")
	admin.lacks(other, "cut it off")
	admin.answers(admin.post(agent+"/cut-off"), http.StatusSeeOther)
	admin.lacks(first, `action="`+agent+`/cut-off"`)
}

// The list of sessions begins with the newest, or with the oldest, over all its pages, and keeps its filters.
func TestSessionsAreSorted(t *testing.T) {
	a := newAsker(t)
	in, err := a.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for range 60 {
		a.now = a.now.Add(time.Second)
		made = append(made, string(a.lends(a.agent, in, "readonly").ID))
	}
	b := a.as(a.reader)
	row := regexp.MustCompile(`id="session-(ses_[a-z0-9]+)"`)
	rows := func(address, next string) (ids []string) {
		t.Helper()
		link := regexp.MustCompile(`<a href="([^"]*)">` + next + `</a>`)
		for address != "" {
			body := b.get(address).Body.String()
			for _, found := range row.FindAllStringSubmatch(body, -1) {
				ids = append(ids, found[1])
			}
			address = ""
			if found := link.FindStringSubmatch(body); found != nil {
				address = html.UnescapeString(found[1])
			}
		}
		return ids
	}
	if got := rows("/sessions?sort=created&agent=scout&live=on", "Newer"); !slices.Equal(got, made) {
		t.Errorf("from the oldest on they are %v, not %v", got, made)
	}
	slices.Reverse(made)
	for _, address := range []string{"/sessions", "/sessions?sort=-created", "/sessions?sort=name"} {
		if got := rows(address, "Older"); !slices.Equal(got, made) {
			t.Errorf("%s: they are %v, not %v", address, got, made)
		}
	}
	b.shows("/sessions?agent=scout", `aria-sort="descending"`, `href="/sessions?agent=scout&amp;sort=created"`)
	b.shows("/sessions?agent=scout&sort=created", `aria-sort="ascending"`, `href="/sessions?agent=scout"`,
		`<option value="created" selected>Requested: oldest</option>`)
}

// The sessions of one token, and those for roles of one account, are listed apart from others.
func TestSessionsOfATokenAndOfAnAccount(t *testing.T) {
	s := newSite(t, true)
	ctx := context.Background()
	ids, tokens := map[string]string{}, map[string]rolebroker.TokenID{}
	for name, account := range map[string]string{"one": "444455556666", "two": "777788889999"} {
		arn, err := rolebroker.ParseRoleARN("arn:aws:iam::" + account + ":role/ReadOnly")
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = rolebroker.NewTokenID()
		session := rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive,
			Agent: rolebroker.NewAgentID(), AgentName: name, Integration: rolebroker.NewIntegrationID(),
			IntegrationName: "production", Role: rolebroker.NewRoleID(), RoleName: "readonly", ARN: arn,
			Region: "us-east-1", SessionName: name, Token: tokens[name], RequestedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}
		if err := s.store.RecordSession(ctx, &session, session.BeginEvent(s.now)); err != nil {
			t.Fatal(err)
		}
		ids[name] = "session-" + string(session.ID)
	}
	reader := s.as(s.reader)
	reader.shows("/sessions", ids["one"], ids["two"])
	for _, filter := range []string{"token=" + string(tokens["one"]), "account=444455556666",
		"account=444455556666&token=" + string(tokens["one"])} {
		reader.shows("/sessions?"+filter, ids["one"])
		reader.lacks("/sessions?"+filter, ids["two"])
	}
	none := "/sessions?account=777788889999&token=" + string(tokens["one"])
	reader.shows(none, "No session matches", string(tokens["one"]), `value="777788889999"`)
	reader.lacks(none, ids["one"], ids["two"])
	reader.shows("/sessions?account=44", "No session matches", "12 digits")
	reader.shows("/sessions?token=scout", "No session matches", "tok_")
	reader.shows("/sessions?account=999999999999", "No role is in the account 999999999999")
}
