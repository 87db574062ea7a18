package web_test

import (
	"net"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"

	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/dextest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// inCompany is somebody at a server whose people sign in through Dex: ada administers, and grace may do nothing.
func inCompany(t testing.TB) (*person, *dextest.Dex) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	dex := dextest.Start(t, dextest.Client{ID: "rolebroker", Public: true,
		RedirectURIs: []string{"http://" + address + "/sign-in/callback"}})
	dex.Put("ada", dextest.Person{Name: "Ada Lovelace", Email: "ada@example.com", Groups: []string{"admins"}})
	dex.Put("grace", dextest.Person{Name: "Grace Hopper", Email: "grace@example.com", Groups: []string{"all"}})
	tb := testbed.New(t, &testbed.Options{Config: func(c *config.Server) {
		c.Listen, c.PublicURL = address, "http://"+address
		c.OIDCIssuer, c.OIDCClientID = dex.Issuer, "rolebroker"
		c.OIDCAdminGroups, c.OIDCReaderGroups = []string{"admins"}, []string{"readers"}
	}})
	return somebody(t, tb), dex
}

// signsInAt signs in at the company's identity provider, from the page where people sign in.
func (p *person) signsInAt(dex *dextest.Dex, name string) {
	p.Helper()
	p.presses("Sign in with " + strings.TrimPrefix(dex.Issuer, "http://"))
	p.sees("Log in to Your Account")
	// they have no labels
	for selector, value := range map[string]string{"#login": name, "#password": dextest.Password} {
		element := "document.querySelector(" + quoted(selector) + ")"
		p.clicks("clicking "+selector, element)
		p.does("filling "+selector, command(input.InsertText, input.InsertTextParams{Text: value}))
		p.eventually(selector+" is filled", element+".value === "+quoted(value))
	}
	p.presses("Login")
}

// companyScenes are what people see who sign in through an identity provider.
func companyScenes(dex *dextest.Dex) []scene {
	return []scene{
		{"company-sign-in", func(p *person) { p.opens("/sign-in") }},
		{"company-refused", func(p *person) {
			p.expects("the server responded with a status of 403")
			p.opens("/sign-in")
			p.signsInAt(dex, "grace")
			p.sees("is in no group that gives access")
		}},
		{"company-settings", func(p *person) {
			p.opens("/settings")
			p.signsInAt(dex, "ada")
			p.arrives("Settings")
			p.origin = find[string](p, "reading the address", "location.origin")
			p.sees("ada@example.com", "grace@example.com", "no group gives any")
		}},
	}
}

// A person signs in with a browser at a real provider, is led to a name that only this person knows, and signs out.
func TestAPersonSignsInWithABrowser(t *testing.T) {
	t.Parallel()
	p, dex := inCompany(t)
	p.opens("/agents")
	p.signsInAt(dex, "ada")
	p.arrives("Agents")
	p.origin = find[string](p, "reading the address", "location.origin")
	if !strings.Contains(p.origin, "rolebroker-") || !strings.Contains(p.origin, ".localhost:") {
		t.Errorf("the browser is at %s", p.origin)
	}
	p.sees("ada@example.com", "scout")
	p.opens("/audit")
	p.sees("Signed in", "ada@example.com")
	p.presses("Sign out")
	p.arrives("Sign in")
	p.opens("/agents")
	p.arrives("Sign in")
}
