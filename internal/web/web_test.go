package web_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/openid"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/web"
)

// site is the web app with a real broker and store on the simulated AWS, without
// sockets, with a clock.
type site struct {
	testing.TB
	options web.Options
	handler http.Handler
	broker  *broker.Broker
	aws     *awssim.AWS
	store   *store.Store
	admin   string // API keys
	reader  string
	now     time.Time
	log     bytes.Buffer // of the web app
}

var root = rolebroker.Caller{APIKey: "key_root", Name: "root", Access: rolebroker.KeyAdmin}

func newSite(t testing.TB, secure bool) *site { return newSiteWith(t, secure, nil) }

// newSiteWith makes a site where people sign in through an identity provider; nil: there is none. Members of admins,
// approvers and readers have that access.
func newSiteWith(t testing.TB, secure bool, provider *openid.Provider) *site {
	t.Helper()
	s := &site{TB: t, now: time.Now(), aws: awssim.New(awssim.Options{})}
	operator := s.aws.Account("111122223333").CreateUser("rolebroker", awssim.AllowAll)
	var err error
	if s.store, err = store.Open(context.Background(), store.Options{Database: storetest.SQLite(t)}); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return s.now }
	administration := broker.Options{Store: s.store, Lender: lend.New(lend.Options{Records: s.store, Now: now}),
		Now: now, STS: sts.New(sts.Options{Endpoint: "http://sts.simulated", HTTPClient: s.aws.HTTPClient(),
			Credentials: credentials.NewStaticCredentialsProvider(operator.Key.AccessKeyID,
				operator.Key.SecretAccessKey, "")}),
		Groups: rolebroker.GroupAccess{Admin: []string{"admins"}, Approver: []string{"approvers"},
			Reader: []string{"readers"}}}
	if provider != nil {
		administration.Provider = provider
	}
	s.broker = broker.New(administration)
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.options = web.Options{Broker: s.broker, Version: "1.2.3",
		Auth:   &auth.Authenticator{Records: s.broker, Now: now, Failures: guard.NewFailures(now, nil)},
		Secure: secure, Now: now,
		Log: slog.New(slog.NewTextHandler(&s.log, nil))}
	if provider != nil {
		s.options.Provider, s.options.Callback = provider, provider.Redirect
	}
	s.handler = web.New(s.options)
	s.admin, s.reader = s.key("admin", rolebroker.KeyAdmin), s.key("reader", rolebroker.KeyReadOnly)
	return s
}

func (s *site) key(name string, access rolebroker.KeyAccess) string {
	s.Helper()
	_, secret, err := s.broker.CreateAPIKey(context.Background(), root, broker.APIKeySpec{Name: name, Access: access})
	if err != nil {
		s.Fatal(err)
	}
	return secret.Reveal()
}

// browser keeps a cookie, as a browser does.
type browser struct {
	*site
	cookie string
}

// as makes a browser that is signed in with a key.
func (s *site) as(key string) *browser {
	s.Helper()
	b := &browser{site: s}
	answer := b.post("/sign-in", "key", key)
	if answer.Code != http.StatusSeeOther {
		s.Fatalf("signing in answers %d: %s", answer.Code, answer.Body)
	}
	return b
}

func (b *browser) do(method, target, body string, headers map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, cookie := range w.Result().Cookies() {
		b.keep(cookie)
	}
	return w
}

// keep keeps a cookie beside those with other names, or removes it. It ignores paths.
func (b *browser) keep(cookie *http.Cookie) {
	kept, err := http.ParseCookie(b.cookie)
	if b.cookie != "" && err != nil {
		b.Fatal(err)
	}
	var all []string
	for _, c := range kept {
		if c.Name != cookie.Name {
			all = append(all, c.Name+"="+c.Value)
		}
	}
	if cookie.MaxAge >= 0 {
		all = append(all, cookie.Name+"="+cookie.Value)
	}
	b.cookie = strings.Join(all, "; ")
}

