package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const token = "rbk_hunter2"

// dial makes a client of a server with this handler.
func dial(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClient(t, client.Options{URL: server.URL, Token: rolebroker.NewSecret(token)})
}

func newClient(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	o.Now = func() time.Time { return time.Date(2029, 12, 31, 23, 30, 0, 0, time.UTC) }
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// refused checks the code of an error, and that its texts have says in them and no
// secret.
func refused(t *testing.T, err error, code rolebroker.Code, says string) {
	t.Helper()
	e := rolebroker.AsError(err)
	text := fmt.Sprintf("%v hint: %s %+v", err, e.Hint, err)
	if rolebroker.CodeOf(err) != code || !strings.Contains(text, says) {
		t.Errorf("the error is %s %s, want %s with %q in it", rolebroker.CodeOf(err), text, code, says)
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if strings.Contains(cause.Error(), "hunter2") {
			t.Errorf("the error has the secret in it: %v", cause)
		}
	}
}

func TestURLs(t *testing.T) {
	secret := rolebroker.NewSecret(token)
	for url, says := range map[string]string{
		"":                                 "is empty",
		"127.0.0.1:8484":                   "must start with http:// or https://",
		"localhost":                        "no scheme",
		"ftp://example.com":                `scheme "ftp"`,
		"unix:///run/rolebroker":           `scheme "unix"`,
		"http://":                          "no host",
		"https://?x=y":                     "no host",
		"https://example.com?key=1":        "query",
		"https://example.com#top":          "fragment",
		"https://ann:hunter2@x.org":        "ROLEBROKER_TOKEN",
		"https://hunter2:p%zz@example.com": "cannot be parsed",
		"http://example.com":               "readable by anyone",
		"http://10.0.0.1:8484":             "readable by anyone",
		"http://127.0.0.1.nip.io":          "readable by anyone",
		"http://localhost.example.com":     "readable by anyone",
		"http://[fe80::1]:80":              "readable by anyone",
		"http://0.0.0.0:8484":              "readable by anyone",
	} {
		_, err := client.New(client.Options{URL: url, Token: secret})
		refused(t, err, rolebroker.CodeInvalid, says)
	}
	for _, url := range []string{"http://127.0.0.1:8484", "http://[::1]:8484/", "http://LOCALHOST",
		"https://rolebroker.example.com/behind/a/proxy"} {
		newClient(t, client.Options{URL: url, Token: secret})
	}
	for _, url := range []string{"http://169.254.170.2", "http://169.254.170.23:8485", "http://[fd00:ec2::23]"} {
		for _, fine := range []string{"rbt_agent", "eyJ.service.account"} {
			newClient(t, client.Options{URL: url, Token: rolebroker.NewSecret(fine)})
		}
		for _, other := range []string{"rbk_key", "rbr_runner"} {
			_, err := client.New(client.Options{URL: url, Token: rolebroker.NewSecret(other)})
			refused(t, err, rolebroker.CodeInvalid, "readable by anyone")
		}
	}
	newClient(t, client.Options{URL: "http://example.com"}) // there is no token to read
	newClient(t, client.Options{URL: "http://example.com", Token: secret, AllowInsecure: true})
}

// A token file that gets another kind of token does not send that to a link-local address.
func TestAnAPIKeyInTheFileDoesNotGoOverPlainHTTP(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rbt_agent")
	asked := 0
	c := newClient(t, client.Options{URL: "http://169.254.170.2", TokenFile: file,
		HTTPClient: &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			asked++
			return nil, errors.New(r.Header.Get("Authorization"))
		})}})
	_, err := c.Platform(t.Context())
	refused(t, err, rolebroker.CodeUnavailable, "")
	before := asked
	write("rbk_key")
	_, err = c.Platform(t.Context())
	refused(t, err, rolebroker.CodeInvalid, "readable by anyone")
	if before == 0 || asked != before {
		t.Errorf("%d requests before, and then %d", before, asked)
	}
}

