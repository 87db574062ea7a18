package containercreds_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// get sends a request to the endpoint of a testbed.
func get(t *testing.T, tb *testbed.Testbed, method, path, authorization string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, tb.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTheAnswerIsWhatEverySDKReads(t *testing.T) {
	tb := testbed.New(t, nil)
	for _, authorization := range []string{tb.Scout.Reveal(), "Bearer " + tb.Scout.Reveal(),
		"bearer " + tb.Scout.Reveal()} {
		resp, body := get(t, tb, "GET", "/v1/credentials", authorization)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" ||
			resp.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s %v: %s", resp.Status, resp.Header, body)
		}
		var document map[string]string
		if err := json.Unmarshal([]byte(body), &document); err != nil {
			t.Fatal(err)
		}
		for field, pattern := range map[string]string{
			"AccessKeyId": `^ASIA[A-Z2-7]{16}$`, "SecretAccessKey": `^.{40}$`, "Token": `^.{20,}$`,
			"Expiration": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`,
			"RoleArn":    `^arn:aws:iam::444455556666:role/ReadOnly$`, "AccountId": `^444455556666$`,
		} {
			if !regexp.MustCompile(pattern).MatchString(document[field]) {
				t.Errorf("%s is %q", field, document[field])
			}
		}
	}
}

func TestARoleIsNamedByItsPath(t *testing.T) {
	tb := testbed.New(t, nil)
	for path, want := range map[string]string{
		"/v1/credentials/deployer":                                            "role/Deployer",
		"/v1/credentials/production/deployer":                                 "role/Deployer",
		"/v1/credentials/production%2Fdeployer":                               "role/Deployer",
		"/v1/credentials/arn:aws:iam::444455556666:role/Deployer":             "role/Deployer",
		"/v1/credentials/arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2FDeployer": "role/Deployer",
		"/v1/credentials/deployer?task=nightly":                               "role/Deployer",
		"/v1/credentials?task=nightly":                                        "role/ReadOnly",
		"/v1/credentials/":                                                    "role/ReadOnly",
		"/v1/roles":                                                           `"reference":"readonly"`,
	} {
		resp, body := get(t, tb, "GET", path, tb.Scout.Reveal())
		if resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
}

func TestWhatIsRefusedSaysWhyInTheSDKsForm(t *testing.T) {
	tb := testbed.New(t, nil)
	for _, c := range []struct {
		method, path, authorization string
		status                      int
		says                        string
	}{
		{"GET", "/v1/credentials", "", 401, "an agent token is required"},
		{"GET", "/v1/credentials", "nonsense", 401, "is not known here"},
		{"GET", "/v1/credentials", "Bearer", 401, "is not known here"},
		{"GET", "/v1/credentials", tb.Scout.Reveal()[:40], 401, "is not known here"},
		{"GET", "/v1/credentials", tb.Scout.Reveal() + "x", 401, "is not known here"},
		{"GET", "/v1/credentials", strings.ToUpper(tb.Scout.Reveal()), 401, "is not known here"},
		{"GET", "/v1/credentials", tb.AdminKey.Reveal(), 403, "this is an API key"},
		{"GET", "/v1/roles", "", 401, "an agent token is required"},
		{"POST", "/v1/credentials", tb.Scout.Reveal(), 405, "only GET"},
		{"GET", "/v1/credentials/admin", tb.Scout.Reveal(), 404, "available are readonly (default), deployer"},
		{"GET", "/v1/credentials/off", tb.Scout.Reveal(), 403, "disabled"},
		{"GET", "/v1/credentials//readonly", tb.Scout.Reveal(), 404, "available are"},
		{"GET", "/v1/credentials/../credentials", tb.Scout.Reveal(), 404, "available are"},
		{"GET", "/v1/credentials?task=no%20good", tb.Scout.Reveal(), 400, "task"},
		{"GET", "/v1/credentials?role=nope", tb.Scout.Reveal(), 400, "it may have task and access"},
		{"GET", "/v1/credentials/deployer?acess=read-only", tb.Scout.Reveal(), 400, `"acess"`},
		{"GET", "/v1/credentials?access=read-only&access=full", tb.Scout.Reveal(), 400, `"access" twice`},
		{"GET", "/v1/credentials?access=read-only;x", tb.Scout.Reveal(), 400, "not valid"},
		{"GET", "/v1/other", tb.Scout.Reveal(), 404, "there is nothing at this path"},
	} {
		resp, body := get(t, tb, c.method, c.path, c.authorization)
		var refusal struct{ Code, Message string }
		if err := json.Unmarshal([]byte(body), &refusal); err != nil || refusal.Code == "" {
			t.Errorf("%s %s: the error is %q", c.method, c.path, body)
		}
		if resp.StatusCode != c.status || !strings.Contains(refusal.Message, c.says) ||
			resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %s %s, want %d and %q", c.method, c.path, resp.Status, body, c.status, c.says)
		}
	}
}

func TestATokenThatWasRevokedIsRefusedAtOnce(t *testing.T) {
	tb := testbed.New(t, nil)
	get(t, tb, "GET", "/v1/credentials", tb.Scout.Reveal())
	tokens, err := tb.Admin.Tokens(t.Context(), "scout", client.List{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tb.Admin.RevokeToken(t.Context(), "scout", tokens.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	resp, body := get(t, tb, "GET", "/v1/credentials", tb.Scout.Reveal())
	if resp.StatusCode != 401 || !strings.Contains(body, "revoked") {
		t.Errorf("%s %s", resp.Status, body)
	}
}
