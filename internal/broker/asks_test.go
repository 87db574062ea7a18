package broker

import (
	"fmt"
	"testing"

	"github.com/rolebroker/rolebroker"
)

// TestWaitsAreCountedWhileTheyWait: neither an agent that waited often, nor many agents that waited once, use up the
// questions that may wait.
func TestWaitsAreCountedWhileTheyWait(t *testing.T) {
	var a asks
	wait := func(agent string) func() {
		t.Helper()
		end, err := a.beginWait(rolebroker.AgentID(agent))
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	for i := range maxWaits + 1 {
		wait("agt_a")()
		wait(fmt.Sprint("agt_", i))()
	}
	for range maxWaitsPerAgent {
		defer wait("agt_a")()
	}
	if _, err := a.beginWait("agt_a"); rolebroker.CodeOf(err) != rolebroker.CodeThrottled {
		t.Errorf("one more waits: %v", err)
	}
	for i := range maxWaits - maxWaitsPerAgent {
		defer wait(fmt.Sprint("agt_", i))()
	}
	if _, err := a.beginWait("agt_b"); rolebroker.CodeOf(err) != rolebroker.CodeThrottled {
		t.Errorf("one more of all agents waits: %v", err)
	}
}