// The server gets a reference exactly as the caller wrote it.
func TestReferencesArriveExactly(t *testing.T) {
	var got, task string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /behind/v1/credentials/{reference}", func(w http.ResponseWriter, r *http.Request) {
		got, task = r.PathValue("reference"), r.URL.Query().Get("task")
		answer(w, 200, map[string]string{"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T",
			"Expiration": "2030-01-01T00:00:00Z"})
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c := newClient(t, client.Options{URL: server.URL + "/behind/", Token: rolebroker.NewSecret(token)})
	for _, reference := range []string{
		"readonly", "production/readonly", "arn:aws:iam::444455556666:role/team/ReadOnly",
		"arn:aws:iam::444455556666:role/a%2Fb/#x/R",
		"arn:aws:iam::444455556666:role/a//b/../c/./R", "a?b=c&d", "..", ".", "../..", "a b+c", "//", "%", "%2e%2e",
		"ü", ";,:@=&$", `a\b"c`, "x/", "/x",
	} {
		if _, err := c.Credentials(t.Context(), reference, "task/#1 ?"); err != nil || got != reference ||
			task != "task/#1 ?" {
			t.Errorf("%q arrives as %q with task %q: %v", reference, got, task, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/v1/credentials" || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("%s comes with %v", r.URL, r.Header)
		}
		answer(w, 200, map[string]string{"AccessKeyId": "ASIA", "SecretAccessKey": "hunter2", "Token": "hunter2too",
			"Expiration": "2030-01-01T01:00:00+01:00", "RoleArn": "arn:aws:iam::444455556666:role/R",
			"AccountId": "444455556666"})
	})
	got, err := c.Credentials(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != "ASIA" || got.SecretAccessKey.Reveal() != "hunter2" || got.Token.Reveal() != "hunter2too" ||
		got.Expiration != time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) ||
		got.RoleARN != "arn:aws:iam::444455556666:role/R" || got.AccountID != "444455556666" {
		t.Errorf("the credentials are %+v", got)
	}
	if text := fmt.Sprintf("%v %+v %#v", got, *got, *got); strings.Contains(text, "hunter2") {
		t.Errorf("the credentials print as %s", text)
	}
}

func TestCredentialsThatAreNone(t *testing.T) {
	for _, body := range []string{`{}`, `{"AccessKeyId": "A"}`, `{"AccessKeyId": "A", "SecretAccessKey": "hunter2"}`} {
		c := dial(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, json.RawMessage(body)) })
		_, err := c.Credentials(t.Context(), "", "")
		refused(t, err, rolebroker.CodeInternal, "without credentials")
	}
}

func TestRoles(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/v1/roles" {
			t.Errorf("asked for %s", r.URL)
		}
		answer(w, 200, api.List[api.Offer]{Items: []api.Offer{
			{Reference: "r", Integration: "p", Name: "r", ARN: "arn:aws:iam::444455556666:role/R", Region: "us-east-1",
				Default: true}}})
	})
	got, err := c.Roles(t.Context())
	want := []rolebroker.Offer{{Reference: "r", Integration: "p", Name: "r", Region: "us-east-1", Default: true,
		ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/", Name: "R"}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("the roles (-want +got): %v\n%s", err, diff)
	}
}

// Offers end up in a file from which programs are started. If one of them has a wrong
// form, Roles returns none.
func TestOffersOfAWrongForm(t *testing.T) {
	const injected = "\n[profile default]\ncredential_process = touch /tmp/ran"
	offers := func(change func(*api.Offer)) func(*testing.T) error {
		return func(t *testing.T) error {
			good := api.Offer{Reference: "p/r", Integration: "p", Name: "r", ARN: "arn:aws:iam::444455556666:role/R",
				Region: "us-east-1"}
			changed := good
			change(&changed)
			_, err := dial(t, func(w http.ResponseWriter, r *http.Request) {
				answer(w, 200, api.List[api.Offer]{Items: []api.Offer{good, changed}})
			}).Roles(t.Context())
			return err
		}
	}
	for name, roles := range map[string]func(*testing.T) error{
		"ARN":                       offers(func(o *api.Offer) { o.ARN = "arn:mars" }),
		"no region":                 offers(func(o *api.Offer) { o.Region = "" }),
		"injected region":           offers(func(o *api.Offer) { o.Region += injected }),
		"region of another world":   offers(func(o *api.Offer) { o.Region = "cn-north-1" }),
		"no reference":              offers(func(o *api.Offer) { o.Reference = "" }),
		"injected reference":        offers(func(o *api.Offer) { o.Reference += injected }),
		"reference to another role": offers(func(o *api.Offer) { o.Reference = "default" }),
		"injected name":             offers(func(o *api.Offer) { o.Name += injected; o.Reference = o.Name }),
		"injected integration": offers(func(o *api.Offer) {
			o.Integration = "]" + injected
			o.Reference = o.Integration + "/r"
		}),
		"option for a name": offers(func(o *api.Offer) { o.Name = "--role"; o.Reference = o.Name }),
	} {
		t.Run(name, func(t *testing.T) { refused(t, roles(t), rolebroker.CodeInternal, "rolebroker version") })
	}
	if err := offers(func(o *api.Offer) { o.Reference = "r" })(t); err != nil {
		t.Error(err)
	}
}

