package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/dextest"
	"github.com/rolebroker/rolebroker/internal/openid"
)

const (
	callback     = "https://example.com/sign-in/callback"
	clientSecret = "the-secret-of-the-client"
)

// company is a site whose people sign in through Dex.
type company struct {
	*site
	dex *dextest.Dex
}

// newCompany makes one with ada, an administrator; alan, who approves; and grace, who may do nothing.
func newCompany(t *testing.T) company {
	dex := dextest.Start(t, dextest.Client{ID: "rolebroker", Secret: clientSecret, RedirectURIs: []string{callback}})
	dex.Put("ada", dextest.Person{Name: "Ada Lovelace", Email: "ada@example.com", Groups: []string{"admins", "all"}})
	dex.Put("alan", dextest.Person{Name: "Alan Turing", Email: "alan@example.com", Groups: []string{"approvers"}})
	dex.Put("grace", dextest.Person{Name: "Grace Hopper", Email: "grace@example.com", Groups: []string{"all"}})
	return company{newSiteWith(t, true, openid.New(openid.Options{Issuer: dex.Issuer, ClientID: "rolebroker",
		ClientSecret: func() (rolebroker.Secret, error) { return rolebroker.NewSecret(clientSecret), nil },
		Redirect:     callback})), dex}
}

const home = "https://example.com"

// comesBack has a person who begins to sign in in the browser do so at Dex, and returns the address of the answer.
func (c company) comesBack(b *browser, name, next string) string {
	c.Helper()
	answer := b.get(home + "/sign-in/provider?" + url.Values{"next": {next}}.Encode())
	at := answer.Header().Get("Location")
	if answer.Code != http.StatusSeeOther || !strings.HasPrefix(at, c.dex.Issuer+"/auth?") {
		c.Fatalf("beginning answers %d and leads to %s: %s", answer.Code, at, answer.Body)
	}
	return c.dex.SignIn(at, name).String()
}

// person is a browser in which a person is signed in.
func (c company) person(name string) *browser {
	c.Helper()
	b := &browser{site: c.site}
	answer := b.get(c.comesBack(b, name, "/agents?search=x"))
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/agents?search=x" {
		c.Fatalf("coming back answers %d and leads to %s: %s", answer.Code, answer.Header().Get("Location"),
			answer.Body)
	}
	return b
}

// trail returns the audit events as text.
func (c company) trail() string {
	c.Helper()
	return c.as(c.admin).get(home + "/audit").Body.String()
}

func TestPeopleSignInThroughTheCompany(t *testing.T) {
	c := newCompany(t)
	page := (&browser{site: c.site}).get(home + "/agents").Body.String()
	if !strings.Contains(page, "Sign in with "+strings.TrimPrefix(c.dex.Issuer, "http://")) ||
		!strings.Contains(page, "Sign in with an API key") {
		t.Errorf("the page offers %s", page)
	}
	ada := c.person("ada")
	if !strings.Contains(ada.cookie, "__Host-rolebroker=rbs_") || strings.Contains(ada.cookie, "attempt") {
		t.Errorf("the browser keeps %q", ada.cookie)
	}
	if page := ada.get(home + "/").Body.String(); !strings.Contains(page, "ada@example.com") {
		t.Error("the page does not say who is signed in")
	}
	if answer := ada.post(home+"/agents/new", "name", "scout"); answer.Code != http.StatusSeeOther {
		t.Errorf("an administrator makes an agent: %d %s", answer.Code, answer.Body)
	}
	alan := c.person("alan")
	if answer := alan.post(home+"/agents/new", "name", "other"); answer.Code != http.StatusForbidden ||
		!strings.Contains(answer.Body.String(),
			"alan@example.com is signed in as an approver and may not change anything") {
		t.Errorf("an approver makes an agent: %d", answer.Code)
	}
	settings := alan.get(home + "/settings").Body.String()
	for _, want := range []string{"ada@example.com", "Ada Lovelace", "alan@example.com", "approver"} {
		if !strings.Contains(settings, want) {
			t.Errorf("the settings lack %q", want)
		}
	}
	trail := c.trail()
	for _, want := range []string{"ada@example.com", "alan@example.com", "Signed in", "usr_"} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail lacks %q", want)
		}
	}
	if answer := ada.post(home + "/sign-out"); answer.Code != http.StatusSeeOther {
		t.Errorf("signing out answers %d", answer.Code)
	}
	if answer := ada.get(home + "/agents"); answer.Code != http.StatusUnauthorized {
		t.Errorf("signed out, the answer is %d", answer.Code)
	}
}

// A person in no group that gives access learns so, and is in the trail.
func TestWhoIsInNoGroupDoesNotGetIn(t *testing.T) {
	c := newCompany(t)
	b := &browser{site: c.site}
	answer := b.get(c.comesBack(b, "grace", "/"))
	page := answer.Body.String()
	if answer.Code != http.StatusForbidden || !strings.Contains(page, "is in no group that gives access") ||
		!strings.Contains(page, "--oidc-admin-groups") || strings.Contains(b.cookie, "rbs_") {
		t.Errorf("it answers %d: %s", answer.Code, page)
	}
	if trail := c.trail(); !strings.Contains(trail, "grace@example.com") ||
		!strings.Contains(trail, "Sign in through the identity provider") {
		t.Error("the trail has no refusal")
	}
}

