package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// setupFormats are the values of --format.
func setupFormats() []string {
	return []string{"text", "trust-policy", "aws-cli", "cloudformation", "terraform"}
}

// setupCommand is what the flags say.
type setupCommand struct {
	out                       output
	file                      fromFile
	request                   api.SetupRequest
	format, current, external string
	reserved                  string // an external ID for the file, which has none
}

func newIntegrationSetup(a *app) *cobra.Command {
	var s setupCommand
	cmd := &cobra.Command{
		Use:   "setup [INTEGRATION]",
		Short: "Print what to do in AWS so that the roles can be assumed",
		Long: `Print what has to be done in AWS so that the roles of an integration, by its name
or ID, can be assumed: filled in with this server's AWS identity and the
external ID of the integration, and ready to be pasted.

--format is
  text            a guide: who assumes the roles, and the steps in the AWS console
  trust-policy    the trust policy of a new role or, with --current, that of a
                  role as it is with what is missing merged in; an exact
                  principal in it stays exact without --principal
  aws-cli         commands for the AWS CLI
  cloudformation  a CloudFormation template in JSON, one for each account;
                  its Metadata say how to use it
  terraform       Terraform configuration

In cluster mode the roles trust a Kubernetes service account; --oidc-issuer,
--namespace and --service-account say which.

Before there is an integration, -f takes the file that it will be made from, or
--external-id an external ID that was reserved for it. If the file has none, one
is reserved, for the trust policies and for the file.`,
		Example: `  rolebroker integration setup production
  rolebroker integration setup production --format aws-cli > setup.sh

  aws iam get-role --role-name ReadOnly --query Role.AssumeRolePolicyDocument > current.json
  rolebroker integration setup production --role readonly --current current.json

  rolebroker integration setup --external-id "$(rolebroker external-id reserve)" --format trust-policy`,
		Args: args("[INTEGRATION]"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := s.check(cmd, given); err != nil {
				return err
			}
			answer, err := ask(cmd.Context(), a, "asking for the setup", func(ctx context.Context, c *client.Client) (api.Setup, error) {
				return s.ask(ctx, a, c, given)
			})
			if err != nil {
				return err
			}
			if err := s.show(a, answer); err != nil {
				return err
			}
			if s.reserved != "" {
				a.addToFile(s.reserved)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.request.Role, "role", "", "`name` of one role; all otherwise")
	f.StringVar(&s.format, "format", "text", "what to print, `one` of those above")
	f.StringVar(&s.request.Principal, "principal", "", "`how` trust policies name the server: account (the default) or exact")
	f.StringVar(&s.current, "current", "", "`file` with the trust policy that the role has now; - is stdin")
	f.StringVar(&s.request.Variant, "cluster-variant", "", "cluster mode: `how` pods identify: irsa, pod-identity or assume-role")
	f.StringVar(&s.request.Issuer, "oidc-issuer", "", "cluster mode: `URL` of the cluster's OpenID Connect issuer")
	f.StringVar(&s.request.Namespace, "namespace", "", "cluster mode: `namespace` of the service account (default rolebroker)")
	f.StringVar(&s.request.ServiceAccount, "service-account", "", "cluster mode: `name` of the service account (default rolebroker-runner)")
	f.StringVar(&s.external, "external-id", "", "`ID` that was reserved for an integration to come")
	s.file.flag(cmd, nil)
	s.out.flag(cmd)
	a.rolesOf(cmd, "role")
	complete(cmd, "format", func(string) ([]string, error) { return setupFormats(), nil })
	complete(cmd, "principal", func(string) ([]string, error) { return []string{"account", "exact"}, nil })
	complete(cmd, "cluster-variant", func(string) ([]string, error) { return []string{"irsa", "pod-identity", "assume-role"}, nil })
	completeArgs(cmd, anyway(a.integrationNames))
	return cmd
}

func (s *setupCommand) check(cmd *cobra.Command, given []string) error {
	known := false
	for _, f := range setupFormats() {
		known = known || f == s.format
	}
	sources := len(given)
	for _, other := range []string{s.file.path, s.external} {
		if other != "" {
			sources++
		}
	}
	switch {
	case !known:
		return usage("--format %q is not one of %s", s.format, strings.Join(setupFormats(), ", "))
	case sources != 1:
		return usage("give one of the name of an integration, --file and --external-id")
	case cmd.Flags().Changed("format") && s.out.String() != "table":
		return usage("--format and --output %s cannot both be given: the %s has every format", s.out.String(), strings.ToUpper(s.out.String()))
	case s.external != "" && s.request.Role != "":
		return usage("--role is a role of an integration or of a file; --external-id has none")
	case s.current != "" && s.request.Role == "":
		return usage("--current is the trust policy of one role; name it with --role")
	case s.external != "" && s.needsRoles():
		return errNoRoles
	}
	return nil
}

var errNoRoles = usage("there are no roles to print this for; take -f with a file that has them, or --format trust-policy")

// needsRoles says that there is nothing to print when there are no roles.
func (s *setupCommand) needsRoles() bool {
	return s.out.String() == "table" && s.format != "text" && s.format != "trust-policy"
}

func (s *setupCommand) ask(ctx context.Context, a *app, c *client.Client, given []string) (setup api.Setup, err error) {
	if s.request.CurrentTrustPolicy, err = s.currentPolicy(a.Stdin); err != nil {
		return setup, err
	}
	if len(given) == 1 {
		setup, err = c.Setup(ctx, given[0], s.request)
		return setup, seeList(err, "rolebroker integration list")
	}
	draft := api.SetupDraft{Setup: s.request, Integration: api.IntegrationRequest{ExternalID: s.external}}
	if s.file.path != "" {
		if err := s.file.decode(a.Stdin, &draft.Integration); err != nil {
			return setup, err
		}
		if err := s.reserve(ctx, c, &draft.Integration); err != nil {
			return setup, err
		}
	}
	return c.SetupDraft(ctx, draft)
}

// reserve gives what is in a file an external ID, unless it has one or needs none.
func (s *setupCommand) reserve(ctx context.Context, c *client.Client, in *api.IntegrationRequest) error {
	if in.ExternalID != "" || in.ID != "" || in.AssumptionMode == "cluster" {
		return nil
	}
	reserved, err := c.ReserveExternalID(ctx)
	s.reserved = reserved.ExternalID
	in.ExternalID = s.reserved
	return err
}

// addToFile says that an external ID was reserved for what is in a file.
func (a *app) addToFile(externalID string) {
	a.note("add this line to the file: external_id: %s", externalID)
}

// currentPolicy is what --current names; empty when it was not given.
func (s *setupCommand) currentPolicy(stdin io.Reader) (string, error) {
	in := stdin
	switch s.current {
	case "":
		return "", nil
	case "-":
	default:
		file, err := os.Open(s.current)
		if err != nil {
			return "", err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFile))
	if err == nil && strings.TrimSpace(string(text)) == "" {
		err = errors.New("the current trust policy is empty")
	}
	return string(text), err
}

func (s *setupCommand) show(a *app, answer api.Setup) error {
	if s.out.format == "json" || s.out.format == "yaml" {
		return a.encode(s.out.format, answer)
	}
	if answer.IdentityError != "" {
		a.note("The server's AWS identity is not known, and a placeholder stands for it: %s", answer.IdentityError)
	}
	text := map[string]string{"text": answer.Text, "aws-cli": answer.AWSCLI, "cloudformation": answer.CloudFormation,
		"terraform": answer.Terraform, "trust-policy": trustPolicy(answer)}[s.format]
	for _, note := range answer.Notes {
		if s.format != "text" {
			a.note("note: %s", note)
		}
	}
	if len(answer.Roles) == 0 && s.needsRoles() {
		return errNoRoles
	}
	if text == "" {
		return usage("there is no one %s for all of these roles; name one with --role", s.format)
	}
	_, err := fmt.Fprintln(a.Stdout, strings.TrimRight(text, "\n"))
	return err
}

// trustPolicy is the one that was asked for; empty when there are several.
func trustPolicy(answer api.Setup) string {
	if len(answer.Roles) == 1 && answer.Roles[0].MergedTrustPolicy != "" {
		return answer.Roles[0].MergedTrustPolicy
	}
	return answer.TrustPolicy
}
