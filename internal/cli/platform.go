package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newPlatform(a *app) *cobra.Command {
	return asking(a, &cobra.Command{
		Use:   "platform",
		Short: "Show the server's AWS identity and version",
		Long: `Show the AWS identity of the server, which the trust policies of your roles must
let in, and the version of the server.`,
		Example: `  rolebroker platform
  rolebroker platform -o json`,
	}, "reading the identity of the server",
		func(ctx context.Context, c *client.Client, _ []string) (api.Platform, error) { return c.Platform(ctx) },
		func(o output, p api.Platform) error { return a.show(o, p, func() *table { return platformTable(p) }) })
}

func platformTable(p api.Platform) *table {
	t := details("Account", orDash(p.Account), "ARN", orDash(p.ARN), "User ID", orDash(p.UserID),
		"Version", p.Version, "Features", orDash(strings.Join(p.Features, ", ")))
	for _, key := range p.AuditKeys {
		t.add("Audit key:", key)
	}
	if p.IdentityError != "" {
		t.add("Not known because:", p.IdentityError)
	}
	return t
}
