package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// overviews is the part of the broker that knows what people want to know first.
type overviews interface {
	Overview(ctx context.Context, who rolebroker.Caller) (*rolebroker.Overview, error)
}

// overviewPage is the first page: what needs a person now, and what agents did in the last day. The page keeps itself
// up to date. Until an agent has a token, it is the way to connect AWS.
type overviewPage struct {
	base
	Steps    []startStep // to connect AWS; empty: they are done
	Concerns []concern   // what needs a person; empty: nothing does
	Charts   []chart     // of the last day; empty: AWS is not connected yet, and nothing happened
	Hours    []hourRow   // the same in numbers
	Refused  string      // how many calls were refused in the last day, as "3 calls"; empty: none
	Waited   string      // the same of those that lacked a person's yes
}

// startStep is one of the steps to connect AWS.
type startStep struct {
	Title, Why string
	Done       bool
	Next       bool // it is the first that is not done
	Button     link // that leads on
	Posts      bool // the button posts
}

// concern is a kind of thing that needs a person, with the things.
type concern struct {
	ID, Title string
	Tone      string // warn or bad
	Count     string
	Items     []concernItem
	More      link // where the rest is; empty: all are here
}

// concernItem is one thing that needs a person. Its link leads to the cause.
type concernItem struct {
	link
	ID   string // of the link, by which it keeps the focus
	What string // the cause in a line; may be empty
	When moment // in words that say what happens then; Never: not known
}

// chart counts something by the hour.
type chart struct {
	Title   string
	Total   string
	Summary string // in words
	Address string // the list of what is counted
	From    string // the first hour
	Bars    []bar  // empty: there was none
}

// bar is an hour of a chart, in units of its picture.
type bar struct {
	X, Y, Height int
	Refused      int // the height of the part that was refused
	Title        string
}

// hourRow is an hour in numbers.
type hourRow struct{ Hour, Sessions, Calls, Refused, Waited string }

// How many things of a kind the page shows, and the size of the picture of a chart.
const (
	maxConcerns = 8
	barWidth    = 10
	chartHeight = 48
)

func (s *server) showOverview(w http.ResponseWriter, r *http.Request, v *visit) error {
	found, err := s.Broker.Overview(r.Context(), v.who)
	if err != nil {
		return err
	}
	page := overviewPage{base: s.base(r, v, "Overview", "overview")}
	if page.Steps, err = s.startSteps(r.Context(), v, page.base, found.HasTokens); err != nil {
		return err
	}
	broken, err := s.brokenGlass(r.Context(), v, page.Now)
	if err != nil {
		return err
	}
	for _, c := range []concern{failing(found), page.pending(found), glass(broken), cutOffsLeft(found), silent(found),
		ending(found)} {
		if len(c.Items) > 0 {
			page.Concerns = append(page.Concerns, c)
		}
	}
	page.count(found.Activity)
	return s.render(w, http.StatusOK, "overview", page)
}

// Clear returns whether nothing needs a person.
func (p overviewPage) Clear() bool { return len(p.Concerns) == 0 && len(p.Steps) == 0 }

