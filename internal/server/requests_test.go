package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// approver makes a client with an approver key.
func approver(t *testing.T, tb *testbed.Testbed) *client.Client {
	t.Helper()
	made, err := tb.Admin.CreateAPIKey(t.Context(), api.APIKeyRequest{Name: "alice", Access: "approver"})
	if err != nil {
		t.Fatal(err)
	}
	key := rolebroker.NewSecret(made.Key.Reveal())
	tb.HandedOut(key)
	return tb.Client(key)
}

// needsApproval has an integration's roles need an approval before an agent borrows them.
func needsApproval(t *testing.T, tb *testbed.Testbed, agent string, limits api.LimitsRequest) {
	t.Helper()
	limits.Approval = "borrow"
	if _, err := tb.Admin.Limit(t.Context(), agent, "production", limits, ""); err != nil {
		t.Fatal(err)
	}
}

// refuses checks the code of a refusal, and what it says.
func refuses(t *testing.T, err error, code rolebroker.Code, says ...string) {
	t.Helper()
	text := ""
	if err != nil {
		text = err.Error() + "\n" + rolebroker.AsError(err).Hint.String()
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("the refusal does not say %q: %s", s, text)
		}
	}
	if rolebroker.CodeOf(err) != code {
		t.Errorf("refused with %s: %v, want %s", rolebroker.CodeOf(err), err, code)
	}
}

