package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/rolebroker/rolebroker/internal/dextest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// chromium is the browser of this test binary. It starts with the first test that
// needs it, and ends with the test binary.
var chromium struct {
	sync.Once
	ctx  context.Context
	stop context.CancelFunc
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	dextest.Remove()
	os.Exit(code)
}

// startChromium starts the browser without its background work.
func startChromium() {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, chromium.err = exec.LookPath(name); chromium.err == nil {
			break
		}
	}
	if chromium.err != nil {
		chromium.err = errors.New("chromium is needed: run make setup")
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU)
	for _, flag := range []string{"disable-quic", "disable-component-update", "disable-domain-reliability",
		"no-proxy-server", "hide-scrollbars",
		"allow-pre-commit-input"} { // else a click on a page that was not painted yet is lost
		options = append(options, chromedp.Flag(flag, true))
	}
	// Neither processes for pages to come nor pages to go back to: both cost time.
	options = append(options, chromedp.Flag("disable-back-forward-cache", true),
		chromedp.Flag("disable-features", "Translate,PaintHolding,SpareRendererForSitePerProcess"))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	chromium.ctx, chromium.stop = ctx, func() { stop(); stopAllocator() }
	if chromium.err = chromedp.Do(ctx); chromium.err != nil {
		chromium.err = fmt.Errorf("starting %s: %w", path, chromium.err)
	}
}

// patience is how long a person waits for something that should happen soon, on a
// busy machine.
const patience = time.Minute

// person uses a browser, with cookies of its own, on a testbed. The test fails if
// the browser reports a problem: an error in the console, an exception, or a
// violation of the content security policy.
type person struct {
	testing.TB
	tb     *testbed.Testbed
	ctx    context.Context
	scope  string // a CSS selector: where things are looked for
	origin string // of the web app, without a path
	*noted
}

// noted has the events of the browser.
type noted struct {
	mu       sync.Mutex
	problems []string
	expected []string                     // texts of problems that do not fail the test
	dialogs  []string                     // the kinds of dialogs that were answered
	stay     bool                         // the answer to dialogs that ask whether to leave
	files    map[network.RequestID]string // the paths of requests
	received map[string]float64           // the size of each answer, by path

	scriptless bool // the page's scripts do not run
}

// somebody is a person who is not signed in.
func somebody(t testing.TB, tb *testbed.Testbed) *person {
	t.Helper()
	chromium.Do(startChromium)
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	return tab(t, tb, chromium.ctx, chromedp.WithNewBrowserContext())
}

// another opens a second tab for the same person.
func (p *person) another() *person {
	p.Helper()
	second := tab(p.TB, p.tb, p.ctx)
	second.origin = p.origin
	return second
}

func tab(t testing.TB, tb *testbed.Testbed, parent context.Context, options ...chromedp.ContextOption) *person {
	t.Helper()
	ctx, stop := chromedp.NewContext(parent, options...)
	p := &person{TB: t, tb: tb, ctx: ctx, scope: "body", origin: tb.URL,
		noted: &noted{files: map[network.RequestID]string{}, received: map[string]float64{}}}
	t.Cleanup(func() {
		p.complains()
		stop()
	})
	p.must("opening a tab", chromedp.Listen(ctx, p.note))
	p.does("setting the tab up", chromedp.EmulateViewport(1280, 900),
		command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	return p
}

// admin is a person who is signed in.
func admin(t testing.TB, tb *testbed.Testbed) *person {
	t.Helper()
	p := somebody(t, tb)
	p.signsIn()
	return p
}

// signsIn signs in by a link.
func (p *person) signsIn() {
	p.Helper()
	p.opens(p.tb.SignInLink())
	p.arrives("Sign in")
	p.presses("Sign in")
	p.arrives("Overview")
	p.origin = find[string](p, "reading the address", "location.origin")
}

// signsInByKey signs in with the admin API key at an address of the server.
func (p *person) signsInByKey(address string) {
	p.Helper()
	p.signsInWith(address, p.tb.AdminKey.Reveal())
}

// signsInWith signs in with an API key at an address of the server.
func (p *person) signsInWith(address, key string) {
	p.Helper()
	p.opens(address + "/")
	p.fills("API key", key)
	p.presses("Sign in")
	p.arrives("Overview")
	p.origin = find[string](p, "reading the address", "location.origin")
}

// command makes an action from a command of the DevTools protocol.
func command[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, cmd, params)
		return err
	})
}

