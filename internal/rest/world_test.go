package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/rest"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// world is the API over a real broker on SQLite, with a clock that the test advances.
type world struct {
	testing.TB
	handler http.Handler
	store   *store.Store
	broker  *broker.Broker
	now     time.Time

	admin, reader string // Authorization headers
	approver      string // of alice; asker makes the key
}

// noAWS is a platform without an AWS identity.
type noAWS struct{}

func (noAWS) Try(context.Context, rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return nil, errors.New("there is no AWS here")
}

func (noAWS) Identity(context.Context) (*rolebroker.Identity, error) {
	return nil, errors.New("there is no AWS here")
}

func newWorld(t testing.TB, change ...func(*broker.Options)) *world {
	t.Helper()
	ctx := context.Background()
	st, err := store.Open(ctx, store.Options{Database: storetest.SQLite(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, store: st, now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)}
	now := func() time.Time { return w.now }
	opts := broker.Options{Store: st, STS: noAWS{}, Lender: lend.New(lend.Options{Records: st, Now: now}), Now: now}
	for _, c := range change {
		c(&opts)
	}
	b := broker.New(opts)
	w.broker = b
	t.Cleanup(func() { st.Close() })
	w.handler = rest.New(rest.Options{
		Broker:   b,
		Auth:     &auth.Authenticator{Records: b, Now: now},
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)),
		Version:  "1.2.3",
		Features: []string{"something"},
		Now:      now,
	})
	w.admin = w.key(b, "admin", rolebroker.KeyAdmin)
	w.reader = w.key(b, "reader", rolebroker.KeyReadOnly)
	return w
}

// key makes an API key, as an Authorization header.
func (w *world) key(b *broker.Broker, name string, access rolebroker.KeyAccess) string {
	w.Helper()
	root := rolebroker.Caller{Name: "root", Access: rolebroker.KeyAdmin}
	_, secret, err := b.CreateAPIKey(context.Background(), root, broker.APIKeySpec{Name: name, Access: access})
	if err != nil {
		w.Fatal(err)
	}
	return "Bearer " + secret.Reveal()
}

// answer is the answer to a request.
type answer struct {
	t       testing.TB
	what    string
	Status  int
	Header  http.Header
	Body    string
	problem api.Problem // unless Status is a success
}

// as sends a request with an Authorization header. It checks the properties of every
// answer.
func (w *world) as(authorization, method, target, body string, headers ...string) *answer {
	w.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return ask(w, w.handler, r)
}

func ask(t testing.TB, handler http.Handler, r *http.Request) *answer {
	t.Helper()
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, r)
	a := &answer{t: t, what: r.Method + " " + r.URL.String(), Status: rec.Code, Header: rec.Header(),
		Body: rec.Body.String()}
	a.check()
	return a
}

// check checks the properties of every answer.
func (a *answer) check() {
	a.t.Helper()
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		a.t.Errorf("%s: the answer lacks headers: %v", a.what, a.Header)
	}
	if a.Status < 400 {
		return
	}
	if kind := a.Header.Get("Content-Type"); kind != api.ProblemType {
		a.t.Errorf("%s answers %d with %s: %s", a.what, a.Status, kind, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), &a.problem); err != nil {
		a.t.Fatalf("%s: the problem is not JSON: %v: %s", a.what, err, a.Body)
	}
	p := a.problem
	if p.Type != "about:blank" || p.Status != a.Status || p.Title != http.StatusText(a.Status) || p.Detail == "" ||
		p.Code == "" {
		a.t.Errorf("%s: the problem is incomplete: %s", a.what, a.Body)
	}
}

// want checks the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s answers %d, want %d: %s", a.what, a.Status, status, a.Body)
	}
	return a
}

// refused checks the status and code of a problem document, and that its texts have
// says in them.
func (a *answer) refused(status int, code rolebroker.Code, says string) *answer {
	a.t.Helper()
	a.want(status)
	if a.problem.Code != string(code) || !strings.Contains(a.Body, says) {
		a.t.Errorf("%s is refused as %s, want %s with %q in it", a.what, a.Body, code, says)
	}
	return a
}

// at checks that the problem document has a field with this name and pointer, and
// says in its message.
func (a *answer) at(field, pointer, says string) *answer {
	a.t.Helper()
	i := slices.IndexFunc(a.problem.Errors, func(e api.FieldError) bool {
		return e.Field == field &&
			e.Pointer == pointer
	})
	if i < 0 || !strings.Contains(a.problem.Errors[i].Message, says) {
		a.t.Errorf("%s does not say %q at %s (%s): %s", a.what, says, field, pointer, a.Body)
	}
	return a
}

// read decodes an answer with status 2xx.
func read[T any](a *answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.Body)
	}
	return v
}

// What most tests need.

const production = `{
	"name": "production", "description": "Production accounts", "default_role": "readonly",
	"roles": [
		{"name": "readonly", "arn": "arn:aws:iam::444455556666:role/ReadOnly", "region": "us-east-1"},
		{"name": "deployer", "arn": "arn:aws:iam::444455556666:role/team/Deployer", "region": "eu-west-1", "enabled": false, "session_duration": "90m"}]}`

func integrationJSON(name string) string {
	return `{"name": "` + name + `", "default_role": "r", "roles": [{"name": "r", "arn": "arn:aws:iam::444455556666:role/R", "region": "us-east-1"}]}`
}

func (w *world) createIntegration(name string) api.Integration {
	w.Helper()
	return read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations", integrationJSON(name)).want(201))
}

func (w *world) createAgent(body string) api.Agent {
	w.Helper()
	return read[api.Agent](w.as(w.admin, "POST", "/api/v1/agents", body).want(201))
}