// An agent asks, and waits for the decision: the answer comes as soon as a person decides, also at another server of the
// deployment. Asking twice is asking once. Nobody but the agent sees its question at the agents' door.
func TestAgentsAskPeople(t *testing.T) {
	for name, database := range map[string]func(*testing.T) (one, two *testbed.Testbed){
		"sqlite":   func(t *testing.T) (one, two *testbed.Testbed) { return testbed.New(t, nil), nil },
		"postgres": func(t *testing.T) (one, two *testbed.Testbed) { return replicas(t, storetest.Postgres(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tb, second := database(t)
			needsApproval(t, tb, "scout", api.LimitsRequest{})
			scout, deciding := tb.Client(tb.Scout), approver(t, tb)
			ask := api.AccessRequestRequest{Role: "deployer", Reason: "release 17", Task: "release-17", Duration: "30m"}
			asked, err := scout.RequestAccess(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if asked.State != "pending" || asked.Role != "production/deployer" || asked.Duration != "30m" ||
				!strings.HasPrefix(asked.URL, tb.URL+"/access-requests/req_") {
				t.Errorf("it asked %+v", asked)
			}
			ask.Reason, ask.Role = "again", "production/deployer"
			if again, err := scout.RequestAccess(t.Context(), ask); err != nil || again.ID != asked.ID {
				t.Errorf("asking again is %s, want %s: %v", again.ID, asked.ID, err)
			}
			other := tb.Client(tb.Agent("other", "production"))
			_, err = other.MyAccessRequest(t.Context(), asked.ID, 0)
			refuses(t, err, rolebroker.CodeNotFound)

			waited := make(chan api.MyAccessRequest, 2)
			wait := func(c *client.Client) {
				got, err := c.MyAccessRequest(context.Background(), asked.ID, 50*time.Second)
				if err != nil {
					t.Error(err)
				}
				waited <- got
			}
			go wait(scout)
			waits := 1
			if second != nil {
				go wait(second.Client(tb.Scout))
				waits++
			}
			began := time.Now()
			if _, err := deciding.ApproveRequest(t.Context(), asked.ID, api.ApproveRequest{Note: "go"}); err != nil {
				t.Fatal(err)
			}
			for range waits {
				got := <-waited
				if got.State != "approved" || got.DecidedBy != "alice" || got.Note != "go" || got.EndsAt == nil {
					t.Errorf("what it waited for is %+v", got)
				}
			}
			if took := time.Since(began); took > 20*time.Second { // far less than the wait
				t.Errorf("the decision took %s to arrive", took)
			}
		})
	}
}

// An agent follows its own requests with its own token. Of another agent's it learns nothing: they are refused as those
// that never were, word by word.
func TestAgentsSeeTheirOwnRequests(t *testing.T) {
	tb := testbed.New(t, nil)
	needsApproval(t, tb, "scout", api.LimitsRequest{})
	scout, other := tb.Client(tb.Scout), tb.Client(tb.Agent("other", "production"))
	needsApproval(t, tb, "other", api.LimitsRequest{})
	lists := func(c *client.Client, state string) (tasks []string) {
		t.Helper()
		found, err := c.MyAccessRequests(t.Context(), state)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range found {
			tasks = append(tasks, r.Task+" "+r.State+" "+r.Reason)
		}
		return tasks
	}
	asks := func(c *client.Client, task string) api.MyAccessRequest {
		t.Helper()
		asked, err := c.RequestAccess(t.Context(), api.AccessRequestRequest{Role: "deployer", Task: task, Reason: "for " + task})
		if err != nil {
			t.Fatal(err)
		}
		return asked
	}
	denied := asks(scout, "one")
	if _, err := approver(t, tb).DenyRequest(t.Context(), denied.ID, api.DenyRequest{Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	foreign := asks(other, "theirs")
	asks(scout, "two")
	want := []string{"two pending for two", "one denied for one"}
	if got := lists(scout, ""); !slices.Equal(got, want) {
		t.Errorf("scout sees %q, want %q", got, want)
	}
	if got := lists(scout, "denied"); !slices.Equal(got, want[1:]) {
		t.Errorf("scout sees %q denied, want %q", got, want[1:])
	}
	if got := lists(other, ""); !slices.Equal(got, []string{"theirs pending for theirs"}) {
		t.Errorf("other sees %q", got)
	}
	var answers [2]string
	for i, id := range []string{foreign.ID, "req_" + strings.Repeat("a", 26)} {
		_, err := scout.MyAccessRequest(t.Context(), id, 0)
		refuses(t, err, rolebroker.CodeNotFound)
		answers[i] = strings.ReplaceAll(fmt.Sprintf("%+v", rolebroker.AsError(err)), id, "ID")
	}
	if answers[0] != answers[1] {
		t.Errorf("another agent's request answers %s, one that is none %s", answers[0], answers[1])
	}
	_, err := tb.Admin.MyAccessRequests(t.Context(), "")
	refuses(t, err, rolebroker.CodeDenied)
}

// What an agent sends is refused where it is wrong, and other methods and callers are.
func TestBadAccessRequests(t *testing.T) {
	tb := testbed.New(t, nil)
	needsApproval(t, tb, "scout", api.LimitsRequest{})
	scout := tb.Client(tb.Scout)
	for says, ask := range map[string]api.AccessRequestRequest{
		"reason: is required": {Role: "deployer"},
		"at most 500":         {Role: "deployer", Reason: strings.Repeat("x", 501)},
		"invisible":           {Role: "deployer", Reason: "a\u202eb"},
		"from 1m to 12h":      {Role: "deployer", Reason: "r", Duration: "13h"},
		"as in 30m":           {Role: "deployer", Reason: "r", Duration: "soon"},
		"letters, digits":     {Role: "deployer", Reason: "r", Task: "a b"},
		"an AWS session name": {Role: "deployer", Reason: "r", Task: strings.Repeat("x", 64)},
	} {
		_, err := scout.RequestAccess(t.Context(), ask)
		refuses(t, err, rolebroker.CodeInvalid, says)
	}
	_, err := tb.Client(tb.Agent("free", "production")).RequestAccess(t.Context(),
		api.AccessRequestRequest{Role: "deployer", Reason: "r"})
	refuses(t, err, rolebroker.CodeInvalid, "needs no approval")
	_, err = scout.RequestAccess(t.Context(), api.AccessRequestRequest{Role: "tester", Reason: "r"})
	refuses(t, err, rolebroker.CodeNotFound, "not connected to a role")
	_, err = tb.Admin.RequestAccess(t.Context(), api.AccessRequestRequest{Role: "deployer", Reason: "r"})
	refuses(t, err, rolebroker.CodeDenied, "to an agent token only")
	_, err = scout.AccessRequests(t.Context(), api.AccessRequestFilter{}, client.List{})
	refuses(t, err, rolebroker.CodeDenied)

	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/access-requests", "", 200, `"items":[]`},
		{"GET", "/v1/access-requests?state=open", "", 400, "not one of pending"},
		{"PUT", "/v1/access-requests", "", 405, "only GET"},
		{"DELETE", "/v1/access-requests/req_x", "", 405, "only GET"},
		{"POST", "/v1/access-requests", `{"role": "deployer", "approved": true}`, 400, "expected JSON"},
		{"POST", "/v1/access-requests", `nonsense`, 400, "expected JSON"},
		{"POST", "/v1/access-requests", `{"reason": "` + strings.Repeat("x", 20_000) + `"}`, 400, "16384 bytes"},
		{"GET", "/v1/access-requests/req_x?wait=soon", "", 400, "as in 25s"},
		{"GET", "/v1/access-requests/req_x", "", 404, "no access request"},
		{"POST", "/v1/credentials", "", 405, "only GET"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, tb.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", tb.Scout.Reveal())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 4096)
		n, _ := resp.Body.Read(body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body[:n]), c.says) {
			t.Errorf("%s %s answers %d %s, want %d with %q", c.method, c.path, resp.StatusCode, body[:n], c.status, c.says)
		}
	}
}

// Who waits for a decision does not hold up a server that stops: it gets the state so far.
func TestWaitingDoesNotHoldUpTheStop(t *testing.T) {
	tb := testbed.New(t, nil)
	needsApproval(t, tb, "scout", api.LimitsRequest{})
	scout := tb.Client(tb.Scout)
	asked, err := scout.RequestAccess(t.Context(), api.AccessRequestRequest{Role: "deployer", Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	const most = 10 // wait at once
	waited := make(chan api.MyAccessRequest, most)
	for range most {
		go func() {
			got, err := scout.MyAccessRequest(context.Background(), asked.ID, 50*time.Second)
			for rolebroker.CodeOf(err) == rolebroker.CodeThrottled { // by the question below
				got, err = scout.MyAccessRequest(context.Background(), asked.ID, 50*time.Second)
			}
			if err != nil {
				t.Error(err)
			}
			waited <- got
		}()
	}
	until(t, "they wait", func() bool {
		_, err := scout.MyAccessRequest(t.Context(), asked.ID, time.Nanosecond)
		return rolebroker.CodeOf(err) == rolebroker.CodeThrottled
	})
	began := time.Now()
	tb.Stop()
	for range most {
		if got := <-waited; got.State != "pending" || time.Since(began) > 9*time.Second {
			t.Errorf("after %s it is told %+v", time.Since(began), got)
		}
	}
}

// Who waits for a decision with a token that is revoked meanwhile is refused at once.
func TestARevokedTokenWaitsNoLonger(t *testing.T) {
	tb := testbed.New(t, nil)
	needsApproval(t, tb, "scout", api.LimitsRequest{})
	scout := tb.Client(tb.Scout)
	asked, err := scout.RequestAccess(t.Context(), api.AccessRequestRequest{Role: "deployer", Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	const most = 10 // wait at once
	waited := make(chan error, most)
	for range most {
		go func() {
			_, err := scout.MyAccessRequest(context.Background(), asked.ID, 50*time.Second)
			for rolebroker.CodeOf(err) == rolebroker.CodeThrottled { // by the question below
				_, err = scout.MyAccessRequest(context.Background(), asked.ID, 50*time.Second)
			}
			waited <- err
		}()
	}
	until(t, "they wait", func() bool {
		_, err := scout.MyAccessRequest(t.Context(), asked.ID, time.Nanosecond)
		return rolebroker.CodeOf(err) == rolebroker.CodeThrottled
	})
	tokens, err := tb.Admin.Tokens(t.Context(), "scout", client.List{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tb.Admin.RevokeToken(t.Context(), "scout", tokens.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	for range most {
		refuses(t, <-waited, rolebroker.CodeExpired, "revoked")
	}
}

// An agent can wait for a few decisions at once, and no more.
func TestAFewQuestionsWaitAtOnce(t *testing.T) {
	tb := testbed.New(t, nil)
	needsApproval(t, tb, "scout", api.LimitsRequest{})
	scout := tb.Client(tb.Scout)
	asked, err := scout.RequestAccess(t.Context(), api.AccessRequestRequest{Role: "deployer", Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 11)
	for range 11 {
		go func() {
			_, err := scout.MyAccessRequest(context.Background(), asked.ID, 50*time.Second)
			outcome <- err
		}()
	}
	refuses(t, <-outcome, rolebroker.CodeThrottled, "too many questions")
	if _, err := approver(t, tb).DenyRequest(t.Context(), asked.ID, api.DenyRequest{Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := <-outcome; err != nil {
			t.Error(err)
		}
	}
	if got, err := scout.MyAccessRequest(t.Context(), asked.ID, 50*time.Second); err != nil || got.State != "denied" ||
		got.Note != "no" {
		t.Errorf("it was denied: %+v, %v", got, err)
	}
}
