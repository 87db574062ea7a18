package web_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// endsSoon makes a token and an API key that end soon.
func (p *person) endsSoon() {
	p.Helper()
	made, err := p.tb.Admin.CreateToken(p.Context(), "librarian", api.TokenRequest{Label: "nightly", ExpiresIn: "72h"})
	if err != nil {
		p.Fatal(err)
	}
	p.tb.HandedOut(rolebroker.NewSecret(string(made.Token)))
	if _, err := p.tb.Admin.CreateAPIKey(p.Context(),
		api.APIKeyRequest{Name: "pipeline", Access: "admin", ExpiresIn: "120h"}); err != nil {
		p.Fatal(err)
	}
}

// Each item of the overview leads to its cause with one click.
func TestTheOverviewLeadsToTheCause(t *testing.T) {
	t.Parallel()
	p := admin(t, furnished(t))
	p.asks("release-21")
	p.cutsOff("scout")
	p.endsSoon()
	for _, item := range []struct {
		of, name, heading string
		sees              []string
	}{
		{"failing", "production: billing", "billing", []string{"BillingExport", "does not say why"}},
		{"pending", "deployer wants to do everything that production/deployer allows, for 1 hour",
			"deployer wants to do everything that production/deployer allows, for 1 hour",
			[]string{"Roll out another release", "Approve"}},
		{"cut-offs", "End the keys of scout", "Cut-off of scout", []string{"The keys still work in AWS"}},
		{"ending", "A token of librarian", "librarian", []string{"nightly"}},
		{"ending", "API key pipeline", "Settings", []string{"pipeline"}},
	} {
		p.opens("/")
		p.arrives("Overview")
		p.in("[aria-labelledby=" + item.of + "-title]").presses(item.name)
		p.arrives(item.heading)
		p.in("main").sees(item.sees...)
	}
	p.opens("/")
	p.in(".day").presses("Sessions")
	p.arrives("Sessions")
}

// An empty overview leads to the first integration, agent and token, without scripts too.
func TestTheOverviewLeadsToTheFirstToken(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*person){
		"with scripts": func(*person) {}, "without scripts": func(p *person) { p.withoutScripts() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := admin(t, empty(t))
			prepare(p)
			p.sees("Connect AWS in three steps")
			p.seesNot("All clear", "Last 24 hours", "New Agent", "Create Token")
			p.presses("Connect AWS")
			p.arrives("Connect AWS")
			p.fills("Name", "production")
			p.typesRole(0, "readonly", "ReadOnly", "us-east-1")
			p.presses("Create Integration")
			p.arrives("production")
			p.presses("Overview")
			p.arrives("Overview")
			p.sees("Almost there", "Done: Connect your roles")
			p.in(".start").presses("New Agent")
			p.arrives("New Agent")
			p.fills("Name", "scout")
			p.ticks("Everything the roles allow")
			p.in("#choosing").sees("production default")
			p.presses("Create Agent")
			p.arrives("scout")
			p.presses("Overview")
			p.arrives("Overview")
			p.in(".start").presses("Create Token")
			p.arrives("scout")
			p.presses("Create Token")
			p.arrives("New token of scout")
			p.tb.HandedOut(rolebroker.NewSecret(strings.TrimSpace(p.reads("Token"))))
			p.presses("Overview")
			p.arrives("Overview")
			p.sees("All clear", "Last 24 hours")
			p.seesNot("Almost there")
		})
	}
}

// The overview brings itself up to date.
func TestTheOverviewBringsItselfUpToDate(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.sees("All clear")
	p.eventually("it asks again by itself", `document.querySelector('#overview[hx-trigger="every 15s"]') !== null`)
	limits := api.LimitsRequest{Approval: string(rolebroker.ApprovalBorrow)}
	if _, err := p.tb.Admin.Limit(p.Context(), "scout", "production", limits, ""); err != nil {
		p.Fatal(err)
	}
	if _, err := p.tb.Client(p.tb.Scout).RequestAccess(p.Context(), api.AccessRequestRequest{
		Role: "production/deployer", Task: "release-17", Reason: "Roll out release 17"}); err != nil {
		p.Fatal(err)
	}
	p.sees("scout wants to do everything that production/deployer allows, for 1 hour", "Roll out release 17")
	p.seesNot("All clear")
}

