package web_test

import (
	"cmp"
	"fmt"
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

// crowdedThings replaces the variable parts of addresses with the IDs of what is in a crowded site.
func (b *browser) crowdedThings() *strings.Replacer {
	b.Helper()
	in, err := b.broker.Integration(b.Context(), root, "production")
	if err != nil {
		b.Fatal(err)
	}
	agent, err := b.broker.Agent(b.Context(), root, "scout")
	if err != nil {
		b.Fatal(err)
	}
	runner := b.runner("eks", issuerA)
	for i := range 60 {
		account := rolebroker.ServiceAccount{Issuer: issuerA, Namespace: "agents", Name: fmt.Sprintf("worker-%d", i)}
		if _, err := b.broker.Bind(b.Context(), root, fmt.Sprintf("worker-%03d", i+1), account, nil); err != nil {
			b.Fatal(err)
		}
	}
	rule := broker.ApprovalRuleSpec{Name: "reads", Reason: "Reading harms nobody", Agent: "scout"}
	if _, err := b.broker.CreateApprovalRule(b.Context(), root, rule); err != nil {
		b.Fatal(err)
	}
	return strings.NewReplacer("{runner}", string(runner.ID), "{$}", "",
		"{rule}", "reads", "{session}", string(b.lends(agent, in, in.Roles[0].Name).ID),
		"{integration}", string(in.ID), "{agent}", string(agent.ID),
		"{role}", string(in.Roles[0].ID))
}

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

// Every page stays small, however much there is.
func TestPagesStaySmall(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.admin)
	things := b.crowdedThings()
	b.failAll()
	shown := 0
	for _, pattern := range web.Patterns(s.handler) {
		path, ok := strings.CutPrefix(pattern, http.MethodGet+" ")
		if !ok || strings.HasPrefix(path, "/static/") || strings.HasSuffix(path, "/export") {
			continue
		}
		address := things.Replace(path)
		if strings.Contains(address, "{") {
			continue // there is no such thing here: the scenes of the furnished deployment show those pages
		}
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
		if answer.Code == http.StatusOK {
			shown++
		}
		t.Logf("%7d bytes  %d  %s", answer.Body.Len(), answer.Code, path)
	}
	b.post("/rows", "rows", "compact")
	for _, list := range []string{"/integrations", "/agents", "/sessions", "/calls"} {
		if n := b.get(list).Body.Len(); n > maxPage {
			t.Errorf("GET %s has %d bytes when its rows are compact, more than %d", list, n, maxPage)
		}
	}
	if shown < 15 {
		t.Errorf("only %d pages were shown", shown)
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