func (b *browser) get(target string) *httptest.ResponseRecorder {
	return b.do(http.MethodGet, target, "", nil)
}

func (b *browser) post(target string, pairs ...string) *httptest.ResponseRecorder {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, target, values.Encode(), nil)
}

// begin reserves the external ID of a new integration.
func (b *browser) begin() string {
	b.Helper()
	to, err := url.Parse(b.post("/integrations/new").Header().Get("Location"))
	if err != nil || to.Query().Get("external_id") == "" {
		b.Fatalf("there is no external ID in %s", to)
	}
	return to.Query().Get("external_id")
}

const roleARN = "arn:aws:iam::444455556666:role/ReadOnly"

// saves sends the form of an integration with one enabled role, which is the
// default, and further fields as pairs of name and value.
func (b *browser) saves(target string, pairs ...string) *httptest.ResponseRecorder {
	return b.post(target, append(pairs, "rows", "1", "default", "0", "role.0.name", "readonly", "role.0.arn", roleARN,
		"role.0.region", "us-east-1", "role.0.enabled", "on", "action", "save")...)
}

// create makes an integration with one role, by its form.
func (b *browser) create(name string) string {
	b.Helper()
	answer := b.saves("/integrations/new/aws", "name", name, "mode", "platform", "external_id", b.begin())
	if answer.Code != http.StatusSeeOther {
		b.Fatalf("creating answers %d: %s", answer.Code, answer.Body)
	}
	path, _, _ := strings.Cut(answer.Header().Get("Location"), "?")
	return path
}