// What ends, who is silent and what was refused is on the overview of readers, who are offered no more.
func TestTheOverviewOfAReader(t *testing.T) {
	s := newSite(t, true)
	b, reader, ctx := s.as(s.admin), s.as(s.reader), context.Background()
	reader.shows("/", "Connect AWS in three steps", "an admin API key can do that")
	reader.lacks("/", `id="start"`, "All clear")
	b.shows("/", `<button class="primary" id="start">Connect AWS</button>`)

	b.create("production") // its role does not exist in AWS
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	agent, err := s.broker.CreateAgent(ctx, root, broker.AgentSpec{Name: "scout"})
	if err != nil {
		t.Fatal(err)
	}
	soon := broker.TokenSpec{Label: "<laptop>", ExpiresAt: s.now.Add(14*24*time.Hour - time.Hour)}
	if _, _, err := s.broker.CreateToken(ctx, root, "scout", soon); err != nil {
		t.Fatal(err)
	}
	late := broker.TokenSpec{Label: "in time", ExpiresAt: s.now.Add(30 * 24 * time.Hour)}
	if _, _, err := s.broker.CreateToken(ctx, root, "scout", late); err != nil {
		t.Fatal(err)
	}
	eks := b.runner("eks", "")
	s.seen(eks, rolebroker.RunnerReport{})
	call := rolebroker.Call{ID: rolebroker.NewCallID(s.now), EndedAt: s.now, Agent: agent.ID, Service: "s3",
		Operation: "GetObject", Level: rolebroker.CallRead, Decision: rolebroker.CallRefused, Times: 1}
	waited := call
	waited.ID, waited.Code = rolebroker.NewCallID(s.now), rolebroker.CodeApproval
	if err := s.store.RecordCalls(ctx, []rolebroker.Call{call, waited}); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(11 * time.Second) // the broker counts again after ten
	role := string(in.Roles[0].ID)
	reader.shows("/", "Fails now", `href="/roles/`+role+`">production: readonly</a>`, "A token of scout",
		`href="/agents/`+string(agent.ID)+`/tokens"`, "&lt;laptop&gt;", "ends in 13 days",
		`<a id="refused" href="/calls?decision=refused">1 call refused</a>`, `class="refused"`, "<caption>",
		">1 call waited for a yes</a>", "Calls by the hour: 2 in")
	reader.lacks("/", "Silent runners", "in time", "All clear", "three steps", `method="post" action="/int`)
	reader.shows("/roles/"+role, "Why it fails", "readonly")
	s.now = s.now.Add(2 * time.Hour)
	reader.shows("/", "Silent runners", `href="/runners/`+string(eks.ID)+`">eks</a>`, "silent for 2 hours",
		"failing for 2 hours")
	s.now = s.now.Add(25 * time.Hour)
	reader.lacks("/", `id="refused"`)
}

// Many roles that fail for the same cause are one item, and many items are cut.
func TestTheOverviewOfMuchThatFails(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	for _, name := range strings.Fields("a b c d e f g h i j") {
		b.create("team-" + name)
	}
	b.shows("/", "10 integrations", `<a id="failing-more" href="/integrations?state=failed"`)
	if n := strings.Count(b.get("/").Body.String(), `id="trouble-`); n != 8 {
		t.Errorf("it shows %d that fail", n)
	}
	s.now = s.now.Add(time.Minute) // the newest is the first
	answer := b.post("/integrations/new/aws", "name", "wide", "mode", "platform", "external_id", b.begin(), "rows", "4",
		"default", "0", "action", "save",
		"role.0.name", "r0", "role.0.arn", roleARN+"0", "role.0.region", "us-east-1", "role.0.enabled", "on",
		"role.1.name", "r1", "role.1.arn", roleARN+"1", "role.1.region", "us-east-1", "role.1.enabled", "on",
		"role.2.name", "r2", "role.2.arn", roleARN+"2", "role.2.region", "us-east-1", "role.2.enabled", "on",
		"role.3.name", "r3", "role.3.arn", roleARN+"3", "role.3.region", "us-east-1", "role.3.enabled", "on")
	if answer.Code != http.StatusSeeOther {
		t.Fatal(answer.Code, answer.Body)
	}
	if n := b.get("/").Body.Len(); n > maxPage {
		t.Errorf("it has %d bytes", n)
	}
	path, _, _ := strings.Cut(answer.Header().Get("Location"), "?")
	b.shows("/", `href="`+path+`?show=failing">wide: r0, r1, r2 and 1 more</a>`)
}

// The newest trouble is the first, also when more integrations fail than are looked at, whatever their names are.
func TestTheOverviewTellsTheNewestTrouble(t *testing.T) {
	const many = 60
	s := newSite(t, true)
	b := s.as(s.admin)
	for i := range many {
		b.create(fmt.Sprintf("team-%02d", i))
	}
	s.now = s.now.Add(time.Hour)
	b.create("zoo")
	b.shows("/", "61 integrations", "zoo: readonly")
	if first := b.firstTrouble(); first != "zoo: readonly" {
		t.Errorf("the first trouble is %s", first)
	}
	if rows := b.rowsOf("/integrations?state=failed"); len(rows) != many+1 {
		t.Errorf("the list of those that fail has %d rows", len(rows))
	}
}

var troubleLink = regexp.MustCompile(`id="trouble-[^"]*" href="[^"]*">([^<]*)<`)

// firstTrouble is the first of what fails on the overview.
func (b *browser) firstTrouble() string {
	b.Helper()
	found := troubleLink.FindStringSubmatch(b.get("/").Body.String())
	if found == nil {
		b.Fatal("nothing fails")
	}
	return found[1]
}
