package web_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/rolebroker/rolebroker/internal/broker"
)

// A button cuts an agent off; its page then says why, and how its keys are ended in AWS. Readers cannot.
func TestAPageCutsAnAgentOff(t *testing.T) {
	s := newSite(t, true)
	ctx := context.Background()
	agent, err := s.broker.CreateAgent(ctx, root, broker.AgentSpec{Name: "scout"})
	if err != nil {
		t.Fatal(err)
	}
	page := "/agents/" + string(agent.ID)
	reader := s.as(s.reader)
	reader.answers(reader.post(page+"/cut-off", "reason", "no"), http.StatusForbidden)
	b := s.as(s.admin)
	b.shows(page, "Cut Off Agent")
	b.answers(b.post(page+"/cut-off", "reason", "leaked <keys>"), http.StatusSeeOther)
	b.shows(page, "leaked &lt;keys&gt;", "rolebroker agent cut-off scout --print", "never the old ones", "disabled")
	if now, err := s.broker.Agent(ctx, root, "scout"); err != nil || !now.Disabled || !now.CutOff.IsSet() {
		t.Errorf("the agent is %+v, %v; want it cut off", now, err)
	}
	b.answers(b.post(page+"/enable"), http.StatusSeeOther)
	b.shows(page, "Cut Off Agent")
}