// Every refusal, by the server or a proxy, is an error with a code and a sentence.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status     int
		kind, body string
		code       rolebroker.Code
		says       string
	}{
		{400, "application/problem+json", `{"status": 400, "code": "invalid", "detail": "it is wrong", "hint": "do it right", "errors": [{"pointer": "/a/0", "field": "a[0]", "message": "is bad"}]}`, "invalid", "it is wrong: a[0]: is bad hint: do it right"},
		{412, "application/problem+json; charset=utf-8", `{"code": "stale", "detail": "too late"}`,
			"stale", "too late"},
		{404, "application/json", `{"code": "not_found", "message": "no such role; available are r"}`, "not_found",
			"no such role"},
		{429, "application/json", `{"code": "throttled", "message": "too much"}`, "throttled",
			"try again in 7 seconds"},
		{502, "text/html", "<html>hunter2", "unavailable", "502 Bad Gateway with text/html"},
		{401, "text/html", "<html>", "unauthenticated", "ROLEBROKER_URL"},
		{403, "", "", "denied", "403 Forbidden"},
		{404, "text/plain", "404 page not found", "unavailable", "a proxy"},
		{429, "text/plain", "slow", "throttled", "429"},
		{500, "application/json", `{"error": "hunter2"}`, "unavailable", "500"},
		{500, "application/json", `{"code": `, "unavailable", "500"},
		{200, "text/html", "<html>Log in", "unavailable", "200 OK with text/html"},
		{200, "application/json", `{"name": 17}`, "internal", "rolebroker version"},
		{200, "application/json", `hunter2`, "internal", "does not understand"},
	} {
		refuse := dial(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Content-Type", c.kind)
			if c.kind == "" {
				w.Header()["Content-Type"] = nil
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := refuse.Integration(t.Context(), "x")
		refused(t, err, c.code, c.says)
	}
}

// Only the server gets the token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the thief got %v", r.Header)
	}))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := dial(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL+"/x?y", status) })
		_, err := c.Platform(t.Context())
		refused(t, err, rolebroker.CodeUnavailable, "set ROLEBROKER_URL to it")
		if !strings.Contains(rolebroker.AsError(err).Hint.String(), thief.URL) {
			t.Errorf("the hint does not say where: %s", rolebroker.AsError(err).Hint)
		}
	}
}

func TestThereIsNoAnswer(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	_, err := newClient(t, client.Options{URL: url, Token: rolebroker.NewSecret(token)}).Platform(t.Context())
	refused(t, err, rolebroker.CodeUnavailable, "cannot reach rolebroker at "+url)
	refused(t, err, rolebroker.CodeUnavailable, "rolebroker server")

	release := make(chan struct{})
	defer close(release)
	slow := dial(t, func(http.ResponseWriter, *http.Request) { <-release })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = slow.Platform(ctx)
	refused(t, err, rolebroker.CodeUnavailable, "interrupted")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = slow.Platform(ctx)
	refused(t, err, rolebroker.CodeUnavailable, "did not answer in time")

	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	_, err = newClient(t, client.Options{URL: secure.URL}).Platform(t.Context())
	refused(t, err, rolebroker.CodeUnavailable, "SSL_CERT_FILE")
	plain := httptest.NewServer(nil)
	defer plain.Close()
	_, err = newClient(t, client.Options{URL: strings.Replace(plain.URL, "http", "https", 1)}).Platform(t.Context())
	refused(t, err, rolebroker.CodeUnavailable, "start ROLEBROKER_URL with http://")
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAnswersAreBounded(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/api/v1/sessions" {
			w.WriteHeader(500)
		}
		io.Copy(w, endless{})
	})
	_, err := c.Platform(t.Context())
	refused(t, err, rolebroker.CodeInternal, "more than 64 MiB")
	_, err = c.Sessions(t.Context(), api.SessionFilter{}, client.List{})
	refused(t, err, rolebroker.CodeUnavailable, "500")

	short := dial(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "{")
	})
	_, err = short.Platform(t.Context())
	refused(t, err, rolebroker.CodeUnavailable, "cannot reach")
}

