package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// rolesPage is an integration to read: its roles, one a line.
type rolesPage struct {
	integrationTab
	Show       string // which roles: "failing", "off" or, for all, empty
	Search     string // shows only roles that have it in their name, ARN or region
	Filters    []roleCount
	Lines      []roleLine // that are shown
	Shown      int        // how many roles match, also those on other pages
	Here       string     // the address of this page
	Pages      paging
	DefaultOff bool   // the default role is not selected
	Problem    string // why nothing was changed; empty: nothing is wrong
	All        string // the address of this page with all of its roles chosen
	Trying     bool   // a runner is trying some of the roles
}

// roleCount is a filter of the roles with how many it shows.
type roleCount struct {
	link
	Count  int
	Chosen bool
}

// roleLine is one role as it is saved.
type roleLine struct {
	ID        string
	Name      string
	ARN       string
	Account   string
	Region    rolebroker.Region
	Duration  string // of its credentials, as in 1h
	Enabled   bool
	Default   bool
	Chosen    bool  // for what a button does with roles
	May       bool  // the person may change it
	State     state // Checked is when it was found out
	Evidence  string
	Outcome   *rolebroker.Validation // that people have to read; nil: there is nothing to say
	Why       string                 // the outcome in a few words
	Since     string                 // for how long it fails; empty: it works, or that is not known
	AllBorrow bool                   // all agents that are connected may borrow it, and there are several
	Borrow    audience               // the agents that may borrow it
	Fix       string                 // the address of the page with the advice; empty: it is here
	Waits     string                 // why nobody has tried it; empty otherwise
	Trying    bool                   // the runner is trying it
}

// The filters of the roles.
const (
	showAll     = ""
	showFailing = "failing"
	showOff     = "off"
)

// mentionedInLine is how many agents the line of a role names.
const mentionedInLine = 2

// rolesPerPage bounds the roles on one page.
const rolesPerPage = 300

// showIntegration shows the roles of an integration.
func (s *server) showIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := s.rolesPage(r, v)
	if err != nil {
		return err
	}
	if r.Header.Get("HX-Target") == "roles" && r.Header.Get("HX-Trigger") == "roles" && !page.Trying {
		w.Header().Set("HX-Refresh", "true") // the head is another, too
	}
	return s.render(w, http.StatusOK, "integration", page)
}

// rolesPage reads the page that the request asks for.
func (s *server) rolesPage(r *http.Request, v *visit) (*rolesPage, error) {
	tab, err := s.integrationTab(r, v, "")
	if err != nil {
		return nil, err
	}
	page := &rolesPage{integrationTab: tab, Show: r.FormValue("show"), Search: strings.TrimSpace(r.FormValue("search"))}
	page.sumUp()
	agents, err := s.connectedTo(r.Context(), v, page.In.ID)
	if err != nil {
		return nil, err
	}
	var all []roleLine
	for i := range page.In.Roles {
		line := page.line(&page.In.Roles[i])
		line.Borrow = borrowersOf(agents, page.In.ID, mentionedInLine, page.In.Roles[i])
		line.AllBorrow = line.Borrow.Count == len(agents) && len(agents) > mentionedInLine
		all = append(all, line)
	}
	page.count(all)
	page.choose(all, r.FormValue("from"))
	if err := s.addAdvice(r.Context(), v, page); err != nil {
		return nil, err
	}
	for i := range page.Lines {
		page.Lines[i].Chosen = r.FormValue("select") == "all"
	}
	return page, nil
}

// line is the line of a role.
func (p *rolesPage) line(role *rolebroker.Role) roleLine {
	line := roleLine{
		ID:       string(role.ID),
		Name:     role.Name,
		ARN:      role.ARN.String(),
		Account:  role.ARN.Account,
		Region:   role.Region,
		Duration: rolebroker.ShortDuration(cmp.Or(role.SessionDuration, rolebroker.DefaultSessionDuration)),
		Enabled:  role.Enabled,
		Default:  role.Name == p.In.DefaultRole,
		May:      p.MayWrite(),
	}
	p.DefaultOff = p.DefaultOff || line.Default && !line.Enabled
	line.setState(p.In.StateOf(role), p.Now)
	if line.State.Checked.Ago == "" && p.Cluster() && role.Enabled {
		line.Waits, line.Trying = p.waits()
		p.Trying = p.Trying || line.Trying
	}
	switch {
	case !role.Enabled:
		line.State.Tone, line.State.Word = "off", "not selected"
	case line.Trying:
		line.State.Word = "checking"
	}
	return line
}

// setState shows the state of the saved role.
func (l *roleLine) setState(s rolebroker.RoleState, now time.Time) {
	if s.CheckedAt.IsZero() {
		l.State = state{Tone: "off", Word: "not checked"}
		return
	}
	l.State, l.Evidence = state{tone(s.Status), word(s.Validation), when(s.CheckedAt, now)}, evidence(s)
	if s.CheckedBy != "" {
		l.Evidence += " by runner " + s.CheckedBy
	}
	if s.Status == rolebroker.StatusAssumable {
		return
	}
	l.Outcome, l.Why = &s.Validation, headline(s.Message)[0]
	if s.Status == rolebroker.StatusFailed && !s.Since.IsZero() && now.Sub(s.Since) >= time.Minute {
		l.Since = rolebroker.DurationInWords(now.Sub(s.Since))
	}
}