func TestNothingIsShownWithoutSigningIn(t *testing.T) {
	s := newSite(t, true)
	path := s.as(s.admin).create("production")
	stranger := &browser{site: s}
	for _, target := range []string{"/", "/integrations", "/integrations/new", "/integrations/new/aws?external_id=x",
		path, path + "/delete", path + "/agents", path + "/edit",
		"/agents", "/agents/new", "/agents/scout", "/agents/scout/connections", "/agents/scout/tokens",
		"/agents/scout/edit", "/sessions", "/sessions/x", "/sessions/x/calls",
		"/sessions/x/activity", "/roles/x", "/roles/x/activity", "/audit",
		"/approval-rules/new", "/approval-rules/x", "/approval-rules/x/activity", "/approval-rules/x/edit",
		"/runners", "/runners/new",
		"/runners/eks", "/runners/eks/accounts", "/runners/eks/activity", "/runners/eks/edit", "/runners/eks/delete",
		"/settings"} {
		if answer := stranger.get(target); answer.Code != http.StatusUnauthorized ||
			strings.Contains(answer.Body.String(), "production<") {
			t.Errorf("GET %s answers %d: %s", target, answer.Code, answer.Body)
		}
	}
	for _, target := range []string{"/integrations/new", "/integrations/new/aws", "/integrations/validate",
		"/integrations/setup", path + "/edit", path + "/roles", path + "/delete", path + "/connect",
		"/agents/new", "/agents/scout", "/agents/scout/disable", "/agents/scout/tokens", "/agents/scout/delete",
		"/agents/scout/bindings",
		"/agents/scout/bindings/x/delete", "/runners/new", "/runners/eks", "/runners/eks/believe",
		"/runners/eks/join-token", "/runners/eks/delete", "/settings/keys", "/settings/keys/x/delete", "/times",
		"/approval-rules/new", "/approval-rules/x/edit", "/approval-rules/x/enable", "/approval-rules/x/disable",
		"/sign-out"} {
		if answer := stranger.post(target); answer.Code != http.StatusUnauthorized {
			t.Errorf("POST %s answers %d", target, answer.Code)
		}
	}
	if answer := stranger.get("/no/such/page"); answer.Code != http.StatusNotFound {
		t.Errorf("a page that is not there answers %d", answer.Code)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	for name, headers := range map[string]map[string]string{
		"by another site":             {"Sec-Fetch-Site": "cross-site"},
		"by a sibling":                {"Sec-Fetch-Site": "same-site"},
		"by an older browser":         {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
		"by a page without an origin": {"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		for _, target := range []string{path + "/delete", "/integrations/new", "/sign-in", "/sign-out",
			"/settings/keys"} {
			if answer := b.do(http.MethodPost, target, "", headers); answer.Code != http.StatusForbidden {
				t.Errorf("%s, %s is answered with %d", name, target, answer.Code)
			}
		}
	}
	if answer := b.get(path); answer.Code != http.StatusOK {
		t.Errorf("the integration is gone: %d", answer.Code)
	}
}

// A browser opens links of other sites with the cookie of a person who is signed in.
func TestOpeningAPageChangesNothing(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	b.post("/agents/new", "name", "scout")
	b.post("/runners/new", "name", "eks")
	for _, target := range []string{"/sign-out", "/integrations/validate", "/integrations/setup", "/settings/keys",
		path + "/connect?agent=scout", path + "/disable", "/agents/scout/disable",
		"/agents/scout/connect?integration=production", "/agents/scout/bindings",
		"/runners/eks/believe", "/sessions/ses_x/end"} {
		if answer := b.get(target); answer.Code != http.StatusNotFound {
			t.Errorf("opening %s answers %d", target, answer.Code)
		}
	}
	for _, target := range []string{path, "/agents/scout", "/runners/eks"} {
		b.get(target + "/delete")
		if answer := b.get(target); answer.Code != http.StatusOK {
			t.Errorf("opening the page that asks leaves no %s: %d", target, answer.Code)
		}
	}
}

func TestThePolicyOfPages(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newSite(t, secure)
		exact := regexp.MustCompile(`/static/style\.css\?v=[0-9a-f]+`).
			FindString((&browser{site: s}).get("/sign-in").Body.String())
		for _, target := range []string{"/sign-in", "/integrations", "/nowhere", "/static/style.css", exact} {
			h := (&browser{site: s}).get(target).Header()
			csp := h.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") ||
				strings.Contains(csp, "unsafe") || h.Get("X-Frame-Options") != "DENY" ||
				h.Get("X-Content-Type-Options") != "nosniff" || (h.Get("Strict-Transport-Security") != "") != secure {
				t.Errorf("%s comes with %v", target, h)
			}
			// by another address it may be another version's
			if kept := !strings.Contains(h.Get("Cache-Control"), "no-store"); kept != (target == exact) {
				t.Errorf("%s comes with Cache-Control: %s", target, h.Get("Cache-Control"))
			}
		}
	}
}

func TestTheCookie(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newSite(t, secure)
		b := &browser{site: s}
		at := map[bool]string{true: "rolebroker.example.com", false: s.ownName(s.admin)}[secure]
		cookies := b.post("http://"+at+"/sign-in", "key", s.admin).Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("there are %d cookies", len(cookies))
		}
		c := cookies[0]
		if !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" ||
			strings.HasPrefix(c.Name, "__Host-") != secure || c.Expires.Sub(s.now) > 8*time.Hour+time.Second {
			t.Errorf("the cookie is %+v", c)
		}
		if strings.Contains(c.Value, s.admin) {
			t.Error("the cookie is the API key")
		}
	}
}

func TestASignInEnds(t *testing.T) {
	for name, end := range map[string]func(*site, *browser){
		"by signing out": func(_ *site, b *browser) {
			old := b.cookie
			b.post("/sign-out")
			b.cookie = old // a cookie that was copied before
		},
		"by itself":        func(s *site, _ *browser) { s.now = s.now.Add(8*time.Hour + time.Second) },
		"with the API key": func(s *site, _ *browser) { s.deleteKey("other") },
		"by signing in as another": func(s *site, b *browser) {
			old := b.cookie
			b.post("/sign-in", "key", s.admin)
			b.cookie = old
		},
		"when somebody changes it": func(_ *site, b *browser) { b.cookie = b.cookie[:len(b.cookie)-1] + "!" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, true)
			b := s.as(s.key("other", rolebroker.KeyAdmin))
			if answer := b.get("/integrations"); answer.Code != http.StatusOK {
				t.Fatalf("signed in, the answer is %d", answer.Code)
			}
			end(s, b)
			if answer := b.get("/integrations"); answer.Code != http.StatusUnauthorized {
				t.Errorf("afterwards the answer is %d", answer.Code)
			}
		})
	}
}

