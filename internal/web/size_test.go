package web_test

import (
	"cmp"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/web"
)

// The most that a page may have, in bytes of HTML.
const (
	maxPage      = 100_000
	maxRolesPage = 200_000 // that has all of 300 roles, of which all may fail
)

// crowdedThings replaces the variable parts of addresses with the IDs of what is in a crowded site. It adds more to the
// site than pages of lists have room for.
func (b *browser) crowdedThings() *strings.Replacer {
	b.Helper()
	ctx := b.Context()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	in, err := b.broker.Integration(ctx, root, "production")
	must(err)
	agent, err := b.broker.Agent(ctx, root, "scout")
	must(err)
	runner := b.runner("eks", issuerA)
	var token *rolebroker.Token
	var session *rolebroker.Session
	var req *rolebroker.AccessRequest
	for i := range crowdedList {
		n := fmt.Sprintf("%03d", i)
		account := rolebroker.ServiceAccount{Issuer: issuerA, Namespace: "agents", Name: "scout-" + n}
		_, err = b.broker.Bind(ctx, root, "scout", account, nil)
		must(err)
		token, _, err = b.broker.CreateToken(ctx, root, "scout", broker.TokenSpec{Label: "The machine " + n})
		must(err)
		session = b.lends(agent, in, in.Roles[i].Name)
		b.key("key-"+n, rolebroker.KeyReadOnly)
		req, err = b.broker.RequestAccess(ctx, b.worker(1+i), broker.AccessRequestSpec{Reason: "release 17"})
		must(err)
		rule := broker.ApprovalRuleSpec{Name: "reads-" + n, Reason: "Reading harms nobody", Agent: "scout"}
		_, err = b.broker.CreateApprovalRule(ctx, root, rule)
		must(err)
	}
	ended := b.lends(agent, in, in.Roles[0].Name)
	_, _, err = b.broker.EndSession(ctx, root, ended.ID, false)
	must(err)
	_, err = b.broker.CutOff(ctx, root, "worker-190", broker.CuttingOff{})
	must(err)
	return strings.NewReplacer("/agents/{agent}/cut-off", "/agents/worker-190/cut-off",
		"/sessions/{session}/cut-off", "/sessions/"+string(ended.ID)+"/cut-off", "{$}", "",
		"{runner}", string(runner.ID), "{rule}", "reads-000", "{session}", string(session.ID),
		"{integration}", string(in.ID), "{role}", string(in.Roles[0].ID), "{agent}", string(agent.ID),
		"{token}", string(token.ID), "{request}", string(req.ID))
}

// worker is an agent of a crowded site, which has to ask.
func (b *browser) worker(i int) rolebroker.Caller {
	b.Helper()
	name, limits := fmt.Sprintf("worker-%03d", i), &broker.Limits{Approval: rolebroker.ApprovalBorrow}
	agent, err := b.broker.Connect(b.Context(), root, name, fmt.Sprintf("team-%03d", i), limits, 0)
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := b.broker.CreateToken(b.Context(), root, name, broker.TokenSpec{})
	if err != nil {
		b.Fatal(err)
	}
	return rolebroker.Caller{Agent: agent.ID, Token: token.ID}
}

// crowdedList is how many tokens, service accounts, sessions, keys, requests and rules a crowded site has.
const crowdedList = 70

// failAll has AWS refuse the 300 roles, which are not there.
func (b *browser) failAll() {
	b.Helper()
	how := broker.Validating{Wait: new(time.Duration)}
	if _, err := b.broker.ValidateIntegration(b.Context(), root, "production", how); err != nil {
		b.Fatal(err)
	}
}

// rolesPages are the pages that have all roles of an integration.
var rolesPages = map[string]bool{"/integrations/{integration}": true, "/integrations/{integration}/edit": true}

// noPages are the addresses that are no pages, or lead to others.
var noPages = map[string]bool{"/static/{file}": true, "/audit/export": true, "/sign-in": true,
	"/sign-in/provider": true, "/sign-in/callback": true, "/integrations/{integration}/setup/{file}": true}

// Every page stays small, however much there is.
func TestPagesStaySmall(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.admin)
	things := b.crowdedThings()
	b.failAll()
	for _, pattern := range web.Patterns(s.handler) {
		path, ok := strings.CutPrefix(pattern, http.MethodGet+" ")
		if !ok || noPages[path] {
			continue
		}
		address := things.Replace(path)
		if strings.HasSuffix(address, "/new/aws") {
			address += "?" + url.Values{"external_id": {b.begin()}}.Encode()
		}
		answer := b.get(address)
		limit := maxPage
		if rolesPages[path] {
			limit = maxRolesPage
		}
		if n := answer.Body.Len(); n > limit {
			t.Errorf("GET %s has %d bytes, more than %d", path, n, limit)
		}
		if answer.Code != http.StatusOK {
			t.Errorf("GET %s answers %d", address, answer.Code)
		}
		t.Logf("%7d bytes  %d  %s", answer.Body.Len(), answer.Code, path)
	}
	b.post("/rows", "rows", "compact")
	for _, list := range []string{"/integrations", "/agents", "/sessions", "/calls"} {
		if n := b.get(list).Body.Len(); n > maxPage {
			t.Errorf("GET %s has %d bytes when its rows are compact, more than %d", list, n, maxPage)
		}
	}
}