// startSteps are the steps to connect AWS; none if all are done.
func (s *server) startSteps(ctx context.Context, v *visit, b base, hasTokens bool) ([]startStep, error) {
	done := []bool{b.Counts.Integrations > 0, b.Counts.Agents > 0, hasTokens}
	if done[0] && done[1] && done[2] {
		return nil, nil
	}
	steps := []startStep{
		{Title: "Connect your roles", Posts: true, Button: link{"Connect AWS", "/integrations/new"},
			Why: "An integration groups IAM roles. You paste a trust policy into AWS, and each role is tried before " +
				"you save."},
		{Title: "Create an agent", Button: link{"New Agent", "/agents/new"},
			Why: "It may borrow the roles of the integrations that you connect it to, and no others."},
		{Title: "Give it a token", Button: link{"Go to Agents", "/agents"},
			Why: "With the token, its processes find AWS credentials where every SDK and the AWS CLI look."},
	}
	agents, err := s.Broker.Agents(ctx, v.who, rolebroker.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(agents) == 1 && b.Counts.Agents == 1 {
		steps[2].Button = link{"Create Token", pageOf(rolebroker.KindAgent, agents[0].ID) + "/tokens"}
	}
	next := false
	for i := range steps {
		steps[i].Done = done[i]
		steps[i].Next = !done[i] && !next
		next = next || steps[i].Next
	}
	return steps, nil
}

// failing is what fails now.
func failing(o *rolebroker.Overview) concern {
	c := concern{ID: "failing", Title: "Fails now", Tone: "bad"}
	for i := range o.Troubles {
		t := &o.Troubles[i]
		item := concernItem{ID: "trouble-" + string(t.First), What: headline(t.State.Message)[0]}
		item.Text, item.Address = troubleName(t), pageOf(rolebroker.KindIntegration, t.Integration)
		if t.Count == 1 {
			item.Address = pageOf(rolebroker.KindRole, t.First)
		} else {
			item.Address += "?show=" + showFailing
		}
		since := t.State.Since
		if since.IsZero() {
			since = t.State.CheckedAt
		}
		item.When = lasting("failing for ", since, o.At)
		c.Items = append(c.Items, item)
	}
	c.Count = fmt.Sprint(len(c.Items))
	if len(c.Items) > maxConcerns {
		c.Items = c.Items[:maxConcerns]
		c.Count = grouped(int64(o.Failing)) + " " + oneOrMany(int64(o.Failing), "integration", "integrations")
		c.More = link{"Show Integrations", "/integrations?state=" + string(rolebroker.StatusFailed)}
	}
	return c
}

// troubleName names the roles that fail for the same cause, as in "production: readonly, deployer and 3 more".
func troubleName(t *rolebroker.Trouble) string {
	name := t.IntegrationName + ": " + strings.Join(t.Roles, ", ")
	if more := t.Count - len(t.Roles); more > 0 {
		name += fmt.Sprintf(" and %d more", more)
	}
	return name
}

// pending is what waits for a yes.
func (p *overviewPage) pending(o *rolebroker.Overview) concern {
	c := concern{ID: "pending", Title: "Waits for a yes", Tone: "warn"}
	for i := range o.Pending {
		req := &o.Pending[i]
		item := concernItem{ID: "waiting-" + string(req.ID), What: req.Reason, When: when(req.CreatedAt, o.At)}
		item.Text = wishOf(req, o.At)
		item.Address = pageOf(rolebroker.KindAccessRequest, req.ID)
		item.When.Ago = "asked " + item.When.Ago
		c.Items = append(c.Items, item)
	}
	c.Count = fmt.Sprint(max(p.Waiting, len(c.Items)))
	if p.Waiting > len(c.Items) {
		c.More = link{"Show the Inbox", inboxPath}
	}
	return c
}

// glass is what the owners of agents approved themselves.
func glass(broken []requestRow) concern {
	c := concern{ID: "glass", Title: "The glass was broken", Tone: "warn", Count: fmt.Sprint(len(broken))}
	for _, req := range broken {
		c.Items = append(c.Items, concernItem{ID: "broken-" + string(req.ID), What: req.Note, When: req.Decided,
			link: link{req.DecidedBy + " approved: " + req.Wish, pageOf(rolebroker.KindAccessRequest, req.ID)}})
	}
	return c.short(link{"Show the Inbox", inboxPath})
}

// short is the concern with as many things as there is room for, and where the rest is.
func (c concern) short(rest link) concern {
	if len(c.Items) > maxConcerns {
		c.Items, c.More = c.Items[:maxConcerns], rest
	}
	return c
}

// cutOffsLeft are the agents that are cut off, from everything or from a role, while keys of theirs work in AWS.
func cutOffsLeft(o *rolebroker.Overview) concern {
	c := concern{ID: "cut-offs", Title: "Cut off, but keys still work", Tone: "bad", Count: fmt.Sprint(len(o.CutOffs))}
	for i := range o.CutOffs {
		cut := &o.CutOffs[i]
		item := concernItem{ID: "cut-" + string(cut.ID), When: lasting("they work for ", o.At, cut.Until),
			What: "The deny policies for its roles are not all in place."}
		item.When.Exact = "until " + when(cut.Until, o.At).Exact
		item.Text, item.Address = "End the keys of "+cut.AgentName, cutOffAt(cut.Agent, cut, "")
		if len(cut.Roles) > 0 {
			item.Text += " for " + takenFrom(cut)
		}
		c.Items = append(c.Items, item)
	}
	return c
}

// silent are the runners that do not answer.
func silent(o *rolebroker.Overview) concern {
	c := concern{ID: "silent", Title: "Silent runners", Tone: "warn", Count: fmt.Sprint(len(o.Silent))}
	for i := range o.Silent {
		runner := &o.Silent[i]
		item := concernItem{ID: "silent-" + string(runner.ID), When: lasting("silent for ", runner.SeenAt, o.At),
			What: "Its roles cannot be borrowed anew, nor checked, until it answers."}
		item.Text, item.Address = runner.Name, pageOf(rolebroker.KindRunner, runner.ID)
		c.Items = append(c.Items, item)
	}
	return c.short(link{"Show Runners", "/runners"})
}

// ending are the tokens and API keys that are about to expire.
func ending(o *rolebroker.Overview) concern {
	c := concern{ID: "ending", Title: "Ends within 14 days", Tone: "warn", Count: fmt.Sprint(len(o.Ending))}
	for _, e := range o.Ending {
		item := concernItem{ID: "ending-key-" + e.Name, When: when(e.At, o.At)}
		item.Text, item.Address = "API key "+e.Name, "/settings#keys"
		if e.Token != "" {
			item.ID = "ending-" + string(e.Token)
			item.Text, item.Address = "A token of "+e.AgentName, pageOf(rolebroker.KindAgent, e.Agent)+"/tokens"
			item.What = e.Name
		}
		item.When.Ago = "ends " + item.When.Ago
		c.Items = append(c.Items, item)
	}
	return c
}

// lasting says how long something lasted from one time to another.
func lasting(word string, from, to time.Time) moment {
	m := when(from, to)
	switch {
	case m.Never:
	case to.Sub(from) < time.Minute:
		m.Ago = "just now"
	default:
		m.Ago = word + rolebroker.DurationInWords(to.Sub(from))
	}
	return m
}

// count adds the charts.
func (p *overviewPage) count(hours []rolebroker.Activity) {
	sessions := chart{Title: "Sessions", Address: "/sessions"}
	calls := chart{Title: "Calls", Address: "/calls"}
	none := func(rolebroker.Activity) int { return 0 }
	refused := func(a rolebroker.Activity) int { return a.Refused }
	sessions.draw(hours, func(a rolebroker.Activity) int { return a.Sessions }, none)
	calls.draw(hours, func(a rolebroker.Activity) int { return a.Calls }, refused)
	if len(p.Steps) > 0 && sessions.Bars == nil && calls.Bars == nil {
		return
	}
	p.Charts = []chart{sessions, calls}
	for _, a := range hours {
		p.Hours = append(p.Hours, hourRow{hourOf(a.From), counted(a.Sessions), counted(a.Calls), counted(a.Refused),
			counted(a.Waited)})
	}
	p.Refused = callsIn(hours, refused)
	p.Waited = callsIn(hours, func(a rolebroker.Activity) int { return a.Waited })
}

// callsIn is how many calls of a kind the hours have, as "3 calls"; empty: none.
func callsIn(hours []rolebroker.Activity, of func(rolebroker.Activity) int) string {
	total, exact := 0, true
	for _, a := range hours {
		total, exact = total+of(a), exact && of(a) < rolebroker.MaxActivity
	}
	if total == 0 {
		return ""
	}
	return upTo(total, exact) + " " + oneOrMany(int64(total), "call", "calls")
}

// draw makes the bars of the hours.
func (c *chart) draw(hours []rolebroker.Activity, of, refused func(rolebroker.Activity) int) {
	most, total, exact, busiest := 0, 0, true, ""
	for _, a := range hours {
		total, exact = total+of(a), exact && of(a) < rolebroker.MaxActivity
		if of(a) > most {
			most, busiest = of(a), hourOf(a.From)
		}
	}
	for i, a := range hours {
		if most == 0 {
			break
		}
		b := bar{X: i*barWidth + 1, Height: scaled(of(a), most), Refused: scaled(refused(a), most)}
		b.Y = chartHeight - b.Height
		b.Title = hourOf(a.From) + ": " + counted(of(a))
		if n := refused(a); n > 0 {
			b.Title += ", " + counted(n) + " refused"
		}
		c.Bars = append(c.Bars, b)
	}
	c.Total = upTo(total, exact)
	c.Summary = c.Title + " by the hour: " + c.Total + " in the last 24 hours"
	if most > 0 {
		c.Summary += ", most of them at " + busiest
	}
	if len(hours) > 0 {
		c.From = hourOf(hours[0].From)
	}
}

// scaled is the height of a number in a chart. What is not zero can be seen.
func scaled(n, most int) int {
	if n <= 0 || most <= 0 {
		return 0
	}
	return max(2, n*(chartHeight-4)/most)
}

// hourOf is the hour that begins at a time.
func hourOf(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// counted is a number that was counted up to MaxActivity.
func counted(n int) string { return upTo(n, n < rolebroker.MaxActivity) }

// upTo is a number with its thousands apart, and a plus sign where there may be more.
func upTo(n int, exact bool) string {
	if !exact {
		return grouped(int64(n)) + "+"
	}
	return grouped(int64(n))
}