// note records an event of the browser. It must not wait for the browser.
func (p *person) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !answered(e.Entry) {
			p.problems = append(p.problems, fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.problems = append(p.problems, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "exception: "+e.ExceptionDetails.Exception.Description)
	case *page.EventJavascriptDialogOpening:
		p.dialogs = append(p.dialogs, string(e.Type))
		answer := page.HandleJavaScriptDialogParams{Accept: !p.stay}
		go chromedp.Call(p.ctx, page.HandleJavaScriptDialog, answer) // if it fails, the next step does
	case *network.EventRequestWillBeSent:
		p.files[e.RequestID] = pathOf(e.Request.URL)
	case *network.EventLoadingFinished:
		p.received[p.files[e.RequestID]] += e.EncodedDataLength
	}
}

// pathOf returns an address without its scheme and host.
func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.RequestURI()
}

// answered returns whether a log entry only says that the server answered with an
// error page.
func answered(e *log.Entry) bool {
	return e.Source == log.EntrySourceNetwork && strings.Contains(e.Text, "the server responded with a status of 4") &&
		!strings.Contains(e.URL, "/static/")
}

// complains fails the test for each problem that the browser reported.
func (p *person) complains() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		if !slices.ContainsFunc(p.expected, func(e string) bool { return strings.Contains(problem, e) }) {
			p.Errorf("the browser complains: %s", problem)
		}
	}
	p.problems = nil
}

// must ends the test on an error, and shows the page.
func (p *person) must(what string, err error) {
	p.Helper()
	if err == nil {
		return
	}
	// if it is to be had
	where, _ := evaluate[string](p, `location.href + "\n" + document.querySelector("main")?.innerText`)
	p.Fatalf("%s: %v\nat %s", what, err, where)
}

// does runs some actions, within patience.
func (p *person) does(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	p.must(what, chromedp.Do(ctx, steps...))
}

// evaluate evaluates an expression in the page, whether or not the page's own
// scripts run. It gives up after some seconds, for example because the page is
// being replaced, so that the caller can try again.
func evaluate[T any](p *person, expression string) (T, error) {
	return evaluateFor[T](p, 5*time.Second, expression)
}

func evaluateFor[T any](p *person, limit time.Duration, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T]("(() => {"+finding+"; return ("+expression+")})()"))
}

// find evaluates an expression that has to have a value.
func find[T any](p *person, what, expression string) T {
	p.Helper()
	found, err := evaluateFor[T](p, patience, expression)
	p.must(what, err)
	return found
}

// eventually evaluates an expression until it is true. The page may be another one
// each time.
func (p *person) eventually(what, expression string) {
	p.Helper()
	p.until(what, func() error {
		so, err := evaluate[bool](p, expression)
		if err == nil && !so {
			err = errors.New("it is not so")
		}
		return err
	})
}

// until tries something until it succeeds, within patience.
func (p *person) until(what string, try func() error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	again := time.NewTicker(15 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			p.must(what, fmt.Errorf("after %s: %w", patience, err))
		case <-again.C:
		}
	}
}

// quoted formats a string for JavaScript.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // it is a string
	}
	return string(b)
}

