// Package dextest gives a test a real OpenID Connect provider: Dex, on loopback, for as long as the test runs. The
// people of its directory are those that the test names, with their groups.
//
// The package builds Dex from the module in the folder program, which is its own so that the dependencies of Dex are
// not ours. The first build takes a minute or two; later ones use Go's build cache. It has no fakes: who signs in uses
// Dex's own pages, and tokens are Dex's.
//
//	dex := dextest.Start(t, dextest.Client{ID: "rolebroker", Secret: "…", RedirectURIs: []string{callback}})
//	dex.Put("ada", dextest.Person{Email: "ada@example.com", Groups: []string{"platform"}})
//	code := dex.SignIn(authorizationURL, "ada")
package dextest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Client is a client of the provider, as Dex's configuration writes it. A public client without redirect URIs may come
// back to loopback.
type Client struct {
	ID           string   `json:"id"`
	Secret       string   `json:"secret,omitempty"`
	Public       bool     `json:"public,omitempty"`
	Name         string   `json:"name"`
	RedirectURIs []string `json:"redirectURIs,omitempty"`
}

// Person is someone in the directory.
type Person struct {
	ID       string   `json:"id"` // empty: the name with which the person signs in
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Password string   `json:"password"` // empty: Password
	Groups   []string `json:"groups"`
}

// Password is the password of people who have no other.
const Password = "correct horse battery staple"

// Dex is a running provider. Its methods fail the test on errors.
type Dex struct {
	Issuer string

	t       testing.TB
	program string
	dir     string
	listen  string
	people  map[string]Person
	running *exec.Cmd
	output  bytes.Buffer
}

// built is the path of the program, which is built once for a test binary.
var built struct {
	sync.Once
	path string
	err  error
}

// Start starts a provider with clients.
func Start(t testing.TB, clients ...Client) *Dex {
	t.Helper()
	built.Do(build)
	if built.err != nil {
		t.Fatal(built.err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &Dex{t: t, program: built.path, dir: t.TempDir(), listen: listener.Addr().String(),
		people: map[string]Person{}}
	listener.Close()
	d.Issuer = "http://" + d.listen
	for i := range clients {
		clients[i].Name = clients[i].ID
	}
	d.write("clients.json", clients)
	d.write("people.json", d.people)
	t.Cleanup(d.Stop)
	d.Resume()
	return d
}

// build builds the program, into a folder that all test binaries share: Go writes it anew only if it changed.
func build() {
	root, err := rootOf()
	if err != nil {
		built.err = err
		return
	}
	dir, err := os.MkdirTemp("", "rolebroker-dex-")
	if err != nil {
		built.err = err
		return
	}
	built.path = filepath.Join(dir, "dex")
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", built.path, ".")
	command.Dir = filepath.Join(root, "internal", "dextest", "program")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := command.CombinedOutput(); err != nil {
		built.err = fmt.Errorf("building Dex: %w\n%s", err, output)
	}
}

// Remove removes the program. A TestMain calls it at the end.
func Remove() {
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
}

// rootOf finds the root of the repository.
func rootOf() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "internal", "dextest", "program")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the test does not run in the repository: %w", err)
}