func (s *site) deleteKey(name string) {
	s.Helper()
	keys, err := s.broker.APIKeys(context.Background(), root, rolebroker.Page{Limit: 100})
	if err != nil {
		s.Fatal(err)
	}
	for _, key := range keys {
		if key.Name == name {
			if err := s.broker.DeleteAPIKey(context.Background(), root, key.ID); err != nil {
				s.Fatal(err)
			}
		}
	}
}

func TestSigningInIsRefused(t *testing.T) {
	s := newSite(t, true)
	b := &browser{site: s}
	for _, key := range []string{"", "nonsense", "rbt_x_" + strings.Repeat("a", 52), s.admin + "x", "rbs_x_" +
		strings.Repeat("a", 52)} {
		answer := b.post("/sign-in", "key", key)
		if answer.Code == http.StatusSeeOther || len(answer.Result().Cookies()) != 0 || key != "" &&
			strings.Contains(answer.Body.String(), key) {
			t.Errorf("%.8s answers %d: %s", key, answer.Code, answer.Body)
		}
	}
	for range 40 {
		b.post("/sign-in", "key", "nonsense")
	}
	if answer := b.post("/sign-in", "key", "nonsense"); answer.Code != http.StatusTooManyRequests ||
		answer.Header().Get("Retry-After") == "" {
		t.Errorf("after many tries the answer is %d with %v", answer.Code, answer.Header())
	}
	if answer := (&browser{site: s}).post("/sign-in", "key", s.admin); answer.Code != http.StatusSeeOther {
		t.Errorf("after the mistakes of others, who has a key is answered with %d", answer.Code)
	}
	s.now = s.now.Add(time.Minute)
	if answer := b.post("/sign-in", "key", "nonsense"); answer.Code != http.StatusUnauthorized {
		t.Errorf("a minute later the answer is %d", answer.Code)
	}
}

