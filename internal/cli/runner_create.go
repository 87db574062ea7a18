package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const issuerUsage = "`URL` of the issuer of its cluster, about whose service accounts it is believed"

func newRunnerCreate(a *app) *cobra.Command {
	var (
		out     output
		request api.RunnerRequest
	)
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a runner",
		Long: `Make a runner, for one cluster. It needs a token to join next: rolebroker runner
join-token NAME. Integrations whose roles it is to assume name it.

With --issuer, pods show the token of their service account instead of an agent
token: the runner verifies it, and is believed about the service accounts of that
issuer. No two runners have the same.`,
		Example: `  rolebroker runner create eks-production
  rolebroker runner join-token eks-production
  rolebroker integration update production --assumption-mode cluster --runner eks-production`,
		Args: args("NAME"),
		RunE: func(cmd *cobra.Command, given []string) error {
			request.Name = given[0]
			r, err := ask(cmd.Context(), a, "making the runner", func(ctx context.Context, c *client.Client) (api.Runner, error) {
				return c.CreateRunner(ctx, request)
			})
			if err != nil {
				return err
			}
			if err := a.showRunner(out, r); err != nil {
				return err
			}
			a.note("It needs a token to join: rolebroker runner join-token %s", r.Name)
			return nil
		},
	}
	cmd.Flags().StringVar(&request.Description, "description", "", "`text` on which cluster it is in")
	cmd.Flags().StringVar(&request.Issuer, "issuer", "", issuerUsage)
	out.flag(cmd)
	return cmd
}

func newRunnerUpdate(a *app) *cobra.Command {
	var (
		out   output
		given api.RunnerRequest
	)
	cmd := &cobra.Command{
		Use:   "update RUNNER",
		Short: "Change a runner",
		Long: `Change what is given of a runner and leave the rest as it is. It need not join
again. If someone else changes it at the same time, nothing is changed and you
are told.

Without an issuer it is not believed about any service account, and pods that are
known by theirs borrow nothing through it any more.`,
		Example: `  rolebroker runner update eks-production --issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE
  rolebroker runner update eks-production --name eks-eu`,
		Args: args("RUNNER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := cmd.Flags().Changed
			if !flags("name") && !flags("description") && !flags("issuer") {
				return usage("nothing to change was given")
			}
			r, err := ask(cmd.Context(), a, "changing the runner", func(ctx context.Context, c *client.Client) (api.Runner, error) {
				r, err := runnerOf(ctx, c, args[0])
				if err != nil {
					return r, err
				}
				return c.UpdateRunner(ctx, r.ID, changedRunner(flags, r, given), r.ETag())
			})
			if err != nil {
				return err
			}
			return a.showRunner(out, r)
		},
	}
	cmd.Flags().StringVar(&given.Name, "name", "", "new `name`")
	cmd.Flags().StringVar(&given.Description, "description", "", "`text` on which cluster it is in")
	cmd.Flags().StringVar(&given.Issuer, "issuer", "", issuerUsage+"; empty for none")
	out.flag(cmd)
	completeArgs(cmd, anyway(a.runnerNames))
	return cmd
}

// changedRunner is the runner with what was given.
func changedRunner(flags func(string) bool, r api.Runner, given api.RunnerRequest) api.RunnerRequest {
	request := api.RunnerRequest{Name: r.Name, Description: r.Description, Issuer: r.Issuer}
	if flags("name") {
		request.Name = given.Name
	}
	if flags("description") {
		request.Description = given.Description
	}
	if flags("issuer") {
		request.Issuer = given.Issuer
	}
	return request
}
