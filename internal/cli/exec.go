package cli

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/execenv"
	"github.com/rolebroker/rolebroker/internal/gateway"
)

// borrowing holds the flags of commands that borrow.
type borrowing struct {
	role, task string
	readOnly   bool
}

// access is what to ask for; empty: what the agent's connection permits.
func (b *borrowing) access() rolebroker.Access {
	if b.readOnly {
		return rolebroker.AccessReadOnly
	}
	return ""
}

// request is what to borrow.
func (b *borrowing) request() rolebroker.Request {
	return rolebroker.Request{Role: b.role, Task: b.task, Access: b.access()}
}

func (b *borrowing) flags(cmd *cobra.Command, a *app) {
	cmd.Flags().StringVar(&b.role, "role", "",
		"borrow `ROLE`: NAME, INTEGRATION/NAME or ARN (default: the default role)")
	cmd.Flags().StringVar(&b.task, "task", "", "`NAME` of the task, for the session name in CloudTrail")
	cmd.Flags().BoolVar(&b.readOnly, "read-only", false, "do no more than read, where the agent may do more")
	complete(cmd, "role", a.references)
}

// check refuses an empty --role: a script whose variable is empty must not get the
// default role instead of the one that it meant. It refuses a task that no server takes.
func (b *borrowing) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("role") && b.role == "" {
		return usage("--role is empty; leave it out for the default role")
	}
	if err := rolebroker.CheckName(b.task); err != nil && b.task != "" {
		return usage("--task: %w", err)
	}
	return nil
}

func newExec(a *app) *cobra.Command {
	var (
		borrow borrowing
		how    execution
		grant  approvalWait
	)
	cmd := &cobra.Command{
		Use:                   "exec [FLAG…] -- CMD [ARG…]",
		DisableFlagsInUseLine: true,
		Short:                 "Run a command with borrowed AWS credentials",
		Long: `Run a command with borrowed AWS credentials. Every AWS SDK and the AWS CLI find them
by themselves, and they renew for as long as the command runs.

With --role the command gets that role, and can borrow no other. Without it the
command gets the agent's default role, and each role that the agent may borrow now is
a profile, so aws --profile deployer works too; each has its own region. With --task
the command can name no other task; --task "" lets it name none. With --read-only the
command can only read, by whatever role, where the agent may do more: AWS gets its
policy ReadOnlyAccess as the session policy. A role of a connection with a session
policy of its own is then refused.

The command gets neither your own AWS identity nor the agent's token. If the server
refuses the role, the command does not run. Exec never uses the sign-in of rolebroker
login, but the command runs as you and could: exec then warns. With --user and another
user, or --contained, it cannot read it.

If the role needs a person's approval, --wait asks for it, with --reason, and starts
the command once somebody has approved.

Signals go to the command, and its exit code becomes the exit code of exec. On
Linux, exec can be process 1 of a container: it reaps orphans. When the command
ends, exec ends all processes that the command has left. The command has the
standard streams; all other files that are open here are closed in it, except those
that --keep-fd names, as in rolebroker exec --keep-fd 3 -- cat /dev/fd/3 3<file.

Containers that the command starts cannot reach the loopback port of exec. --listen
adds the address of their bridge, and takes private addresses only. ROLEBROKER_URL
then has that address, for rolebroker exec in the container, and so has
AWS_CONTAINER_CREDENTIALS_FULL_URI if SDKs accept it: 169.254.170.2,
169.254.170.23 or fd00:ec2::23.

With --contained the command reaches AWS by the gateway of the server, and nothing
else, whatever it does: it has a network with nothing but loopback, no sockets of
this machine, no other processes, and an empty /tmp and /run. It gets no role whose
AWS keys are lent. --allow-host lets it reach a host over TLS on port 443.

--proxy is for programs that know neither an endpoint nor a network of their own. The
variables for proxies, such as HTTPS_PROXY, lead to exec. Hosts of AWS are the gateway
of the server there, under their own names, and all others are as without it;
--allow-host leaves only those that it names. It confines nothing: a program can do
without the proxy.`,
		Example: `  rolebroker exec -- aws sts get-caller-identity
  rolebroker exec --role deployer --task release-17 -- terraform apply
  rolebroker exec --read-only -- python3 report.py
  rolebroker exec --role deployer --task release-17 --wait 10m --reason "release 17" -- make deploy
  rolebroker exec --user agent -- python3 agent.py
  rolebroker exec --contained --allow-host pypi.org --allow-host '*.github.com' -- python3 agent.py
  rolebroker exec --proxy --role deployer -- ./program-with-its-own-endpoint
  rolebroker exec -- sh -c 'aws s3 ls && aws --profile deployer s3 ls'`,
		Args: func(_ *cobra.Command, command []string) error {
			if len(command) == 0 || command[0] == "" {
				return usage("the command to run is missing; give it after --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, command []string) error { return a.exec(cmd, borrow, how, grant, command) },
	}
	cmd.Flags().SetInterspersed(false) // so that CMD keeps its flags
	borrow.flags(cmd, a)
	how.flags(cmd)
	grant.flags(cmd)
	return cmd
}

func (a *app) exec(
	cmd *cobra.Command, borrow borrowing, how execution, grant approvalWait, command []string,
) error {
	if err := cmp.Or(borrow.check(cmd), how.checkUser(cmd), a.checkKeep(how.keep), grant.check()); err != nil {
		return err
	}
	contained, proxied, err := how.ways(a.getenv("ROLEBROKER_TOKEN_FILE"), config.SignInFile(a.getenv))
	if err != nil {
		return err
	}
	c, err := a.agentClient()
	if err != nil {
		return err
	}
	if err := a.approved(cmd.Context(), borrow, grant); err != nil {
		return err
	}
	a.warnOfSignIn(how)
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the rolebroker binary: %w", err)
	}
	code, err := execenv.Run(cmd.Context(), execenv.Options{
		Server: c, Gateway: c.Gateway(gateway.Unreachable), Contained: contained, Proxied: proxied,
		Role: borrow.role, Task: borrow.task, Access: borrow.access(), Command: command, Env: a.Env,
		NoTasks: borrow.task == "" && cmd.Flags().Changed("task"),
		Stdin:   a.stdin(), Stdout: a.Stdout, Stderr: a.Stderr, Self: self, KeepFiles: how.keep, User: how.user,
		Listen: how.listen, ListenPublic: how.public,
		Log:      slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Progress: func() func() { return a.progress("borrowing the role") }, Waiting: a.waiting(),
	})
	if code == 0 && err == nil {
		return nil
	}
	return codeError{code, err}
}

// waiting tells the person at the terminal that a call of the command waits. What the command writes to a file or a
// pipe is its own.
func (a *app) waiting() func(url string) {
	if !isTerminal(a.Stderr) {
		return nil
	}
	return func(url string) { a.note("rolebroker: waiting for a person: %s", url) }
}
