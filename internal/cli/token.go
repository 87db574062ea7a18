package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

func newToken(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "token",
		Short: "Get a token for EKS, RDS or CodeCommit",
		Long: `Get a token for EKS, RDS or CodeCommit. The AWS CLI and the SDKs sign such a token with
AWS keys, without a request; an agent whose keys are withheld has none, so the server
signs it. It asks for the role, for the access and for approvals as for every call, and
records the token before it hands it out: rolebroker call list shows it.

A token works for 15 minutes at most, for whoever has it, and ends with the approval
that it is under.`,
		Example: `  rolebroker token eks --cluster-name production
  rolebroker token rds --hostname orders.c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com --port 5432 --username app`,
	}, newTokenEKS(a), newTokenRDS(a), newTokenCodeCommit(a))
}

// tokenFlags hold the flags of commands that ask for an AWS token.
type tokenFlags struct {
	borrowing
	region string
}

func (f *tokenFlags) flags(cmd *cobra.Command, a *app, region string) {
	f.borrowing.flags(cmd, a)
	cmd.Flags().StringVar(&f.region, "region", "", "sign for `REGION` (default: that of the "+region+")")
}

// awsToken asks for a token. It says what is wrong with the request by the names of the flags.
func (a *app) awsToken(cmd *cobra.Command, f tokenFlags, what api.AWSTokenRequest) (made api.AWSToken, err error) {
	if err := f.check(cmd); err != nil {
		return made, err
	}
	what.Role, what.Task, what.Access, what.Region = f.role, f.task, string(f.access()), f.region
	checked, err := convert.FromAWSTokenRequest(what)
	if err == nil {
		err = checked.Check(rolebroker.MaxURLLifetime)
	}
	if err != nil {
		return made, err
	}
	return ask(cmd.Context(), a, "asking for the token",
		func(ctx context.Context, c *client.Client) (api.AWSToken, error) { return c.AWSToken(ctx, what) })
}

