package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

func newCredentials(a *app) *cobra.Command {
	var borrow borrowing
	format := "json"
	cmd := &cobra.Command{
		Use:   "credentials",
		Short: "Print borrowed AWS credentials",
		Long: `Print temporary AWS credentials of the role that --role names, or of the agent's
default role. For a program that runs longer than they live, use exec: printed
credentials do not renew.

The formats:
  json     the body that container credentials have: AccessKeyId,
           SecretAccessKey, Token, Expiration, RoleArn, AccountId
  process  for credential_process in an AWS config file
  env      export lines for a shell, with the role's region`,
		Example: `  # an AWS profile that borrows: in ~/.aws/config
  [profile deployer]
  credential_process = rolebroker credentials --role deployer --format process

  # this shell
  eval "$(rolebroker credentials --format env)"`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			print, ok := credentialFormats()[format]
			if !ok {
				return usage("--format is %q; it is one of process, env, json", format)
			}
			return a.credentials(cmd.Context(), borrow, format == "env", print)
		},
	}
	borrow.flags(cmd, a)
	cmd.Flags().StringVar(&format, "format", format, "`format`: process, env or json")
	complete(cmd, "format", func(string) ([]string, error) { return []string{"process", "env", "json"}, nil })
	return cmd
}

// lent is what credentials prints. The region is known only if asked for.
type lent struct {
	*client.Credentials
	region rolebroker.Region
}

func (a *app) credentials(ctx context.Context, borrow borrowing, withRegion bool, print func(lent) (string, error)) error {
	answer, err := ask(ctx, a, "borrowing the role", func(ctx context.Context, c *client.Client) (l lent, err error) {
		if l.Credentials, err = c.Credentials(ctx, borrow.role, borrow.task); err != nil || !withRegion {
			return l, err
		}
		offers, err := c.Roles(ctx)
		offer, ok := rolebroker.FindOffer(offers, borrow.role)
		if !ok {
			offer, _ = rolebroker.FindOffer(offers, l.RoleARN)
		}
		l.region = offer.Region
		return l, err
	})
	if err != nil {
		return err
	}
	text, err := print(answer)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Stdout, text)
	return err
}

func credentialFormats() map[string]func(lent) (string, error) {
	return map[string]func(lent) (string, error){"process": processFormat, "env": envFormat, "json": jsonFormat}
}

// jsonFormat is the body of the container-credentials protocol.
//
// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
func jsonFormat(l lent) (string, error) {
	return marshal(struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      string
		RoleARN         string `json:"RoleArn"`
		AccountID       string `json:"AccountId"`
	}{l.AccessKeyID, l.SecretAccessKey.Reveal(), l.Token.Reveal(), l.expiration(), l.RoleARN, l.AccountID})
}

// processFormat is what credential_process prints.
//
// Source: AWS SDKs and Tools Reference Guide, "Process credential provider".
func processFormat(l lent) (string, error) {
	return marshal(struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
		AccountID       string `json:"AccountId"`
	}{1, l.AccessKeyID, l.SecretAccessKey.Reveal(), l.Token.Reveal(), l.expiration(), l.AccountID})
}

func envFormat(l lent) (string, error) {
	var lines []string
	export := func(name, value string) {
		if value != "" {
			lines = append(lines, "export "+name+"="+rolebroker.ShellQuote(value))
		}
	}
	export("AWS_ACCESS_KEY_ID", l.AccessKeyID)
	export("AWS_SECRET_ACCESS_KEY", l.SecretAccessKey.Reveal())
	export("AWS_SESSION_TOKEN", l.Token.Reveal())
	export("AWS_CREDENTIAL_EXPIRATION", l.expiration())
	export("AWS_REGION", string(l.region))
	export("AWS_DEFAULT_REGION", string(l.region))
	return strings.Join(lines, "\n"), nil
}

// expiration has whole seconds and a Z: there are SDKs that take nothing else.
func (l lent) expiration() string { return l.Expiration.UTC().Format(time.RFC3339) }

func marshal(v any) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return string(text), err
}