// BenchmarkPages renders every page of a crowded site whose 300 roles fail, and makes the files of their setup. A page
// should take less than 20 ms of CPU time.
func BenchmarkPages(b *testing.B) {
	s := crowdedSite(b)
	person := s.as(s.admin)
	things := person.crowdedThings()
	external := person.begin()
	person.failAll()
	var addresses []string
	for _, pattern := range web.Patterns(s.handler) {
		path, ok := strings.CutPrefix(pattern, http.MethodGet+" ")
		address := things.Replace(path)
		switch {
		case !ok || strings.HasPrefix(path, "/static/"):
		case strings.HasSuffix(path, "/setup"):
			addresses = append(addresses, address, address+"?role=role-299")
		case strings.HasSuffix(path, "/new/aws"):
			addresses = append(addresses, address+"?"+url.Values{"external_id": {external}}.Encode())
		case strings.HasSuffix(address, "/{file}"):
			for _, file := range []string{"commands.sh", "roles.tf", "template.json", "templates.zip", "stack-set.zip"} {
				addresses = append(addresses, strings.ReplaceAll(address, "{file}", file))
			}
		case !strings.Contains(address, "{"):
			addresses = append(addresses, address)
		}
	}
	for _, address := range addresses {
		name := cmp.Or(strings.TrimPrefix(crowdedIDs.ReplaceAllString(address, "ID"), "/"), "overview")
		b.Run(strings.ReplaceAll(name, "/", "_"), func(b *testing.B) {
			before := cpuTime(b)
			for b.Loop() {
				person.get(address)
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// crowdedIDs are what a name of a benchmark has not, because it should be the same each time.
var crowdedIDs = regexp.MustCompile(`[a-z]{3}_[a-z2-7]{26}|external_id=[^&]+`)

// cpuTime is what this process has used, which is about the same on a busy machine.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// An agent's tokens and service accounts are on pages, each of which keeps its place.
func TestTokensArePaged(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	agent, err := s.broker.CreateAgent(t.Context(), root, broker.AgentSpec{Name: "scout"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		account := rolebroker.ServiceAccount{Issuer: issuerA, Namespace: "agents", Name: fmt.Sprintf("account-%02d", i)}
		if _, err := s.broker.Bind(t.Context(), root, "scout", account, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.broker.CreateToken(t.Context(), root, "scout", broker.TokenSpec{}); err != nil {
			t.Fatal(err)
		}
	}
	path := "/agents/" + string(agent.ID) + "/tokens"
	token := regexp.MustCompile(`tokens/(tok_\w+)/revoke`)
	account := regexp.MustCompile(`<strong class="wrap">agents/(account-\d\d)<`)
	next := regexp.MustCompile(`<a href="([^"]*)">Next( page)?</a>`)
	for _, list := range []struct {
		name     string
		row      *regexp.Regexp
		other    *regexp.Regexp
		has, end string
	}{
		{"tokens", token, account, "1 to 25 of 60 tokens", "51 to 60 of 60 tokens"},
		{"accounts", account, token, "Pages of service accounts", "First page"},
	} {
		seen, at, last := map[string]bool{}, path, ""
		for pages := 0; at != "" && pages < 5; pages++ {
			last = b.get(at).Body.String()
			if pages == 0 && !strings.Contains(last, list.has) {
				t.Errorf("GET %s has no %q", at, list.has)
			}
			for _, row := range list.row.FindAllStringSubmatch(last, -1) {
				seen[row[1]] = true
			}
			if n := len(list.other.FindAllString(last, -1)); n != 25 {
				t.Errorf("GET %s has %d rows of the other list", at, n)
			}
			at = ""
			for _, link := range next.FindAllStringSubmatch(last, -1) {
				if address, anchor, _ := strings.Cut(link[1], "#"); anchor == list.name {
					at = html.UnescapeString(address)
				}
			}
		}
		if len(seen) != 60 || !strings.Contains(last, list.end) {
			t.Errorf("the pages of %s have %d of 60", list.name, len(seen))
		}
	}
}

// An agent that may borrow 300 roles has them on pages.
func TestRolesOfAnAgentArePaged(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.admin)
	for _, at := range []struct{ address, has, hasNot string }{
		{"/agents/scout", "1 to 50 of 300 roles", ">Before<"},
		{"/agents/scout?roles=51", "51 to 100 of 300 roles", ">role-000<"},
		{"/agents/scout?roles=251", "251 to 300 of 300 roles", ">Next<"},
		{"/agents/scout?roles=9999", "300 to 300 of 300 roles", ">Next<"},
		{"/agents/scout?roles=-7", "1 to 50 of 300 roles", ">Before<"},
		{"/agents/worker-001", "role-002", "of 3 roles"},
	} {
		body := b.get(at.address).Body.String()
		if !strings.Contains(body, at.has) || strings.Contains(body, at.hasNot) {
			t.Errorf("GET %s should have %q and not %q", at.address, at.has, at.hasNot)
		}
	}
}