// Only the browser that began gets in, once, and only with what the provider answered to it.
func TestAnAnswerOfTheProviderIsForOneBrowserOnce(t *testing.T) {
	c := newCompany(t)
	b := &browser{site: c.site}
	at := c.comesBack(b, "ada", "/")
	begun := b.cookie
	set := func(name, value string) string {
		u, _ := url.Parse(at)
		query := u.Query()
		query.Set(name, value)
		u.RawQuery = query.Encode()
		return u.String()
	}
	other := &browser{site: c.site}
	c.comesBack(other, "ada", "/")
	for name, try := range map[string]struct{ cookie, at string }{
		"a browser that began nothing": {"", at},
		"another browser":              {other.cookie, at},
		"another state":                {begun, set("state", "x")},
		"no state":                     {begun, set("state", "")},
		"an invented code":             {begun, set("code", "x")},
		"another issuer":               {begun, set("iss", "https://evil.example.com")},
		"a forged cookie":              {"__Host-rolebroker-attempt=.Lw", set("state", openid.Attempt{}.State())},
	} {
		stranger := &browser{site: c.site, cookie: try.cookie}
		answer := stranger.get(try.at)
		if answer.Code != http.StatusUnauthorized || strings.Contains(stranger.cookie, "rbs_") {
			t.Errorf("%s: %d, %q", name, answer.Code, stranger.cookie)
		}
	}
	if answer := b.get(at); answer.Code != http.StatusSeeOther || !strings.Contains(b.cookie, "rbs_") {
		t.Fatalf("the right browser: %d %s", answer.Code, answer.Body)
	}
	if answer := b.get(at); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/" {
		t.Errorf("reloaded, it answers %d", answer.Code)
	}
	replay := &browser{site: c.site, cookie: begun}
	if answer := replay.get(at); answer.Code != http.StatusUnauthorized || strings.Contains(replay.cookie, "rbs_") ||
		!strings.Contains(answer.Body.String(), "used already") {
		t.Errorf("a replayed code: %d, %q", answer.Code, replay.cookie)
	}
}

func TestSigningInLeadsToThisSiteOnly(t *testing.T) {
	c := newCompany(t)
	for _, next := range []string{"https://evil.example.com/", "//evil.example.com", "/\\evil.example.com",
		"/sign-in/provider", "javascript:alert(1)"} {
		b := &browser{site: c.site}
		if answer := b.get(c.comesBack(b, "ada", next)); answer.Header().Get("Location") != "/" {
			t.Errorf("%s leads to %s", next, answer.Header().Get("Location"))
		}
	}
	// The browser begins where the provider sends it back to, whatever name it used.
	b := &browser{site: c.site}
	answer := b.get("https://other.example.com/sign-in/provider?next=/agents")
	if to := answer.Header().Get("Location"); to != home+"/sign-in/provider?from=elsewhere&next=%2Fagents" ||
		b.cookie != "" {
		t.Errorf("at another name it leads to %s", to)
	}
}

// Who left the company, and whose groups changed, loses access within an hour; sooner if the provider says so.
func TestAccessFollowsTheGroups(t *testing.T) {
	c := newCompany(t)
	ada := c.person("ada")
	status := func() int { return ada.get(home + "/agents/new").Code }
	may := func() bool { return strings.Contains(ada.get(home+"/agents").Body.String(), "/agents/new") }

	c.dex.Put("ada", dextest.Person{Email: "ada@example.com", Groups: []string{"readers"}})
	if !may() {
		t.Error("the provider is asked at once")
	}
	c.now = c.now.Add(10 * time.Minute)
	if status() != http.StatusOK || may() {
		t.Error("an administrator who became a reader still writes")
	}
	if trail := c.trail(); !strings.Contains(trail, "the identity provider") {
		t.Error("the trail does not say that the access changed")
	}

	// While the provider is down, its last answer counts for an hour.
	c.dex.Stop()
	c.now = c.now.Add(59 * time.Minute)
	if status() != http.StatusOK {
		t.Error("a provider that is down signs people out")
	}
	c.now = c.now.Add(time.Minute)
	answer := ada.get(home + "/agents")
	if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "cannot be asked") {
		t.Errorf("after an hour it answers %d", answer.Code)
	}
	if key := c.as(c.admin).get(home + "/agents"); key.Code != http.StatusOK {
		t.Errorf("the admin key answers %d meanwhile", key.Code)
	}
	c.dex.Resume() // it has forgotten the sign-in
	c.now = c.now.Add(time.Minute)
	if code := status(); code != http.StatusUnauthorized {
		t.Errorf("the provider ended the sign-in, and the answer is %d", code)
	}
	if trail := c.trail(); !strings.Contains(trail, "Ended a sign-in") {
		t.Error("the trail does not say that the sign-in ended")
	}

	ada = c.person("ada")
	c.dex.Delete("ada")
	c.now = c.now.Add(time.Hour)
	if code := status(); code == http.StatusOK {
		t.Error("who left the company has access after an hour")
	}

	c.dex.Put("alan", dextest.Person{Email: "alan@example.com", Groups: []string{"approvers"}})
	alan := c.person("alan")
	c.dex.Put("alan", dextest.Person{Email: "alan@example.com"})
	c.now = c.now.Add(10 * time.Minute)
	if answer := alan.get(home + "/agents"); answer.Code != http.StatusForbidden ||
		!strings.Contains(answer.Body.String(), "is in no group that gives access") {
		t.Errorf("without groups it answers %d", answer.Code)
	}
	if answer := alan.get(home + "/agents"); answer.Code != http.StatusUnauthorized {
		t.Errorf("and then %d", answer.Code)
	}
}