// numbers is a list of agents called 0 to 4, two to a page.
func numbers(asked *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RawQuery)
		var from int
		fmt.Sscan(r.URL.Query().Get("cursor"), &from)
		page := api.List[api.Agent]{}
		for i := from; i < min(from+2, 5); i++ {
			page.Items = append(page.Items, api.Agent{Name: fmt.Sprint(i)})
		}
		if from+2 < 5 {
			page.NextCursor = fmt.Sprint(from + 2)
		}
		answer(w, 200, page)
	}
}

func TestIterators(t *testing.T) {
	var asked, names []string
	agents := dial(t, numbers(&asked)).AllAgents(t.Context(), "x y")
	for range 2 { // a sequence can be ranged over again
		asked, names = nil, nil
		for agent, err := range agents {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, agent.Name)
		}
		if !slices.Equal(names, []string{"0", "1", "2", "3", "4"}) ||
			!slices.Equal(asked, []string{"limit=500&search=x+y", "cursor=2&limit=500&search=x+y",
				"cursor=4&limit=500&search=x+y"}) {
			t.Errorf("the agents are %v, asked for with %v", names, asked)
		}
	}
	asked = nil
	for range agents {
		break
	}
	if len(asked) != 1 {
		t.Errorf("for one agent the server is asked %d times", len(asked))
	}
}

func TestIteratorsEnd(t *testing.T) {
	turn := 0
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if turn++; turn == 2 {
			answer(w, 503, map[string]string{"code": "unavailable", "message": "later"})
			return
		}
		answer(w, 200, api.List[api.APIKey]{Items: []api.APIKey{{}}, NextCursor: "x"})
	})
	count := func() (items int, last error) {
		for _, err := range c.AllAPIKeys(t.Context()) {
			if last = err; err == nil {
				items++
			}
		}
		return items, last
	}
	items, err := count()
	refused(t, err, rolebroker.CodeUnavailable, "later")
	if items != 1 {
		t.Errorf("%d items come before the error", items)
	}
	_, err = count()
	refused(t, err, rolebroker.CodeInternal, "does not end")
}

