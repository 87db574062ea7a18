package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// Validating 300 roles tells a script about each as soon as it is known, how many there are and which fail. Without a
// script it leads to the page that says the result.
func TestValidatingManyRolesShowsProgress(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path, in := b.manyRoles()
	watching := map[string]string{"Accept": "application/x-ndjson"}
	type line struct {
		Role, Tone, Word, Says, To string
		Done, Of                   int
	}
	watch := func(body string) (lines []line) {
		t.Helper()
		answer := b.do(http.MethodPost, path+"/roles", body, watching)
		if kind := answer.Header().Get("Content-Type"); kind != watching["Accept"] || answer.Code != http.StatusOK {
			t.Fatalf("%s: %d, %s: %.300s", body, answer.Code, kind, answer.Body)
		}
		for text := range strings.Lines(answer.Body.String()) {
			var l line
			if strings.TrimSpace(text) == "" {
				continue
			}
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, l)
		}
		return lines
	}
	all := watch("action=validate-all&show=failing")
	seen := map[string]bool{}
	for _, l := range all[:len(all)-1] {
		seen[l.Role] = true
		if l.Of != 300 || l.Tone != "bad" && l.Tone != "off" || l.Says == "" || l.To != "" {
			t.Errorf("a line is %+v", l)
		}
	}
	last := all[len(all)-1]
	if before := all[len(all)-2]; len(seen) != 300 || before.Done != 300 ||
		!strings.HasPrefix(before.Says, "300 of 300 roles tried. 300 cannot be assumed: ") ||
		!strings.HasSuffix(before.Says, " and 297 more.") {
		t.Errorf("%d roles were tried; the last line of a role is %+v", len(seen), before)
	}
	if last.To != path+"?done=validated&show=failing" {
		t.Errorf("it ends with %+v", last)
	}
	b.shows(last.To, "200 of 200 selected roles cannot be assumed yet")

	role := string(in.Role("payments-000").ID)
	some := watch(fmt.Sprintf("action=enable&version=%d&role=%s", in.Version, role))
	if len(some) < 2 || some[0].Role != role || some[0].Of != 1 || some[len(some)-1].To != path+"?done=updated" {
		t.Errorf("enabling a role tells %+v", some)
	}
	if now, err := s.broker.Integration(t.Context(), root, "production"); err != nil || !now.Role("payments-000").Enabled {
		t.Error("the role is not enabled", err)
	}
	nothing := b.do(http.MethodPost, path+"/roles", "action=validate", watching)
	b.answers(nothing, http.StatusUnprocessableEntity, "Choose a role first.")
}

// The page shows how far the validation is, and ends with its result. So it does without scripts.
func TestThePageShowsHowFarAValidationIs(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	p := admin(t, tb)
	p.looksAt("production")
	remove := tb.AWS.Inject(awssim.Fault{RoleARN: arn("Deployer"), Delay: time.Hour})
	p.presses("Validate")
	p.in("#progress").sees("2 of 3 roles tried.")
	p.eventually("the bar shows it", "document.querySelector('#progress progress').position > .6")
	p.eventually("the button waits", "document.querySelector('#validate-all').disabled")
	p.maybeTakes("integration-validating")
	remove()
	p.looksAt("production") // which ends the validation
	p.ticks("Choose readonly")
	p.ticks("Choose deployer")
	p.presses("Validate Chosen")
	p.sees("Validated. All 2 selected roles can be assumed.")
	p.ticks("Choose deployer")
	p.presses("Disable Chosen")
	p.sees("Updated.")
	p.ticks("Choose deployer")
	p.presses("Enable Chosen")
	p.eventually("it is enabled, and the result is shown", "document.querySelector('#progress').hidden && "+
		"document.querySelector('[data-role=deployer] summary').textContent.includes('works, not locked')")
	p.withoutScripts()
	p.presses("Validate")
	p.sees("Validated. All 2 selected roles can be assumed.")
	p.complains()
}