func newTokenEKS(a *app) *cobra.Command {
	var (
		flags tokenFlags
		what  = api.AWSTokenRequest{Kind: string(rolebroker.TokenEKS)}
	)
	cmd := &cobra.Command{
		Use:   "eks",
		Short: "Print a token for the Kubernetes API of an EKS cluster",
		Long: `Print a token for the Kubernetes API of an EKS cluster, as the ExecCredential that kubectl
takes from a credential plugin and aws eks get-token prints.

Kubernetes decides by the role what the token may do; no session policy limits that. So
a connection has to have access full, or name eks:GetToken among its allowed actions.`,
		Example: `  rolebroker token eks --cluster-name production --region eu-west-1

  # the user of a kubeconfig
  kubectl config set-credentials agent --exec-api-version client.authentication.k8s.io/v1beta1 \
    --exec-command rolebroker --exec-arg token --exec-arg eks --exec-arg=--cluster-name=production`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, err := execVersion(a.getenv("KUBERNETES_EXEC_INFO"))
			if err != nil {
				return err
			}
			made, err := a.awsToken(cmd, flags, what)
			if err != nil {
				return err
			}
			text, err := marshal(execCredential(version, made, a.Now()))
			if err == nil {
				_, err = fmt.Fprintln(a.out(), text)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&what.ClusterName, "cluster-name", "", "for the cluster `NAME`")
	flags.flags(cmd, a, "role")
	return cmd
}

// execGroup is the group of the API of kubectl's credential plugins.
const execGroup = "client.authentication.k8s.io/"

// execVersion is the version in which kubectl, by its KUBERNETES_EXEC_INFO, wants the answer. What a version has beside
// the token differs, and nothing here.
//
// Source: Kubernetes documentation, "client-go credential plugins".
func execVersion(info string) (string, error) {
	if info == "" {
		return execGroup + "v1beta1", nil
	}
	var asked struct {
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal([]byte(info), &asked); err != nil {
		return "", usage("KUBERNETES_EXEC_INFO is not JSON; kubectl sets it, so unset it")
	}
	switch asked.APIVersion {
	case execGroup + "v1", execGroup + "v1beta1", execGroup + "v1alpha1":
		return asked.APIVersion, nil
	}
	return "", usage("kubectl asks for the version %s, which this program does not know: set apiVersion of the user "+
		"in the kubeconfig to %sv1beta1", rolebroker.Quote(rolebroker.Clip(asked.APIVersion, 100)), execGroup)
}

// execEarly is how much sooner than the token ends kubectl asks for another one, as with aws eks get-token.
const execEarly = time.Minute

// credentialForKubectl is an ExecCredential.
type credentialForKubectl struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Spec       struct{} `json:"spec"`
	Status     struct {
		ExpirationTimestamp string `json:"expirationTimestamp"`
		Token               string `json:"token"`
	} `json:"status"`
}

func execCredential(version string, made api.AWSToken, now time.Time) (c credentialForKubectl) {
	c.Kind, c.APIVersion, c.Status.Token = "ExecCredential", version, made.Token.Reveal()
	until := made.ExpiresAt.UTC()
	if early := until.Add(-execEarly); early.After(now) {
		until = early
	}
	c.Status.ExpirationTimestamp = until.Format(time.RFC3339)
	return c
}

func newTokenRDS(a *app) *cobra.Command {
	var (
		flags tokenFlags
		out   output
		what  = api.AWSTokenRequest{Kind: string(rolebroker.TokenRDS)}
	)
	cmd := &cobra.Command{
		Use:   "rds",
		Short: "Print a password for a database user of RDS or Aurora",
		Long: `Print a password for a database user of RDS or Aurora, as aws rds generate-db-auth-token
does. It opens connections for 15 minutes at most; a connection that is open stays open.

The role needs rds-db:connect for the user, and access read-only does not have it. The
host has to be the address that RDS gave to the database, not an alias of it.`,
		Example: `  export PGPASSWORD=$(rolebroker token rds --hostname "$PGHOST" --port 5432 --username app)
  psql "host=$PGHOST port=5432 user=app dbname=orders sslmode=verify-full"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			made, err := a.awsToken(cmd, flags, what)
			if err != nil {
				return err
			}
			return a.showToken(out, made)
		},
	}
	f := cmd.Flags()
	f.StringVar(&what.Hostname, "hostname", "", "`HOST` of the database, as RDS names it")
	f.IntVar(&what.Port, "port", 0, "`PORT` of the database, as in 5432")
	f.StringVar(&what.Username, "username", "", "`USER` of the database")
	flags.flags(cmd, a, "host")
	textOrJSON(cmd, &out)
	return cmd
}

// textOrJSON adds --output to a command whose answer is one text.
func textOrJSON(cmd *cobra.Command, out *output) {
	out.choice.flag(cmd, "output", "o", "write `FORMAT`: text, or json or yaml with when it ends", "text", "json",
		"yaml")
}

// showToken writes the token, or all that is known of it.
func (a *app) showToken(out output, made api.AWSToken) error {
	if out.value != "text" {
		return a.encode(out.value, made)
	}
	_, err := fmt.Fprintln(a.out(), made.Token.Reveal())
	return err
}

func newTokenCodeCommit(a *app) *cobra.Command {
	var flags tokenFlags
	cmd := &cobra.Command{
		Use:   "codecommit [OPERATION]",
		Short: "Answer Git as the credential helper for CodeCommit",
		Long: `Answer Git as the credential helper for CodeCommit, as aws codecommit credential-helper
does. Git says on the standard input which repository it wants, and adds the OPERATION:
get prints a user name and a password; store and erase do nothing. For a host that is
not CodeCommit's the helper prints nothing, so that Git asks the next one.

The role needs codecommit:GitPull, and codecommit:GitPush to push. With --read-only, or
on a connection with access read-only, Git can fetch and not push.`,
		Example: `  # Git has to say which repository it wants: useHttpPath
  git config --global credential.https://git-codecommit.eu-west-1.amazonaws.com.helper \
    '!rolebroker token codecommit --role deployer'
  git config --global credential.https://git-codecommit.eu-west-1.amazonaws.com.useHttpPath true`,
		ValidArgsFunction: func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(oneOf("get", "store", "erase"), typed)
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			operation := "get"
			if len(given) > 0 {
				operation = given[0]
			}
			if operation != "get" { // Git may have more of them one day
				return nil
			}
			asked, err := readGit(a.Stdin)
			if err != nil || !isCodeCommit(asked) {
				return err
			}
			return a.answerGit(cmd, flags, asked)
		},
	}
	flags.flags(cmd, a, "host")
	return cmd
}

// answerGit writes the user name and the password for a repository. If there are none, Git is told not to ask a person.
func (a *app) answerGit(cmd *cobra.Command, flags tokenFlags, asked map[string]string) error {
	made, err := a.awsToken(cmd, flags, api.AWSTokenRequest{Kind: string(rolebroker.TokenCodeCommit),
		Hostname: asked["host"], Path: strings.TrimPrefix(asked["path"], "/")})
	if err != nil {
		fmt.Fprintln(a.out(), "quit=true")
		return err
	}
	_, err = fmt.Fprintf(a.out(), "username=%s\npassword=%s\npassword_expiry_utc=%d\n", made.Username.Reveal(),
		made.Token.Reveal(), made.ExpiresAt.Unix())
	return err
}

