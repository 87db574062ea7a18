package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newPlatform(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "platform",
		Short: "Show the server's own AWS identity and version",
		Long: `Show who the server is in AWS, which is whom the trust policies of your roles have
to name, and its version.`,
		Example: `  rolebroker platform
  rolebroker platform -o json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := ask(cmd.Context(), a, "asking the server who it is", func(ctx context.Context, c *client.Client) (api.Platform, error) {
				return c.Platform(ctx)
			})
			if err != nil {
				return err
			}
			return a.show(out, p, func() *table { return platformTable(p) })
		},
	}
	out.flag(cmd)
	return cmd
}

func platformTable(p api.Platform) *table {
	t := details("Account", orDash(p.Account), "ARN", orDash(p.ARN), "User ID", orDash(p.UserID),
		"Version", p.Version, "Features", orDash(strings.Join(p.Features, ", ")))
	if p.IdentityError != "" {
		t.add("Not known because:", p.IdentityError)
	}
	return t
}

// details is a table of names and values.
func details(pairs ...string) *table {
	t := &table{}
	for i := 0; i+1 < len(pairs); i += 2 {
		t.add(pairs[i]+":", pairs[i+1])
	}
	return t
}