// Every method sends the right request.
func TestRequests(t *testing.T) {
	var got string
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = strings.TrimSpace(strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("If-Match"),
			r.Header.Get("Content-Type"), string(body)}, " "))
		if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("User-Agent") != "rolebroker-go" {
			t.Errorf("%s comes with %v", got, r.Header)
		}
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, 200, struct{}{})
	})
	ctx := t.Context()
	for want, call := range map[string]func() error{
		`GET /api/v1/integrations?cursor=c&limit=3&search=s`: func() error {
			return errOf(c.Integrations(ctx, client.List{Limit: 3, Cursor: "c", Search: "s"}))
		},
		`GET /api/v1/integrations/x`: func() error { return errOf(c.Integration(ctx, "x")) },
		`POST /api/v1/integrations  application/json {"name":"x","default_role":"","roles":null}`: func() error {
			return errOf(c.CreateIntegration(ctx, api.IntegrationRequest{Name: "x"}, ""))
		},
		`PUT /api/v1/integrations/x "7" application/json {"name":"x","default_role":"","roles":null}`: func() error {
			return errOf(c.UpdateIntegration(ctx, "x", api.IntegrationRequest{Name: "x"}, `"7"`, ""))
		},
		`DELETE /api/v1/integrations/x "7"`: func() error { return c.DeleteIntegration(ctx, "x", `"7"`) },
		`POST /api/v1/external-ids`:         func() error { return errOf(c.ReserveExternalID(ctx)) },
		`GET /api/v1/external-ids/ext_1`:    func() error { return errOf(c.ExternalID(ctx, "ext_1")) },
		`DELETE /api/v1/external-ids/ext_1`: func() error { return c.ReleaseExternalID(ctx, "ext_1") },
		`GET /api/v1/agents`:                func() error { return errOf(c.Agents(ctx, client.List{})) },
		`GET /api/v1/agents/x%2Fy`:          func() error { return errOf(c.Agent(ctx, "x/y")) },
		`POST /api/v1/agents  application/json {"name":"x","connections":[]}`: func() error {
			return errOf(c.CreateAgent(ctx, api.AgentRequest{Name: "x", Connections: &[]api.ConnectionRequest{}}))
		},
		`PUT /api/v1/agents/x  application/json {"name":"x"}`: func() error {
			return errOf(c.UpdateAgent(ctx, "x", api.AgentRequest{Name: "x"}, ""))
		},
		`DELETE /api/v1/agents/x`: func() error {
			return c.DeleteAgent(ctx, "x", "")
		},
		`PUT /api/v1/agents/x/connections/y`: func() error {
			return errOf(c.Connect(ctx, "x", "y"))
		},
		`DELETE /api/v1/agents/x/connections/y`: func() error {
			return c.Disconnect(ctx, "x", "y")
		},
		`GET /api/v1/agents/x/tokens`: func() error {
			return errOf(c.Tokens(ctx, "x", client.List{}))
		},
		`POST /api/v1/agents/x/tokens  application/json {"label":"l"}`: func() error {
			return errOf(c.CreateToken(ctx, "x", api.TokenRequest{Label: "l"}))
		},
		`GET /api/v1/agents/x/tokens/tok_1`: func() error {
			return errOf(c.Token(ctx, "x", "tok_1"))
		},
		`DELETE /api/v1/agents/x/tokens/tok_1`: func() error {
			return c.RevokeToken(ctx, "x", "tok_1")
		},
		`GET /api/v1/api-keys`: func() error { return errOf(c.APIKeys(ctx, client.List{})) },
		`POST /api/v1/api-keys  application/json {"name":"k","access":"admin"}`: func() error {
			return errOf(c.CreateAPIKey(ctx, api.APIKeyRequest{Name: "k", Access: "admin"}))
		},
		`DELETE /api/v1/api-keys/key_1`: func() error { return c.DeleteAPIKey(ctx, "key_1") },
		`GET /api/v1/platform`:          func() error { return errOf(c.Platform(ctx)) },
		`GET /api/v1/sessions?agent=a&integration=i&limit=1&live=true&role=r`: func() error {
			return errOf(c.Sessions(ctx, api.SessionFilter{Agent: "a", Integration: "i", Role: "r", Live: true},
				client.List{Limit: 1}))
		},
		`GET /api/v1/sessions?since=2026-03-14T09%3A26%3A53Z&until=2026-03-15T00%3A00%3A00.5Z`: func() error {
			return errOf(c.Sessions(ctx, api.SessionFilter{Since: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC),
				Until: time.Date(2026, 3, 15, 0, 0, 0, 5e8, time.UTC)}, client.List{}))
		},
	} {
		if err := call(); err != nil || got != want {
			t.Errorf("asked %s, want %s: %v", got, want, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// An empty name must not become the path of the whole collection.
func TestEmptyNames(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was asked", r.Method, r.URL) })
	ctx := t.Context()
	for _, err := range []error{
		c.DeleteIntegration(ctx, "", ""), c.DeleteAgent(ctx, "", ""), c.DeleteAPIKey(ctx, ""),
		c.Disconnect(ctx, "x", ""), c.Disconnect(ctx, "", "x"),
		c.RevokeToken(ctx, "x", ""), c.RevokeToken(ctx, "", "x"), errOf(c.Integration(ctx, "")),
		errOf(c.Agent(ctx, "")), errOf(c.Connect(ctx, "", "x")),
		errOf(c.Tokens(ctx, "", client.List{})), errOf(c.CreateToken(ctx, "", api.TokenRequest{})),
		errOf(c.Token(ctx, "x", "")), errOf(c.Token(ctx, "", "x")),
		errOf(c.ExternalID(ctx, "")), c.ReleaseExternalID(ctx, ""),
		errOf(c.UpdateAgent(ctx, "", api.AgentRequest{}, "")),
	} {
		refused(t, err, rolebroker.CodeInvalid, "is empty")
	}
}

// A token that the client made is in the request, and is printed nowhere.
func TestATokenIsRegistered(t *testing.T) {
	token := client.NewAgentToken()
	if again := client.NewAgentToken(); again == token || fmt.Sprint(token) != "[redacted]" {
		t.Errorf("%v and %v", token, again)
	}
	request := api.TokenRequest{Label: "l", Token: api.Secret(token.Reveal())}
	if printed := fmt.Sprintf("%v %+v %#v", request, request, request); strings.Contains(printed, token.Reveal()) {
		t.Errorf("the request is printed as %s", printed)
	}
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) != `{"label":"l","token":"`+token.Reveal()+`"}` {
			t.Error("the request has another body")
		}
		answer(w, 201, map[string]any{"id": "tok_1", "expires_at": nil})
	})
	if made, err := c.CreateToken(t.Context(), "x", request); err != nil || made.ID != "tok_1" || made.Token != "" {
		t.Errorf("it is registered as %+v: %v", made, err)
	}
}

