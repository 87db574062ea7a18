package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/web"
)

// A form that no page has is refused as what it is.
func TestFormsThatNoPageHas(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	in, err := s.broker.Integration(context.Background(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	b.answers(b.post(path+"/roles", "action", "default", "role", string(in.Roles[0].ID)),
		http.StatusUnprocessableEntity, "Choose one role")
	b.answers(b.post(path+"/edit", "action", "add-role", "was", `{"":"x"}`, "conflict", ""), http.StatusOK)
}

// What was typed stays when somebody else changed the agent meanwhile.
func TestLimitsThatSomebodyElseChanged(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	b.post("/agents/new", "name", "scout", "action", "create")
	b.post("/agents/scout/connect", "integration", "production")
	const path = "/agents/scout/limits/production"
	save := func(version int64, access, policy string) *httptest.ResponseRecorder {
		return b.post(path, "form", "limits", "version", fmt.Sprint(version), "access", access, "session_policy", policy,
			"keys", "lent", "approval", "none")
	}
	version := func() int64 {
		agent, err := s.broker.Agent(context.Background(), root, "scout")
		if err != nil {
			t.Fatal(err)
		}
		return agent.Version
	}
	before := version()
	b.answers(save(before, "read-only", ""), http.StatusSeeOther)
	const typed = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	b.answers(save(before, "policy", typed), http.StatusConflict, "Nothing was saved", "may read, and change nothing",
		"s3:GetObject", fmt.Sprintf(`name="version" value="%d"`, version()))
	b.answers(save(version(), "policy", typed), http.StatusSeeOther)

	// A preset hides the policy, and keeps it: choosing the access policy again shows it.
	const other = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}]}`
	b.answers(b.post(path, "form", "limits", "version", fmt.Sprint(version()), "access", "policy", "session_policy",
		other, "keys", "lent", "approval", "none", "action", "preset.read-only"), http.StatusOK,
		"may read, and change nothing", "s3:PutObject")
	b.answers(save(version(), "read-only", other), http.StatusSeeOther)
	b.lacks(path, "s3:PutObject") // what is not used is not saved
	b.answers(save(version(), "policy", typed), http.StatusSeeOther)
	s.as(s.reader).shows(path, "s3:GetObject", "What is set", "Somebody with an admin API key")
}

// busy is a broker with more calls than anybody can judge.
type busy struct{ *broker.Broker }

func (busy) JudgeLimits(ctx context.Context, _ rolebroker.Caller, _, _ string, _ *broker.Limits) (
	*rolebroker.Judgement, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// An agent that sends many calls does not keep people from limiting it.
func TestLimitsOfABusyAgent(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	b.post("/agents/new", "name", "scout", "action", "create")
	b.post("/agents/scout/connect", "integration", "production")
	s.options.Broker = busy{s.broker}
	s.handler = web.New(s.options)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- b.get("/agents/scout/limits/production") }()
	select {
	case page := <-answer:
		b.answers(page, http.StatusOK, "takes too long for a page", ">Save<")
	case <-ctx.Done():
		t.Error("the page does not come")
	}
}

// A policy is learned from so many of the newest calls that it takes no time, and the page says so.
func TestThePolicyOfTooManyCalls(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	b.post("/agents/new", "name", "scout", "action", "create")
	limits := broker.Limits{Keys: rolebroker.KeysWithheld}
	agent, err := s.broker.Connect(t.Context(), root, "scout", "production", &limits, 0)
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	record := func(n int, before time.Duration, operation string) {
		t.Helper()
		calls := make([]rolebroker.Call, n)
		for i := range calls {
			calls[i] = rolebroker.Call{ID: rolebroker.NewCallID(s.now.Add(-before)), Agent: agent.ID,
				Integration: in.ID, Role: in.Roles[0].ID, Service: "s3", Operation: operation,
				Actions: []string{"s3:" + operation}, Resources: []string{"arn:aws:s3:::reports"},
				Level: rolebroker.CallRead, Decision: rolebroker.CallAllowed, Times: 1, Status: http.StatusOK,
				EndedAt: s.now}
		}
		if err := s.store.RecordCalls(t.Context(), calls); err != nil {
			t.Fatal(err)
		}
	}
	const form = "/agents/scout/limits/production?policy=of-its-calls"
	record(1, 3*time.Hour, "GetBucketAcl")
	for range rolebroker.MaxLearned / 10_000 {
		record(10_000, 2*time.Hour, "ListBucket")
	}
	b.shows(form, "the newest 50000 calls need", "Only the newest calls count, the first of them", "2 hours ago",
		"s3:ListBucket")
	b.lacks(form, `&#34;s3:GetBucketAcl`, "of the last 30 days need")
}

// The overview shows an agent whose keys work after its cut-off, also when others were cut off after it, and until the
// keys have expired.
func TestTheOverviewShowsEveryCutOffWithKeys(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	ctx := context.Background()
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		name := fmt.Sprintf("agent-%02d", i)
		spec := broker.AgentSpec{Name: name, Connections: broker.ConnectTo("production")}
		agent, err := s.broker.CreateAgent(ctx, root, spec)
		if err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			s.lends(agent, in, "readonly")
		}
		s.now = s.now.Add(time.Second)
		if _, err := s.broker.CutOff(ctx, root, name, broker.CuttingOff{}); err != nil {
			t.Fatal(err)
		}
	}
	b.shows("/", "End the keys of agent-00", "End the keys of agent-01")
	spec := broker.AgentSpec{Name: "partly", Connections: broker.ConnectTo("production")}
	partly, err := s.broker.CreateAgent(ctx, root, spec)
	if err != nil {
		t.Fatal(err)
	}
	s.lends(partly, in, "readonly")
	s.now = s.now.Add(time.Second)
	const what = "End the keys of partly for production/readonly"
	for range 2 { // it is there once
		if _, err := s.broker.CutOff(ctx, root, "partly", broker.CuttingOff{Role: "production/readonly"}); err != nil {
			t.Fatal(err)
		}
	}
	b.shows("/", `href="/agents/`+string(partly.ID)+"/cut-off?role="+string(in.Roles[0].ID)+`">`+what)
	if n := strings.Count(b.get("/").Body.String(), what); n != 1 {
		t.Errorf("%q is there %d times", what, n)
	}
	if _, err := s.broker.CutOff(ctx, root, "partly", broker.CuttingOff{}); err != nil {
		t.Fatal(err)
	}
	b.shows("/", ">End the keys of partly<")
	b.lacks("/", what)
	s.now = s.now.Add(2 * time.Hour)
	b.lacks("/", "End the keys")
}
