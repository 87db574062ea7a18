package containercreds_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/containercreds"
)

// forwarder lends what another server lends, as rolebroker exec does.
type forwarder struct{ server *client.Client }

func (f forwarder) Lend(ctx context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	_, err := f.server.Borrow(ctx, req)
	return nil, err
}

func (f forwarder) Offers(ctx context.Context, _ rolebroker.Caller) ([]rolebroker.Offer, error) {
	return f.server.Roles(ctx)
}

// A newer server may answer with a code that an older rolebroker exec does not
// know. Its clients still get the code, the message, the hint and the status.
func TestACodeFromANewerServerReachesTheClient(t *testing.T) {
	for _, c := range []struct {
		says         string
		status, want int
	}{
		{"application/json", http.StatusForbidden, http.StatusForbidden},
		{"application/json", http.StatusTooManyRequests, http.StatusTooManyRequests},
		{"application/json", http.StatusBadGateway, http.StatusBadGateway},
		{"application/problem+json", http.StatusLocked, http.StatusLocked},
	} {
		newer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.says)
			w.WriteHeader(c.status)
			message := map[string]string{"application/json": "message", "application/problem+json": "detail"}[c.says]
			_ = json.NewEncoder(w).Encode(map[string]string{"code": "brand_new",
				message: "a rule of tomorrow forbids it", "hint": "ask tomorrow"})
		}))
		defer newer.Close()
		server, err := client.New(client.Options{URL: newer.URL, Token: rolebroker.NewSecret("t")})
		if err != nil {
			t.Fatal(err)
		}
		older := httptest.NewServer(containercreds.New(containercreds.Options{Lender: forwarder{server},
			Identify: func(context.Context, string, string) (rolebroker.Caller, error) {
				return rolebroker.Caller{}, nil
			}}))
		defer older.Close()
		for _, path := range []string{"/v1/credentials", "/v1/roles"} {
			resp, err := http.Get(older.URL + path)
			if err != nil {
				t.Errorf("%s, %s %d: %s", path, c.says, c.status, err)
				continue
			}
			defer resp.Body.Close()
			var refusal struct{ Code, Message, Hint string }
			if err := json.NewDecoder(resp.Body).Decode(&refusal); err != nil || refusal.Code != "brand_new" ||
				refusal.Message != "a rule of tomorrow forbids it" || refusal.Hint != "ask tomorrow" {
				t.Errorf("%s, %s %d: the error is %+v (%v)", path, c.says, c.status, refusal, err)
			}
			if resp.StatusCode != c.want {
				t.Errorf("%s, %s %d: the status is %d, want %d", path, c.says, c.status, resp.StatusCode, c.want)
			}
		}
	}
}

// fails is a lender that fails.
type fails struct{ err error }

func (f fails) Lend(context.Context, rolebroker.Caller, rolebroker.Request) (*rolebroker.Loan, error) {
	return nil, f.err
}
func (f fails) Offers(context.Context, rolebroker.Caller) ([]rolebroker.Offer, error) {
	return nil, f.err
}

// An unknown code that no server sent is a mistake in this program.
func TestAnUnknownCodeIsAnInternalError(t *testing.T) {
	endpoint := containercreds.New(containercreds.Options{Lender: fails{rolebroker.Errorf("brand_new", "what is this")},
		Identify: func(context.Context, string, string) (rolebroker.Caller, error) { return rolebroker.Caller{}, nil }})
	answer := httptest.NewRecorder()
	endpoint.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/credentials", nil))
	if answer.Code != http.StatusInternalServerError {
		t.Errorf("the status is %d: %s", answer.Code, answer.Body)
	}
}

// lends is a lender of one loan.
type lends struct {
	fails
	loan *rolebroker.Loan
}

func (l lends) Lend(context.Context, rolebroker.Caller, rolebroker.Request) (*rolebroker.Loan, error) {
	return l.loan, nil
}

// Whatever lends, nothing expired is handed out, to the second.
func TestNothingExpiredIsHandedOut(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]int{
		time.Second: http.StatusOK, 0: http.StatusServiceUnavailable, -time.Hour: http.StatusServiceUnavailable,
	} {
		loan := &rolebroker.Loan{Credentials: rolebroker.Credentials{AccessKeyID: "ASIAEXPIRED",
			Expires: now.Add(left)}}
		endpoint := containercreds.New(containercreds.Options{Lender: lends{loan: loan},
			Now: func() time.Time { return now },
			Identify: func(context.Context, string, string) (rolebroker.Caller, error) {
				return rolebroker.Caller{}, nil
			}})
		answer := httptest.NewRecorder()
		endpoint.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/credentials", nil))
		if answer.Code != want || strings.Contains(answer.Body.String(), "ASIAEXPIRED") != (want == http.StatusOK) {
			t.Errorf("with %s left the answer is %d: %s", left, answer.Code, answer.Body)
		}
	}
}