func TestTooManyFailuresKeepNobodyElseOut(t *testing.T) {
	s := newSite(t, true)
	from := func(address, forwarded string) int {
		r := httptest.NewRequest(http.MethodPost, "/sign-in", strings.NewReader("key=nonsense"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", forwarded)
		r.RemoteAddr = net.JoinHostPort(address, "1234")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w.Code
	}
	for range 40 {
		from("192.0.2.1", "192.0.2.1")
		from("2001:db8::1", "")
	}
	for address, want := range map[string]int{
		"192.0.2.1":     http.StatusTooManyRequests, // the server ignores a header that anybody can send
		"192.0.2.7":     http.StatusUnauthorized,
		"2001:db8::2:1": http.StatusTooManyRequests, // who has one address has its whole /64
		"2001:db8:1::1": http.StatusUnauthorized,
	} {
		if code := from(address, "192.0.2.9"); code != want {
			t.Errorf("%s is answered with %d, want %d", address, code, want)
		}
	}
}

func TestALinkWorksOnce(t *testing.T) {
	s := newSite(t, true)
	keys, err := s.broker.APIKeys(t.Context(), root, rolebroker.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	link := func() string {
		t.Helper()
		secret, err := s.broker.SignInLink(t.Context(),
			rolebroker.Caller{APIKey: keys[0].ID, Name: keys[0].Name, Access: keys[0].Access})
		if err != nil {
			t.Fatal(err)
		}
		return secret.Reveal()
	}
	one := link()
	first, second := &browser{site: s}, &browser{site: s}
	for range 2 { // a mail program looks at links too
		if answer := first.get("/sign-in?link=" + one); answer.Code != http.StatusOK || first.cookie != "" {
			t.Errorf("looking at the link answers %d, and signs in with %q", answer.Code, first.cookie)
		}
	}
	if answer := first.post("/sign-in", "link", one); answer.Code != http.StatusSeeOther ||
		first.get("/integrations").Code != http.StatusOK {
		t.Errorf("the link answers %d", answer.Code)
	}
	if answer := second.post("/sign-in", "link", one); answer.Code != http.StatusUnauthorized || second.cookie != "" {
		t.Errorf("the second time it answers %d", answer.Code)
	}
	thief := &browser{site: s, cookie: "rolebroker=" + link()}
	if answer := thief.get("/integrations"); answer.Code != http.StatusUnauthorized {
		t.Errorf("as a cookie a link answers %d", answer.Code)
	}
	_, value, _ := strings.Cut(first.cookie, "=")
	if answer := second.post("/sign-in", "link", value); answer.Code != http.StatusUnauthorized {
		t.Errorf("as a link a cookie answers %d", answer.Code)
	}
	old := link()
	s.now = s.now.Add(time.Hour + time.Second)
	if answer := second.post("/sign-in", "link", old); answer.Code != http.StatusUnauthorized {
		t.Errorf("an old link answers %d", answer.Code)
	}
}

func TestSigningInLeadsToThisSite(t *testing.T) {
	s := newSite(t, true)
	for next, want := range map[string]string{
		"/agents?search=x": "/agents?search=x", "": "/", "//evil.example": "/",
		"https://evil.example": "/",
		`/\evil.example`:       "/", "javascript:alert(1)": "/", "agents": "/",
		"/sign-in?x": "/", "/%0d%0aSet-Cookie:x": "/%0d%0aSet-Cookie:x",
	} {
		b := &browser{site: s}
		if got := b.post("/sign-in", "key", s.admin, "next", next).Header().Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
		s.now = s.now.Add(time.Minute)
	}
}

func TestReadersChangeNothing(t *testing.T) {
	s := newSite(t, true)
	path := s.as(s.admin).create("production")
	reader := s.as(s.reader)
	for _, page := range []string{path, path + "/agents"} { // without forms but those for signing out and searching
		answer := reader.get(page)
		body := strings.ReplaceAll(answer.Body.String(), `<form method="post" action="/sign-out">`, "")
		if answer.Code != http.StatusOK || strings.Contains(body, "<form method=\"post\"") ||
			strings.Contains(body, "/edit") {
			t.Errorf("%s answers a reader with %d: %s", page, answer.Code, body)
		}
	}
	if answer := reader.get(path + "/edit"); answer.Header().Get("Location") != path {
		t.Errorf("the form answers a reader with %d", answer.Code)
	}
	for _, target := range []string{"/integrations/new", path + "/delete", path + "/connect",
		"/integrations/validate?id=" + strings.TrimPrefix(path, "/integrations/"), "/settings/keys", "/agents/new"} {
		if answer := reader.post(target, "agent", "scout", "name", "scout", "access", "admin", "rows",
			"0"); answer.Code != http.StatusForbidden {
			t.Errorf("POST %s answers %d to a reader: %s", target, answer.Code, answer.Body)
		}
	}
	answer := reader.saves(path+"/edit", "name", "mine", "version", "1")
	if answer.Code != http.StatusForbidden {
		t.Errorf("saving answers %d to a reader", answer.Code)
	}
}

// Input appears as text on pages, never as HTML.
func TestInputIsInert(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}` + "\u202e"
	external := b.begin()
	answers := map[string]*httptest.ResponseRecorder{
		"the form": b.post("/integrations/new/aws", "name", hostile, "description", hostile, "mode", hostile,
			"external_id", external, "rows", "1", "default", hostile,
			"role.0.name", hostile, "role.0.arn", hostile, "role.0.region", hostile, "role.0.duration", hostile,
			"action", "save"),
		"validating": b.post("/integrations/new/aws", "name", hostile, "mode", "platform", "external_id",
			external, "rows", "1",
			"role.0.name", hostile, "role.0.arn", "arn:aws:iam::444455556666:role"+`/"><script>/x`, "role.0.region",
			hostile, "action", "validate"),
		"a search":                         b.get("/integrations?search=" + url.QueryEscape(hostile)),
		"signing in":                       b.get("/sign-in?next=" + url.QueryEscape("/"+hostile)),
		"an agent":                         b.post("/agents/new", "name", hostile, "description", hostile),
		"an agent that is not there":       b.get("/agents/" + url.PathEscape(hostile)),
		"an integration that is not there": b.get("/integrations/" + url.PathEscape(hostile)),
		"sessions": b.get("/sessions?agent=" + url.QueryEscape(hostile) + "&integration=" +
			url.QueryEscape(hostile)),
		"an API key": b.post("/settings/keys", "name", hostile, "access", hostile),
	}
	for name, answer := range answers {
		if body := answer.Body.String(); answer.Code >= 500 || strings.Contains(body, "<script>alert") ||
			strings.Contains(body, "<img src=x") ||
			answer.Code != http.StatusSeeOther && strings.Contains(body, "\u202e") {
			t.Errorf("%s answers %d: %s", name, answer.Code, body)
		}
	}
	path := b.create("production")
	form := b.get(path + "/edit").Body.String()
	version := regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(form)[1]
	answer := b.saves(path+"/edit", "name", "production", "description",
		strings.TrimSuffix(hostile, "\u202e"), "version", version)
	if answer.Code != http.StatusSeeOther {
		t.Fatalf("saving a hostile description answers %d: %s", answer.Code, answer.Body)
	}
	for _, target := range []string{path, "/integrations", path + "/delete"} {
		if body := b.get(target).Body.String(); strings.Contains(body, "<script>alert") ||
			strings.Contains(body, "<img src=x") {
			t.Errorf("%s shows a hostile description as it is", target)
		}
	}
}