// finding has functions that find elements by the name that a person reads, or by
// how the name begins if no element has exactly that name.
const finding = `
const plain = (text) => (text || '').replace(/\s+/g, ' ').trim();
const shown = (e) => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0;
const named = (e) => plain(e.getAttribute('aria-label') || e.innerText);
const within = (scope, what) => [...document.querySelectorAll(scope)].flatMap((e) => [...e.querySelectorAll(what)]);
const called = (all, name, of) => all.find((e) => of(e) === name) || all.find((e) => of(e).startsWith(name + ' '));
const button = (scope, name) => called(within(scope, 'button, a[href], summary, label').filter(shown), name, named);
const labels = (e) => e.getAttribute('aria-label') || [...(e.labels || [])].map(named).join(' ');
const field = (scope, name) => called(within(scope, 'input:not([type=hidden]), select, textarea').filter(shown), name, (e) => plain(labels(e)));
const text = (scope) => plain([...document.querySelectorAll(scope)].map((e) => e.innerText).join(' '));
const box = (scope, is) => within(scope, 'pre').filter(shown).find(is);
// A page is ready when it is loaded and has set the focus.
const ready = () => window.wasReady ||= document.readyState === 'complete' && (!document.querySelector('[autofocus]') || document.activeElement !== document.body);
const middle = (e) => {
  e.scrollIntoView({block: 'center', behavior: 'instant'});
  const r = e.getClientRects()[0], x = r.left + r.width / 2, y = r.top + r.height / 2, top = document.elementFromPoint(x, y);
  const covered = !top || !(e.contains(top) || [...(e.labels || [])].some((l) => l.contains(top)));
  return {x, y, covered: covered ? (top ? top.outerHTML.slice(0, 200) : 'nothing') : ''};
};
// headings are the heading of the page, with and without the state that stands in it.
const headings = () => {
  const h1 = document.querySelector('h1');
  const name = [...(h1?.childNodes || [])].filter((n) => !n.classList?.contains('badge'));
  return [plain(h1?.innerText), plain(name.map((n) => n.textContent).join(' '))];
};
// aim keeps the next click from everything but an element. window.aimed ends that, and returns whether the click hit;
// it is gone when the click led to another page.
const aim = (e) => {
  const types = ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'];
  const parts = [e, e.control, ...(e.labels || [])].filter(Boolean);
  let hit = false;
  const guard = (event) => {
    if (!parts.some((part) => part.contains(event.target))) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (event.type === 'click') {
      hit = true;
    }
  };
  for (const type of types) window.addEventListener(type, guard, true);
  window.aimed = () => {
    for (const type of types) window.removeEventListener(type, guard, true);
    delete window.aimed;
    return hit;
  };
  return true;
};
`

// in is the same person, looking at a part of the page.
func (p *person) in(selector string) *person {
	part := *p
	part.scope = selector
	return &part
}

// role is the same person, looking at a role of the form, from 0.
func (p *person) role(i int) *person { return p.in(fmt.Sprintf("#role-%d", i)) }

// line is the same person, looking at a role on the page of an integration.
func (p *person) line(name string) *person { return p.in("[data-role=" + quoted(name) + "]") }

// opened is the same person, looking at the fields of a role of the form, which opens if it is closed.
func (p *person) opened(i int) *person {
	p.Helper()
	row := p.role(i)
	p.eventually("role is there", "!!document.querySelector("+quoted(row.scope)+")")
	if find[bool](p, "looking for the fields", "!document.querySelector("+quoted(row.scope+".open")+")") {
		row.presses("Edit")
		p.eventually("the role is open", "!!document.querySelector("+quoted(row.scope+".open")+")")
	}
	return row
}

// opens opens an address.
func (p *person) opens(address string) {
	p.Helper()
	if strings.HasPrefix(address, "/") {
		address = p.origin + address
	}
	p.does("opening "+address, chromedp.Navigate(address))
}

// spot is the position of an element.
type spot struct {
	X, Y    float64
	Covered string // the element that covers it; empty: none
}