// A token that is rotated is read again for each request, and after a refusal.
func TestTokensAreRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	put := func(token string) {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var shown []string
	meanwhile := func() {}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = append(shown, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		meanwhile()
		meanwhile = func() {}
		if shown[len(shown)-1] == "hunter2-revoked" {
			answer(w, 401, api.Problem{Code: "unauthenticated", Detail: "the token was revoked"})
			return
		}
		body, _ := io.ReadAll(r.Body)
		if len(body) == 0 {
			t.Error("a request that is repeated has no body")
		}
		answer(w, 200, api.Agent{Name: "scout"})
	}))
	defer server.Close()
	put("hunter2-one")
	c := newClient(t, client.Options{URL: server.URL, TokenFile: path})
	create := func() error { return errOf(c.CreateAgent(t.Context(), api.AgentRequest{Name: "scout"})) }
	asked := func(err error, tokens ...string) {
		t.Helper()
		if err != nil || !slices.Equal(shown, tokens) {
			t.Errorf("the client shows %v, want %v: %v", shown, tokens, err)
		}
		shown = nil
	}
	asked(create(), "hunter2-one")
	put("hunter2-two")
	asked(create(), "hunter2-two")
	put("")
	asked(create(), "hunter2-two")
	put("hunter2-revoked")
	meanwhile = func() { put("hunter2-three") }
	asked(create(), "hunter2-revoked", "hunter2-three")
	put("hunter2-revoked")
	refused(t, create(), rolebroker.CodeUnauthenticated, "revoked")
	if len(shown) != 1 {
		t.Errorf("after a refusal without a rotation the client shows %v", shown)
	}

	_, err := client.New(client.Options{URL: server.URL, TokenFile: path + "-not-here"})
	refused(t, err, rolebroker.CodeInvalid, "not-here")
	_, err = client.New(client.Options{URL: "http://example.com", TokenFile: path})
	refused(t, err, rolebroker.CodeInvalid, "readable by anyone")
}

// Credentials are believed only if AWS could have made them.
func TestExpirationsThatAreImpossible(t *testing.T) {
	for expires, says := range map[string]string{
		"2029-12-31T23:30:00Z": "have expired",
		"2020-01-01T00:00:00Z": "have expired",
		"2030-01-01T12:31:00Z": "longer than AWS", // 12 hours, an hour for wrong clocks, and a minute
		"2999-01-01T00:00:00Z": "longer than AWS",
		"2030-01-01T12:29:00Z": "",
		"2029-12-31T23:31:00Z": "",
	} {
		c := dial(t, func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, map[string]string{"AccessKeyId": "A", "SecretAccessKey": "hunter2", "Token": "T",
				"Expiration": expires})
		})
		_, err := c.Credentials(t.Context(), "", "")
		switch {
		case says == "" && err != nil:
			t.Errorf("credentials until %s are refused: %v", expires, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("credentials until %s are %v, want %q", expires, err, says)
		}
	}
}

func TestTheHintRepeatsAWaitThatIsSensible(t *testing.T) {
	for after, says := range map[string]string{"7": "try again in 7 seconds", "0": "", "-5": "", "99999999": "",
		"Wed, 21 Oct 2999 07:28:00 GMT": "", "1e9": "", "7\u202e": ""} {
		c := dial(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", after)
			answer(w, 429, map[string]string{"code": "throttled", "message": "slow down"})
		})
		_, err := c.Platform(t.Context())
		if hint := rolebroker.AsError(err).Hint.String(); hint != says {
			t.Errorf("Retry-After: %s becomes %q, want %q", after, hint, says)
		}
	}
}

// slowDrip is a body that never ends, of a byte each second.
type slowDrip struct{ ctx context.Context }

func (d slowDrip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d slowDrip) Close() error { return nil }

type dripping struct{}

func (dripping) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: slowDrip{r.Context()}}, nil
}

func TestAnAnswerThatDripsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, client.Options{URL: "http://127.0.0.1", HTTPClient: &http.Client{Transport: dripping{}}})
		began := time.Now()
		_, err := c.Platform(t.Context())
		refused(t, err, rolebroker.CodeUnavailable, "did not answer in time")
		if took := time.Since(began); took != 2*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// transportFunc is a transport that a function is.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
