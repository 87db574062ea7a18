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
	var (
		borrow borrowing
		format choice
	)
	cmd := &cobra.Command{
		Use:   "credentials",
		Short: "Print borrowed AWS credentials",
		Long: `Print temporary AWS credentials of the role that --role names, or of the agent's
default role. Printed credentials do not renew; for a program that outlives them,
use exec.

--format is one of
  json     JSON as the container credentials endpoint answers it: AccessKeyId,
           SecretAccessKey, Token, Expiration, RoleArn, AccountId.
  process  JSON for credential_process in an AWS config file.
  env      Export lines for a shell, including the region of the role.`,
		Example: `  # a profile in ~/.aws/config
  [profile deployer]
  credential_process = rolebroker credentials --role deployer --format process

  # this shell
  eval "$(rolebroker credentials --format env)"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := borrow.check(cmd); err != nil {
				return err
			}
			formats := map[string]func(lent) (string, error){"process": processFormat, "env": envFormat,
				"json": jsonFormat}
			return a.credentials(cmd.Context(), borrow, format.value == "env", formats[format.value])
		},
	}
	borrow.flags(cmd, a)
	format.value = "json"
	format.flag(cmd, "format", "", "print in `FORMAT`: process, env or json", "process", "env", "json")
	return cmd
}

// lent is what the command prints. The region is empty unless the format has it.
type lent struct {
	*client.Credentials
	region rolebroker.Region
}

func (a *app) credentials(ctx context.Context, borrow borrowing, withRegion bool,
	print func(lent) (string, error)) error {
	answer, err := ask(ctx, a, "borrowing the role", func(ctx context.Context, c *client.Client) (l lent, err error) {
		if l.Credentials, err = c.Borrow(ctx, borrow.request()); err != nil || !withRegion {
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
	if err == nil {
		err = rolebroker.CheckExpiry(answer.Expiration, a.Now())
	}
	if err != nil {
		return err
	}
	text, err := print(answer)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out(), text)
	return err
}

// jsonFormat writes the body of the container-credentials protocol.
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

// processFormat writes what a credential_process prints.
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

// expiration is in whole seconds and UTC, because some SDKs take nothing else.
func (l lent) expiration() string { return l.Expiration.UTC().Format(time.RFC3339) }

func marshal(v any) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return string(rolebroker.InertJSON(text)), err
}