// clicks clicks the element that an expression finds, once the page is loaded and
// the element is visible, enabled and still. Pages render themselves again at any
// moment; a click that misses the element has no effect, and is repeated.
func (p *person) clicks(what, expression string) {
	p.Helper()
	p.eventually(what+" is not there", "ready() && !!"+expression+" && !"+expression+".disabled")
	var at spot
	p.until(what, func() error {
		before := at
		var err error
		at, err = evaluate[spot](p, "middle("+expression+")")
		switch {
		case err != nil:
			return err
		case at.Covered != "":
			return errors.New("it is behind " + at.Covered)
		case at != before:
			return errors.New("it moves")
		case p.scriptless: // nothing renders itself again, and nothing can notice a miss
			p.does(what, chromedp.MouseClickXY(at.X, at.Y))
			return nil
		}
		if _, err := evaluate[bool](p, "aim("+expression+")"); err != nil {
			return err
		}
		p.does(what, chromedp.MouseClickXY(at.X, at.Y))
		hit, err := evaluate[bool](p, "!window.aimed || window.aimed()")
		if err == nil && !hit { // an error means that the click leads to another page
			return errors.New("the click missed")
		}
		return nil
	})
}

// presses presses a button, or follows a link, or opens a tab.
func (p *person) presses(name string) {
	p.Helper()
	p.eventually("looking for "+name, "window.before = true")
	p.clicks("pressing "+name, "button("+quoted(p.scope)+", "+quoted(name)+")")
}

// arrives waits for another page than the one before the last press.
func (p *person) arrives(heading string) {
	p.Helper()
	p.eventually(
		"arriving at "+heading,
		`!window.before && ready() && headings().includes(`+quoted(heading)+`)`,
	)
}

// fills replaces the value of a field.
func (p *person) fills(label, value string) {
	p.Helper()
	element := "field(" + quoted(p.scope) + ", " + quoted(label) + ")"
	p.until("filling "+label, func() error {
		p.clicks("filling "+label, element) // again, if the page moved meanwhile
		so, err := evaluate[bool](p, "(document.activeElement === "+element+") && ("+element+".select(), true)")
		if err == nil && !so {
			err = errors.New("it has not the focus")
		}
		return err
	})
	if value == "" {
		p.does("emptying "+label, chromedp.KeyEvent("\b"))
		return
	}
	p.does("filling "+label, command(input.InsertText, input.InsertTextParams{Text: value}))
	p.finds(label, value)
}

// ticks clicks a box or a radio button that is not ticked.
func (p *person) ticks(label string) { p.Helper(); p.toggles(label, true) }

// unticks clicks a box that is ticked.
func (p *person) unticks(label string) { p.Helper(); p.toggles(label, false) }

func (p *person) toggles(label string, to bool) {
	p.Helper()
	element := "field(" + quoted(p.scope) + ", " + quoted(label) + ")"
	p.eventually(label+" is to be clicked", fmt.Sprintf("%s?.checked === %t", element, !to))
	p.clicks("clicking "+label, element)
	p.eventually(label+" is clicked", fmt.Sprintf("%s.checked === %t", element, to))
}

// sees waits until the texts are visible.
func (p *person) sees(texts ...string) {
	p.Helper()
	for _, text := range texts {
		p.eventually("seeing "+text, "text("+quoted(p.scope)+").includes(plain("+quoted(text)+"))")
	}
}

// seesNot fails the test if one of the texts is visible.
func (p *person) seesNot(texts ...string) {
	p.Helper()
	for _, text := range texts {
		if find[bool](p, "not seeing "+text, "text("+quoted(p.scope)+").includes(plain("+quoted(text)+"))") {
			p.Errorf("one can read: %s", text)
		}
	}
}

// cannotPress fails the test if the button is visible.
func (p *person) cannotPress(name string) {
	p.Helper()
	if find[bool](p, "looking for "+name, "!!button("+quoted(p.scope)+", "+quoted(name)+")") {
		p.Errorf("there is a button %s", name)
	}
}

// finds waits until a field has a value.
func (p *person) finds(label, value string) {
	p.Helper()
	p.eventually("finding "+value+" in "+label, "field("+quoted(p.scope)+", "+quoted(label)+
		")?.value === "+quoted(value))
}

