package web

import (
	"strconv"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// The number of silent runners is that of all, also where the page has no room for all.
func TestManySilentRunners(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, maxConcerns, maxConcerns + 1, 40} {
		c := silent(&rolebroker.Overview{At: time.Now(), Silent: make([]rolebroker.Runner, n)})
		if c.Count != strconv.Itoa(n) || len(c.Items) != min(n, maxConcerns) ||
			(c.More.Address != "") != (n > maxConcerns) {
			t.Errorf("%d: %s, %d items, more at %q", n, c.Count, len(c.Items), c.More.Address)
		}
	}
}