func TestNothingIsReachedByItsIDAlone(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	for _, target := range []string{"/integrations/int_4zqk2m7vprb5xw3tdn6hjc8ysa",
		"/agents/agt_4zqk2m7vprb5xw3tdn6hjc8ysa", "/integrations/int_4zqk2m7vprb5xw3tdn6hjc8ysa/delete"} {
		if answer := b.get(target); answer.Code != http.StatusNotFound {
			t.Errorf("GET %s answers %d", target, answer.Code)
		}
	}
	// A new integration cannot have the external ID of another one, nor one that was not reserved.
	used := regexp.MustCompile(`rolebroker-[a-z0-9]{26}`).
		FindString(b.get("/integrations").Body.String() + b.get(b.create("second")+"/edit").Body.String())
	for _, external := range []string{used, "mine", "rolebroker-aaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if answer := b.get("/integrations/new/aws?external_id=" + external); answer.Code < 400 {
			t.Errorf("the external ID %s answers %d", external, answer.Code)
		}
		answer := b.saves("/integrations/new/aws", "name", "third", "mode", "platform", "external_id", external)
		if answer.Code < 400 {
			t.Errorf("an integration with the external ID %s answers %d", external, answer.Code)
		}
	}
}

func TestTheSecondEditorLosesNothing(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	save := func(version, description string) *httptest.ResponseRecorder {
		return b.saves(path+"/edit", "name", "production", "description", description, "version", version,
			"saved", "production")
	}
	if answer := save("1", "first"); answer.Code != http.StatusSeeOther {
		t.Fatalf("the first answers %d", answer.Code)
	}
	answer := save("1", "second")
	body := answer.Body.String()
	if answer.Code != http.StatusConflict || !strings.Contains(body, "somebody else saved production") ||
		!strings.Contains(body, `value="second"`) || !strings.Contains(body, `name="version" value="2"`) {
		t.Errorf("the second answers %d: %s", answer.Code, body)
	}
	if answer := save("2", "second"); answer.Code != http.StatusSeeOther {
		t.Errorf("saving again answers %d", answer.Code)
	}
}