// Failing returns whether the role is selected and cannot be assumed.
func (l roleLine) Failing() bool { return l.Enabled && l.Outcome != nil && !l.Outcome.Status.Works() }

// waits says why nobody has tried a role of a runner, and whether the runner is trying it.
func (p *rolesPage) waits() (why string, trying bool) {
	switch {
	case p.Runner == nil:
		return "No runner assumes it yet: choose one with Edit.", false
	case stateOfRunner(p.Runner, p.Now).Word == runnerConnected:
		return "Runner " + p.Runner.Name + " is trying it.", true
	}
	return "Not checked yet: " + absence(p.Runner, p.base) + ".", false
}

// sumUp adds to the message that something was done what became of the roles: what people have to do before they can
// be borrowed.
func (p *rolesPage) sumUp() {
	if p.Done == "" {
		return
	}
	validated, sum := p.Done == doneSentences["validated"], p.In.State()
	selected := plural(sum.Roles, "selected role", "selected roles")
	switch {
	case sum.Failed > 0:
		p.DoneTone = "warn"
		p.Done += fmt.Sprintf(" %d of %s cannot be assumed yet: the roles below say more.", sum.Failed, selected)
	case !p.In.Enabled:
		p.DoneTone = "warn"
	case p.Cluster() && p.In.Runner == "":
		p.DoneTone = "warn"
		p.Done += " No agent gets its roles until you choose a runner."
	case validated && sum.Roles > 0 && sum.Unknown == 0:
		p.Done += " " + allOf(sum.Roles) + " can be assumed."
	}
	if validated && sum.Unknown > 0 {
		p.DoneTone = "warn"
		p.Done += fmt.Sprintf(" %d of %s could not be tried: validate once more.", sum.Unknown, selected)
	}
}

// allOf names all selected roles.
func allOf(roles int) string {
	if roles == 1 {
		return "The selected role"
	}
	return fmt.Sprintf("All %d selected roles", roles)
}

// count adds the filters.
func (p *rolesPage) count(all []roleLine) {
	failing, off := 0, 0
	for _, line := range all {
		switch {
		case line.Failing():
			failing++
		case !line.Enabled:
			off++
		}
	}
	for _, c := range []roleCount{{link{"All", showAll}, len(all), false},
		{link{"Failing", showFailing}, failing, false},
		{link{"Not selected", showOff}, off, false}} {
		c.Chosen = c.Address == p.Show
		c.Address = p.at(c.Address, "")
		p.Filters = append(p.Filters, c)
	}
}

// at is the address of the page that begins with the role of a number, with the same search.
func (p *rolesPage) at(show, from string) string {
	return addressOf(pageOf(rolebroker.KindIntegration, p.In.ID), "show", show, "search", p.Search, "from", from)
}

// choose adds the lines that are searched for, and the links to other pages.
func (p *rolesPage) choose(all []roleLine, from string) {
	var found []roleLine
	for _, line := range all {
		if p.shows(line) {
			found = append(found, line)
		}
	}
	p.Shown = len(found)
	p.Here = p.at(p.Show, from)
	p.All = p.Here + "?select=all"
	if strings.Contains(p.Here, "?") {
		p.All = p.Here + "&select=all"
	}
	at := func(from string) string { return p.at(p.Show, from) }
	p.Lines = partOf(&p.Pages, rolesPerPage, at, found, from, "roles")
}

// maxAdvised is how many roles of a page have the advice in their lines. It is long.
const maxAdvised = 2

// addAdvice adds the advice to the first roles that fail, and leads from the others to their own pages, which have it.
func (s *server) addAdvice(ctx context.Context, v *visit, page *rolesPage) error {
	var advised []rolebroker.RoleID
	for i := range page.Lines {
		line := &page.Lines[i]
		switch {
		case line.Outcome == nil:
		case len(advised) < maxAdvised:
			advised = append(advised, rolebroker.RoleID(line.ID))
		default:
			line.Fix = pageOf(rolebroker.KindRole, line.ID)
		}
	}
	if len(advised) == 0 {
		return nil
	}
	if err := s.Broker.AddHints(ctx, v.who, &page.In, advised...); err != nil {
		return err
	}
	for i := range page.Lines {
		line := &page.Lines[i]
		if line.Outcome != nil && line.Fix == "" {
			state := page.In.StateOf(page.In.Role(line.ID))
			line.Outcome = &state.Validation
		}
	}
	return nil
}

// shows returns whether the filter and the search show a line.
func (p *rolesPage) shows(line roleLine) bool {
	switch {
	case p.Show == showFailing && !line.Failing(), p.Show == showOff && line.Enabled:
		return false
	}
	text := strings.ToLower(line.Name + " " + line.ARN + " " + string(line.Region))
	return strings.Contains(text, strings.ToLower(p.Search))
}