// What is wrong with the settings is on the page and in the log, and a provider that is down says so. An API key works.
func TestTroubleWithTheProviderIsOnThePage(t *testing.T) {
	c := newCompany(t)
	begin := func() (int, string) {
		answer := (&browser{site: c.site}).get(home + "/sign-in/provider")
		return answer.Code, answer.Body.String()
	}
	c.dex.Stop()
	if code, page := begin(); code != http.StatusServiceUnavailable || !strings.Contains(page, "does not answer") ||
		!strings.Contains(page, "Sign in with an API key") {
		t.Errorf("down, it answers %d: %s", code, page)
	}
	c.dex.Resume()
	if code, _ := begin(); code != http.StatusSeeOther {
		t.Errorf("up again, it answers %d", code)
	}
	b := &browser{site: c.site}
	begun := b.get(home + "/sign-in/provider").Header().Get("Location")
	u, _ := url.Parse(begun)
	state := url.QueryEscape(u.Query().Get("state"))
	for code, says := range map[string]string{"access_denied": "did not let you in",
		"server_error":        "could not sign you in",
		"unauthorized_client": "--oidc-client-id", "<script>": "could not sign you in"} {
		answer := (&browser{site: c.site, cookie: b.cookie}).get(callback + "?state=" + state + "&error=" +
			url.QueryEscape(code))
		if page := answer.Body.String(); answer.Code < 400 || !strings.Contains(page, says) ||
			strings.Contains(page, clientSecret) || strings.Contains(page, "<script>") {
			t.Errorf("%s: %d %s", code, answer.Code, page)
		}
	}
	if strings.Contains(c.log.String(), clientSecret) {
		t.Error("the log has the secret of the client")
	}
}

// The owner of an agent is a person, who may not approve its requests; an API key of nobody's owns nothing.
func TestAPersonOwnsAgents(t *testing.T) {
	c := newCompany(t)
	ada := c.person("ada")
	to := ada.post(home+"/agents/new", "name", "scout").Header().Get("Location")
	path, _, _ := strings.Cut(to, "?")
	page := ada.get(home + path).Body.String()
	if !strings.Contains(page, "owned by ada@example.com, who may not approve its requests") {
		t.Errorf("%s does not say who owns it: %s", path, page)
	}
	// A key that she makes is hers.
	if answer := ada.post(home+"/settings/keys", "name", "hers", "access",
		"approver"); answer.Code != http.StatusSeeOther {
		t.Fatalf("making a key answers %d: %s", answer.Code, answer.Body)
	}
	if page := ada.get(home + "/settings").Body.String(); !strings.Contains(page, "of ada@example.com") {
		t.Error("the settings do not say whose the key is")
	}
}

// The first admin key opens everything, and its use is in the trail once an hour from an address.
func TestTheFirstAdminKeyLeavesTraces(t *testing.T) {
	c := newCompany(t)
	key, err := c.broker.BootstrapAdmin(t.Context(),
		rolebroker.NewSecret("rbk_bootstrap_"+strings.Repeat("ab2cd3ef4gh5i", 4)))
	if err != nil {
		t.Fatal(err, key)
	}
	secret := "rbk_bootstrap_" + strings.Repeat("ab2cd3ef4gh5i", 4)
	count := func(want int) {
		t.Helper()
		events, err := c.broker.AuditEvents(t.Context(), root, rolebroker.AuditFilter{Action: "api-key.use"},
			rolebroker.Page{Limit: 10})
		if err != nil || len(events) != want {
			t.Errorf("the trail has %d events, want %d: %v", len(events), want, err)
		}
	}
	use := func(from string) {
		t.Helper()
		if _, err := c.options.Auth.APIKey(t.Context(), "Bearer "+secret, from); err != nil {
			t.Fatal(err)
		}
	}
	use("192.0.2.1:1")
	use("192.0.2.1:2")
	count(1)
	use("192.0.2.2:1")
	count(2)
	c.now = c.now.Add(time.Hour)
	use("192.0.2.1:3")
	count(3)
	used, err := c.broker.APIKey(t.Context(), auth.BootstrapKey)
	if err != nil || !used.UsedAt.Equal(c.now.Truncate(time.Minute)) {
		t.Errorf("it was used at %s: %v", used.UsedAt, err)
	}
}
