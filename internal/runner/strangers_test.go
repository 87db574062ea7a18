package runner

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

// Wrong tokens from the address of an agent do not keep the agent out.
func TestStrangersAreToldToWaitAndAgentsAreServed(t *testing.T) {
	inWorld(t, func(w *world) {
		made, _ := auth.NewAgentToken(rolebroker.NewTokenID())
		var last error
		for range 40 {
			_, last = w.borrows(made, "inner")
		}
		if rolebroker.CodeOf(last) != rolebroker.CodeUnauthenticated || rolebroker.IsOutage(last) ||
			!strings.Contains(last.Error(), "too many requests from") {
			w.Errorf("after many wrong tokens: %v", last)
		}
		w.allow("inner")
	})
}