// findsTicked waits until a box is ticked, or is not.
func (p *person) findsTicked(label string, ticked bool) {
	p.Helper()
	p.eventually(fmt.Sprintf("finding %s ticked: %t", label, ticked),
		fmt.Sprintf("field(%s, %s)?.checked === %t", quoted(p.scope), quoted(label), ticked))
}

// findsFault waits until a field is marked as invalid, and has a visible error that
// screen readers announce with it.
func (p *person) findsFault(label, says string) {
	p.Helper()
	element := "field(" + quoted(p.scope) + ", " + quoted(label) + ")"
	p.eventually(label+" is wrong: "+says, element+"?.getAttribute('aria-invalid') === 'true' && "+
		element+".getAttribute('aria-describedby').split(' ').some((id) => { const e = document.getElementById(id); "+
		"return e && shown(e) && plain(e.innerText).includes("+quoted(says)+") })")
}

// reads returns the text of a visible box of code.
func (p *person) reads(label string) string {
	p.Helper()
	return p.readsBox(label, "e.getAttribute('aria-label') === "+quoted(label))
}

// readsTheOneWith is reads for the box that contains a text.
func (p *person) readsTheOneWith(text string) string {
	p.Helper()
	return p.readsBox("the one with "+text, "e.textContent.includes("+quoted(text)+")")
}

func (p *person) readsBox(what, is string) string {
	p.Helper()
	element := "box(" + quoted(p.scope) + ", (e) => " + is + ")"
	p.eventually("reading "+what, "!!"+element)
	return find[string](p, "reading "+what, element+".textContent")
}

// asked returns how often the browser asked whether to leave since the last call.
func (p *person) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.dialogs = nil }()
	return len(p.dialogs)
}

// wasAsked fails until the browser has asked whether to leave.
func (p *person) wasAsked() error {
	if p.asked() == 0 {
		return errors.New("nobody was asked")
	}
	return nil
}

// answers sets the answer when the browser asks whether to leave.
func (p *person) answers(stay bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stay = stay
}

// expects makes a problem one that does not fail the test.
func (p *person) expects(problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, problem)
}

// hears waits until the browser reports a problem, which does not fail the test.
func (p *person) hears(problem string) {
	p.Helper()
	p.expects(problem)
	p.until("a complaint: "+problem, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !slices.ContainsFunc(p.problems, func(heard string) bool { return strings.Contains(heard, problem) }) {
			return fmt.Errorf("the browser complains of %q", p.problems)
		}
		return nil
	})
}

// A page that replaces a button while it is being pressed gets another click.
func TestAClickThatMissesIsRepeated(t *testing.T) {
	t.Parallel()
	p := somebody(t, empty(t))
	p.opens("/sign-in")
	find[any](p, "adding a button", `(() => {
		const b = Object.assign(document.createElement('button'), {type: 'button', textContent: 'Again'});
		document.querySelector('h1').after(b);
		window.clicks = 0;
		document.addEventListener('click', (e) => { window.clicks += e.target.textContent === 'Again' });
		window.addEventListener('pointerdown', () => b.replaceWith(b.cloneNode(true)), {capture: true, once: true});
		return 1 })()`)
	p.presses("Again")
	if n := find[int](p, "counting clicks", "window.clicks"); n != 1 {
		t.Errorf("the button was clicked %d times", n)
	}
}

// The browser reports every kind of problem that the other tests rely on.
func TestTheBrowserNotices(t *testing.T) {
	t.Parallel()
	p := somebody(t, testbed.New(t, &testbed.Options{Empty: true}))
	for problem, script := range map[string]string{
		"Executing inline script violates": `document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))`,
		"Applying inline style violates":   `document.body.setAttribute('style', 'color: red')`,
		"exception: Error: thrown":         `setTimeout(() => { throw new Error('thrown') })`,
		"console: \"said\"":                `console.error('said')`,
		"/static/none.png":                 `document.body.append(Object.assign(document.createElement('img'), {src: '/static/none.png'}))`,
	} {
		p.opens("/sign-in")
		find[any](p, problem, "(() => {"+script+"; return 1})()")
		p.hears(problem)
	}
}
