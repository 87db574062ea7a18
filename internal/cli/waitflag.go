package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

// waitFlag is the flag --wait of a command that validates: how long a denied role is
// tried again.
type waitFlag struct {
	given *time.Duration // nil: the server decides
}

// flag adds the flag. otherwise says what the server does without it.
func (w *waitFlag) flag(cmd *cobra.Command, otherwise string) {
	cmd.Flags().Var(w, "wait", "try a denied role again for `DURATION`, up to "+
		rolebroker.ShortDuration(rolebroker.MaxWait)+" (default "+otherwise+")")
}

// Set implements pflag.Value.
func (w *waitFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > rolebroker.MaxWait {
		return fmt.Errorf("write a duration from 0s to %s, as in 30s", rolebroker.ShortDuration(rolebroker.MaxWait))
	}
	w.given = &d
	return nil
}

// String implements pflag.Value.
func (w *waitFlag) String() string {
	if w.given == nil {
		return ""
	}
	return w.given.String()
}

// Type implements pflag.Value.
func (*waitFlag) Type() string { return "duration" }

// options are those of saving an integration.
func (w *waitFlag) options() []client.SaveOption {
	if w.given == nil {
		return nil
	}
	return []client.SaveOption{client.Wait(*w.given)}
}