// maxGit bounds what Git says, in bytes.
const maxGit = 64 << 10

// readGit reads what Git wants a password for.
//
// Source: git-credential(1), "INPUT/OUTPUT FORMAT".
func readGit(from io.Reader) (map[string]string, error) {
	asked := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(from, maxGit))
	lines.Buffer(nil, maxGit)
	for lines.Scan() && lines.Text() != "" {
		name, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			return nil, usage("Git says %s, which is not NAME=VALUE",
				rolebroker.Quote(rolebroker.Clip(lines.Text(), 100)))
		}
		asked[name] = value
	}
	return asked, lines.Err()
}

// isCodeCommit reports whether Git wants to go to CodeCommit, over TLS. The server decides which hosts are.
func isCodeCommit(asked map[string]string) bool {
	host := asked["host"]
	return asked["protocol"] == "https" && !strings.Contains(host, ":") &&
		(strings.HasPrefix(host, "git-codecommit.") || strings.HasPrefix(host, "git-codecommit-fips.") ||
			strings.HasPrefix(host, "vpce-") && strings.Contains(host, ".git-codecommit"))
}

func newPresign(a *app) *cobra.Command {
	var (
		flags   tokenFlags
		out     output
		expires life
		what    = api.AWSTokenRequest{Kind: string(rolebroker.TokenS3)}
		methods = []string{"GET", "HEAD", "PUT", "DELETE"}
	)
	cmd := &cobra.Command{
		Use:   "presign S3-URI",
		Short: "Print a URL that reads or writes one object of S3",
		Long: `Print a URL that reads or writes one object of S3 without AWS keys, as aws s3 presign
does. Whoever has the URL can use it until it ends: after 15 minutes, or after
--expires-in, and never later than the session and the approval that it is under. The
operator of the server sets how long it can be.

The server signs it. It asks for the role, for the access and for approvals as for the
same call through the gateway, and records the URL before it hands it out.`,
		Example: `  curl "$(rolebroker presign s3://reports/2026/march.csv)"

  # upload to it
  curl --upload-file march.csv "$(rolebroker presign s3://reports/2026/march.csv --method PUT --expires-in 5m)"`,
		RunE: func(cmd *cobra.Command, given []string) error {
			rest, ok := strings.CutPrefix(given[0], "s3://")
			if what.Bucket, what.Key, _ = strings.Cut(rest, "/"); !ok || what.Key == "" {
				return usage("%s is not an object of S3, as in s3://reports/march.csv", rolebroker.Quote(given[0]))
			}
			what.ExpiresIn = expires.String()
			began := a.Now()
			made, err := a.awsToken(cmd, flags, what)
			if err != nil {
				return err
			}
			if made.ExpiresAt.Before(began.Add(expires.Duration - time.Second)) {
				a.note("The URL works until %s only: what it is signed with ends then.", a.until(made.ExpiresAt))
			}
			return a.showToken(out, made)
		},
	}
	f := cmd.Flags()
	f.StringVar(&what.Method, "method", "", "let the URL do `METHOD`: "+strings.Join(methods, ", ")+" (default GET)")
	f.Var(&expires, "expires-in", "let the URL end after `DURATION`, in seconds or as in 10m (default 15m)")
	complete(cmd, "method", oneOf(methods...))
	flags.flags(cmd, a, "role")
	textOrJSON(cmd, &out)
	return cmd
}

// life is how long something lasts: in seconds, as the AWS CLI takes it, or as a duration. The zero value is not set.
type life struct{ time.Duration }

// Set implements pflag.Value.
func (e *life) Set(text string) error {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		text = strconv.FormatUint(seconds, 10) + "s"
	}
	var err error
	if e.Duration, err = time.ParseDuration(text); err != nil || e.Duration <= 0 {
		return fmt.Errorf("write seconds, or a duration as in 10m")
	}
	return nil
}

// String implements pflag.Value.
func (e *life) String() string {
	if e.Duration == 0 {
		return ""
	}
	return cmp.Or(rolebroker.ShortDuration(e.Duration), e.Duration.String())
}

// Type implements pflag.Value.
func (*life) Type() string { return "duration" }