func (d *Dex) write(name string, value any) {
	d.t.Helper()
	data, err := json.Marshal(value)
	if err == nil {
		path := filepath.Join(d.dir, name)
		if err = os.WriteFile(path+".new", data, 0o600); err == nil {
			err = os.Rename(path+".new", path)
		}
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// Put adds somebody to the directory, or changes who is there.
func (d *Dex) Put(name string, p Person) {
	d.t.Helper()
	if p.ID == "" {
		p.ID = name
	}
	if p.Password == "" {
		p.Password = Password
	}
	d.people[name] = p
	d.write("people.json", d.people)
}

// Delete removes somebody who left the company. Dex notices at the next look.
func (d *Dex) Delete(name string) {
	d.t.Helper()
	delete(d.people, name)
	d.write("people.json", d.people)
}

// EndSignIns ends what Dex gave for asking again, as an administrator does.
func (d *Dex) EndSignIns() {
	d.t.Helper()
	r, err := http.NewRequest(http.MethodDelete, d.Issuer+"/test/sign-ins", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		d.t.Fatalf("ending sign-ins answers %s", answer.Status)
	}
}

// Stop stops the provider, which then does not answer.
func (d *Dex) Stop() {
	if d.running != nil {
		_ = d.running.Process.Kill()
		_ = d.running.Wait() // it was killed
		d.running = nil
	}
}

// Resume starts the provider again. It forgot its keys, codes and sign-ins.
func (d *Dex) Resume() {
	d.t.Helper()
	d.running = exec.Command(d.program, "-listen", d.listen, "-people", filepath.Join(d.dir, "people.json"),
		"-clients", filepath.Join(d.dir, "clients.json"))
	d.running.Stdout, d.running.Stderr = &d.output, &d.output
	if err := d.running.Start(); err != nil {
		d.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get(d.Issuer + "/.well-known/openid-configuration")
		if err == nil {
			answer.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			d.Stop()
			d.t.Fatalf("Dex does not start: %v\n%s", err, d.output.String())
		}
	}
}

// action is where Dex's form posts to.
var action = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`<form [^>]*action="([^"]+)"`) })

// SignIn signs a person in on Dex's own pages, as a browser does, and returns where Dex sends the browser then.
func (d *Dex) SignIn(at, name string) *url.URL {
	d.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != d.listen { // back to the client
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(at)
	if err != nil {
		d.t.Fatal(err)
	}
	form := action().FindStringSubmatch(read(d.t, page))
	if form == nil {
		d.t.Fatalf("Dex shows no form at %s", page.Request.URL.Redacted())
	}
	to, err := page.Request.URL.Parse(strings.ReplaceAll(form[1], "&amp;", "&"))
	if err != nil {
		d.t.Fatal(err)
	}
	answer, err := browser.PostForm(to.String(), url.Values{"login": {name}, "password": {d.people[name].Password}})
	if err != nil {
		d.t.Fatal(err)
	}
	text := read(d.t, answer)
	back, err := answer.Location()
	if err != nil {
		d.t.Fatalf("Dex does not send %s back, and answers %s: %s", name, answer.Status, text)
	}
	return back
}

// SignInDevice signs a person in at the page of a device code, and confirms the code.
func (d *Dex) SignInDevice(at, name string) {
	d.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page, err := browser.Get(at)
	if err != nil {
		d.t.Fatal(err)
	}
	page = d.submit(browser, page, nil)
	page = d.submit(browser, page, url.Values{"login": {name}, "password": {d.people[name].Password}})
	if text := read(d.t, page); !strings.Contains(text, "Return to your device") {
		d.t.Fatalf("Dex does not say that %s is done: %s", name, text)
	}
}

// inputs are the fields of Dex's forms with their values.
var inputs = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`<input [^>]*name="([^"]+)"[^>]*value="([^"]*)"`)
})

// submit submits the form of a page with values.
func (d *Dex) submit(browser *http.Client, page *http.Response, values url.Values) *http.Response {
	d.t.Helper()
	text := read(d.t, page)
	form := action().FindStringSubmatch(text)
	if form == nil {
		d.t.Fatalf("Dex shows no form at %s: %s", page.Request.URL.Redacted(), text)
	}
	to, err := page.Request.URL.Parse(strings.ReplaceAll(form[1], "&amp;", "&"))
	if err != nil {
		d.t.Fatal(err)
	}
	all := url.Values{}
	for _, input := range inputs().FindAllStringSubmatch(text, -1) {
		all.Set(input[1], input[2])
	}
	for name := range values {
		all.Set(name, values.Get(name))
	}
	answer, err := browser.PostForm(to.String(), all)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer
}

func read(t testing.TB, answer *http.Response) string {
	t.Helper()
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
