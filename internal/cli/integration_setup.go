package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// setupFormats are the values of --format.
func setupFormats() []string {
	return []string{"text", "trust-policy", "aws-cli", "cloudformation", "stack-set", "terraform", "cut-off"}
}

// setupCommand holds the flags of the command.
type setupCommand struct {
	out               output
	format            choice
	file              fromFile
	request           api.SetupRequest
	current, external string
	template          bool
	reserved          string // the external ID that was reserved for a file without one
}

func newIntegrationSetup(a *app) *cobra.Command {
	var s setupCommand
	cmd := &cobra.Command{
		Use:   "setup [INTEGRATION]",
		Short: "Print what to do in AWS so that the roles can be assumed",
		Long: `Print what to do in AWS so that the roles of an integration, by its name or ID, can
be assumed. The output has this server's AWS identity and the external ID of the
integration filled in, and is ready to paste.

--format is one of
  text            A guide with the steps in the AWS console.
  trust-policy    The trust policy for a new role. With --current, the given policy
                  with the missing statement merged in; a principal in it that
                  names the server exactly stays exact unless you set --principal.
  aws-cli         Commands for the AWS CLI.
  cloudformation  CloudFormation templates in JSON, one for each account; their
                  Metadata say how to use them.
  stack-set       For roles in several accounts: a CloudFormation template that makes the
                  roles of each account in that account, as a stack set; its
                  Metadata have the commands.
  terraform       Terraform configuration.
  cut-off         Commands for the AWS CLI that make the cut-off roles only.

With --with-cut-off, every format also makes a role in each account,
rolebroker-cut-off-INTEGRATION, by which the server puts deny policies on the roles
when an agent is cut off with --apply. Only the server assumes it. It may put inline
policies on exactly these roles, and IAM cannot restrict what these say: whoever
becomes it can give the roles every permission. Run the setup again after the
integration was renamed, got another role or another external ID.

In cluster mode the roles trust a Kubernetes service account, which --oidc-issuer,
--namespace and --service-account name. With --service-account '*' they trust every
service account of the namespace, and with --namespace '*' too, of the cluster.

--template prints a CloudFormation template that makes one role and has everything
in parameters, without asking the server. Put it into a bucket of S3, and start the
server with its URL in --setup-template-url: the web app and the API then have links
that create a role in one step in the AWS console.

Before the integration exists, pass the file that you will create it from with -f,
or an external ID that you reserved for it with --external-id. If the file has no
external ID, one is reserved for it.`,
		Example: `  rolebroker integration setup production
  rolebroker integration setup production --format aws-cli > setup.sh
  rolebroker integration setup production --format cut-off > cut-off-role.sh
  rolebroker integration setup production --format stack-set > rolebroker-production.json
  rolebroker integration setup --template > rolebroker-role.json

  aws iam get-role --role-name ReadOnly --query Role.AssumeRolePolicyDocument > current.json
  rolebroker integration setup production --role readonly --current current.json

  rolebroker integration setup --external-id "$(rolebroker external-id reserve)" --format trust-policy`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if s.template {
				return s.printTemplate(cmd, a, given)
			}
			if err := s.check(cmd, given); err != nil {
				return err
			}
			answer, err := ask(cmd.Context(), a, "asking for the setup",
				func(ctx context.Context, c *client.Client) (api.Setup, error) {
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
	f.StringVar(&s.request.Role, "role", "", "`NAME` of one role (default: all roles)")
	f.StringVar(&s.request.Account, "account", "", "only roles in the account `ID` (default: all roles)")
	s.format.flag(cmd, "format", "", "print in `FORMAT`, one of those above", setupFormats()...)
	f.StringVar(&s.request.Principal, "principal", "",
		"`HOW` trust policies name the server: account (default) or exact")
	f.StringVar(&s.current, "current", "", "`FILE` with the current trust policy of the role; - is stdin")
	f.StringVar(&s.request.Variant, "cluster-variant", "",
		"cluster mode: `HOW` pods identify: irsa, pod-identity or assume-role")
	f.StringVar(&s.request.Issuer, "oidc-issuer", "", "cluster mode: `URL` of the cluster's OpenID Connect issuer")
	f.StringVar(&s.request.Namespace, "namespace", "",
		"cluster mode: `NAMESPACE` of the service account (default rolebroker)")
	f.StringVar(&s.request.ServiceAccount, "service-account", "",
		"cluster mode: `NAME` of the service account (default rolebroker-runner)")
	f.BoolVar(&s.request.CutOff, "with-cut-off", false, "also make the role for agent cut-off --apply")
	f.StringVar(&s.external, "external-id", "", "`ID` that was reserved for a new integration")
	f.BoolVar(&s.template, "template", false, "print the template for --setup-template-url")
	s.file.flag(cmd)
	s.out.flag(cmd)
	a.completeRoles(cmd, "role")
	complete(cmd, "principal", oneOf("account", "exact"))
	complete(cmd, "cluster-variant", oneOf("irsa", "pod-identity", "assume-role"))
	return cmd
}

// printTemplate prints the template that has everything in parameters.
func (s *setupCommand) printTemplate(cmd *cobra.Command, a *app, given []string) error {
	if len(given) > 0 || cmd.Flags().NFlag() > 1 {
		return usage("--template stands alone: the template is the same for all integrations")
	}
	_, err := fmt.Fprint(a.out(), setup.GenericTemplate())
	return err
}

func (s *setupCommand) check(cmd *cobra.Command, given []string) error {
	sources := len(given)
	for _, other := range []string{s.file.path, s.external} {
		if other != "" {
			sources++
		}
	}
	s.request.CutOff = s.request.CutOff || s.format.value == "cut-off"
	switch {
	case sources != 1:
		return usage("give exactly one of INTEGRATION, --file and --external-id")
	case cmd.Flags().Changed("format") && s.out.forMachines():
		return usage("--format and --output %s cannot be combined: the %s has every format", s.out.value,
			strings.ToUpper(s.out.value))
	case s.external != "" && s.request.Role != "":
		return usage("--role needs an integration or a file; --external-id has no roles")
	case s.external != "" && s.request.Account != "":
		return usage("--account needs an integration or a file; --external-id has no roles")
	case s.current != "" && s.request.Role == "":
		return usage("--current needs --role: it is the trust policy of one role")
	case s.external != "" && s.needsRoles():
		return errNoRoles
	}
	return nil
}

var errNoRoles = usage(
	"there are no roles to print this for; use -f with a file that has roles, or --format trust-policy")

// needsRoles says whether the output is about roles.
func (s *setupCommand) needsRoles() bool {
	return !s.out.forMachines() && s.format.value != "text" && s.format.value != "trust-policy"
}

func (s *setupCommand) ask(ctx context.Context, a *app, c *client.Client, given []string) (setup api.Setup, err error) {
	if s.request.CurrentTrustPolicy, err = s.currentPolicy(a.Stdin); err != nil {
		return setup, err
	}
	if len(given) == 1 {
		setup, err = c.Setup(ctx, given[0], s.request)
		return setup, seeList(err, listIntegrations)
	}
	draft := api.SetupDraft{Setup: s.request, Integration: api.IntegrationRequest{ExternalID: s.external}}
	if s.file.given() {
		if err := s.file.decode(a.Stdin, &draft.Integration); err != nil {
			return setup, err
		}
		if err := s.reserve(ctx, c, &draft.Integration); err != nil {
			return setup, err
		}
	}
	return c.SetupDraft(ctx, draft)
}

// reserve gives the integration of a file an external ID, unless it has one or
// needs none.
func (s *setupCommand) reserve(ctx context.Context, c *client.Client, in *api.IntegrationRequest) error {
	if in.ExternalID != "" || in.ID != "" || in.AssumptionMode == "cluster" {
		return nil
	}
	reserved, err := c.ReserveExternalID(ctx)
	s.reserved = reserved.ExternalID
	in.ExternalID = s.reserved
	return err
}

// addToFile says which external ID was reserved for a file.
func (a *app) addToFile(externalID string) {
	a.note("add this line to the file: external_id: %s", externalID)
}

// currentPolicy reads the file of --current; empty if it was not given.
func (s *setupCommand) currentPolicy(stdin io.Reader) (string, error) {
	if s.current == "" {
		return "", nil
	}
	_, text, err := readText(s.current, stdin)
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		err = errors.New("the current trust policy is empty")
	}
	return string(text), err
}

func (s *setupCommand) show(a *app, answer api.Setup) error {
	if s.out.forMachines() {
		return a.encode(s.out.value, answer)
	}
	if answer.IdentityError != "" {
		a.note("The server's AWS identity is not known; there is a placeholder in its place: %s", answer.IdentityError)
	}
	text := map[string]string{"text": answer.Text, "aws-cli": answer.AWSCLI, "cloudformation": answer.CloudFormation,
		"stack-set": stackSets(answer), "terraform": answer.Terraform, "cut-off": answer.CutOff,
		"trust-policy": trustPolicy(answer)}[s.format.value]
	for _, note := range answer.Notes {
		if s.format.value != "text" {
			a.note("note: %s", note)
		}
	}
	if len(answer.Roles) == 0 && s.needsRoles() {
		return errNoRoles
	}
	if text == "" && s.format.value == "stack-set" {
		return usage("these roles are in one account; print their template with --format cloudformation")
	}
	if text == "" {
		return usage("these roles need a %s each; name one role with --role", s.format.value)
	}
	_, err := fmt.Fprintln(a.out(), strings.TrimRight(text, "\n"))
	return err
}

// stackSets returns the templates of all stack sets; empty if there are none.
func stackSets(answer api.Setup) string {
	var all []string
	for _, one := range answer.StackSets {
		all = append(all, one.Template)
	}
	return strings.Join(all, "\n")
}

// trustPolicy returns the policy to print; empty if the roles need different ones.
func trustPolicy(answer api.Setup) string {
	if len(answer.Roles) == 1 && answer.Roles[0].MergedTrustPolicy != "" {
		return answer.Roles[0].MergedTrustPolicy
	}
	return answer.TrustPolicy
}
