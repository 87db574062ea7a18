package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// below is the path below which proxies serve rolebroker.
const below = "/tools/rolebroker"

// proxied starts a deployment behind a reverse proxy, which serves it below a path and answers nothing else.
type proxied struct {
	tb     *testbed.Testbed
	url    string // of rolebroker
	client *http.Client
	mu     sync.Mutex
	strays []string // requests that were not below the path
}

// behind starts one. The proxy removes the path, as nginx does if its proxy_pass ends with a slash, or passes it on.
func behind(t *testing.T, removes, tls bool, opts *testbed.Options) *proxied {
	t.Helper()
	p := &proxied{}
	var to *url.URL
	transport := &http.Transport{} // the end of any httptest server closes connections of the default one
	t.Cleanup(transport.CloseIdleConnections)
	reverse := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}}
	forward := http.Handler(reverse)
	if removes {
		forward = http.StripPrefix(below, reverse)
	}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != below && !strings.HasPrefix(r.URL.Path, below+"/") {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.strays = append(p.strays, r.Method+" "+r.URL.Path)
			http.NotFound(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	if tls {
		front.StartTLS()
	} else {
		front.Start()
	}
	t.Cleanup(front.Close)
	p.url, p.client = front.URL+below, front.Client()
	opts.Config = func(c *config.Server) { c.PublicURL = p.url }
	if tls { // the certificate of httptest is for example.com
		p.url = "https://example.com" + below
		p.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, front.Listener.Addr().String())
		}
		opts.Config = func(c *config.Server) { c.PublicURL, c.TLSTerminatedByProxy = p.url, true }
	}
	p.tb = testbed.New(t, opts)
	var err error
	if to, err = url.Parse(p.tb.URL); err != nil {
		t.Fatal(err)
	}
	return p
}

// strayed fails the test for each request that left the path.
func (p *proxied) strayed(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.strays) > 0 {
		t.Errorf("a browser left %s: %q", below, p.strays)
	}
}

// Everything works behind a proxy that serves rolebroker below a path, whether it passes the path on or removes it,
// with and without scripts.
func TestBelowAPath(t *testing.T) {
	t.Parallel()
	for name, removes := range map[string]bool{"the proxy removes the path": true, "the proxy passes it on": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := behind(t, removes, false, &testbed.Options{Empty: true})
			p := somebody(t, at.tb)
			p.opens(at.url)
			p.signsInByKey(at.url)
			p.origin += below
			connect(p)
			token := p.makesToken("laptop")
			borrows(t, at.tb, token, "", "/PaymentsDeploy/scout")
			agent, err := client.New(client.Options{URL: at.url, Token: token})
			if err != nil {
				t.Fatal(err)
			}
			if roles, err := agent.Roles(t.Context()); err != nil || len(roles) != 2 {
				t.Error(roles, err)
			}
			p.presses("I have it, back to scout")
			p.arrives("scout enabled")
			p.sees("ROLEBROKER_URL=" + at.url)
			p.presses("More")
			p.presses("Sessions of scout")
			p.arrives("Sessions")
			p.sees("payments/deployer")
			p.opens("/agents")
			p.fills("Search agents", "sc") // htmx asks for the rows, and changes the address
			p.eventually("the address has the search", "location.pathname === "+quoted(below+"/agents")+
				" && location.search.includes('sc')")
			for _, page := range []string{"Overview", "Integrations", "Agents", "Sessions", "Runners", "Settings"} {
				p.presses(page)
				p.arrives(page)
			}
			other := p.another() // has the same cookie
			other.opens("/integrations")
			other.arrives("Integrations")
			p.presses("Sign out")
			p.arrives("Sign in")
			other.withoutScripts()
			other.signsInByKey(at.url)
			other.presses("Integrations")
			other.arrives("Integrations")
			other.presses("payments")
			other.arrives("payments")
			at.strayed(t)
		})
	}
}

// The same over HTTPS: the API, its document and its addresses, the credentials endpoint, and the cookie.
func TestBelowAPathOverHTTPS(t *testing.T) {
	t.Parallel()
	for _, removes := range []bool{true, false} {
		at := behind(t, removes, true, &testbed.Options{})
		get := func(method, path string, header ...string) *http.Response {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, at.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			at.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			answer, err := at.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { answer.Body.Close() })
			return answer
		}
		text := func(r *http.Response) string {
			t.Helper()
			var b strings.Builder
			if err := r.Write(&b); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		if got := text(get("GET", "/openapi.json")); !strings.Contains(got, `"url": "`+at.url+`/"`) {
			t.Errorf("the document names the server otherwise: %.600s", got)
		}
		if got := get("GET", "/v1/credentials/deployer", "Authorization", at.tb.Scout.Reveal()); got.StatusCode != 200 {
			t.Error(text(got))
		}
		made := get("POST", "/api/v1/external-ids", "Authorization", "Bearer "+at.tb.AdminKey.Reveal())
		if got := made.Header.Get("Location"); !strings.HasPrefix(got, below+"/api/v1/external-ids/") {
			t.Error("an external ID is at", got)
		}
		if got := get("GET", ""); !removes && (got.StatusCode != 308 || got.Header.Get("Location") != below+"/") {
			t.Error(got.Status, got.Header)
		}
		for _, path := range []string{"/v1", "/openapi.json/", "/no/such/page", "/healthz"} {
			if got := get("GET", path); strings.HasPrefix(got.Header.Get("Location"), below+below) {
				t.Error(path, got.Header)
			}
		}

		form := url.Values{"key": {at.tb.AdminKey.Reveal()}}
		r, err := http.NewRequestWithContext(t.Context(), "POST", at.url+"/sign-in", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := at.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		cookies := answer.Cookies()
		if len(cookies) != 1 || cookies[0].Path != below || !cookies[0].Secure || !cookies[0].HttpOnly ||
			cookies[0].Name != "__Secure-rolebroker" || answer.Header.Get("Location") != below+"/" {
			t.Errorf("%v, %v", cookies, answer.Header)
		}
		if answer.Header.Get("Strict-Transport-Security") != "" {
			t.Error("it decides for the other services of the host")
		}
		got := text(get("GET", "/integrations", "Cookie", cookies[0].Name+"="+cookies[0].Value))
		if !strings.Contains(got, `href="`+below+`/integrations/new"`) || strings.Contains(got, `"/static/`) {
			t.Errorf("%.2000s", got)
		}
		at.strayed(t)
	}
}

// A page cannot have an address to which the path is not added.
func TestEveryAddressOfAPageGetsThePath(t *testing.T) {
	attribute := regexp.MustCompile(`([a-z-]+)="/[^/ ]`)
	known := []string{"href", "src", "action", "formaction", "hx-get", "hx-post", "data-validate", "data-sign-in"}
	files, err := filepath.Glob("p*/*.html")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range attribute.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(known, found[1]) {
				t.Errorf("%s has an address in %s; add it to the attributes that render.go knows", file, found[1])
			}
		}
	}
	for _, name := range []string{"static/app.js", "static/form.js"} {
		script, err := os.ReadFile(name)
		if err != nil || regexp.MustCompile(`['"`+"`"+`]/[a-z]`).Match(script) {
			t.Error(name, "has an address; take it from an attribute of the page", err)
		}
	}
}
