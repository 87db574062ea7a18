package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of commands in the help.
const (
	groupBorrow = "borrow"
	groupManage = "manage"
	groupServe  = "serve"
)

// usageTemplate is cobra's own, except for a command with subcommands: its usage
// line shows only these, unless the command is marked with runs.
const usageTemplate = `Usage:
  {{if .Annotations.` + runs + `}}{{.UseLine}}
  {{end}}{{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .Example}}

Examples:
{{.Example}}{{end}}
{{- $commands := .Commands}}{{if .HasAvailableSubCommands}}{{range $group := .Groups}}

{{.Title}}{{range $commands}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}

{{if .Groups}}Others:{{else}}Commands:{{end}}{{range $commands}}{{if and (eq .GroupID "") .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND --help says more about a command.{{end}}
`

// newRoot makes the command line: only the command that the first argument names,
// or all of them if it names none. Every start pays for what this makes.
func newRoot(a *app, first string) *cobra.Command {
	version := false
	root := &cobra.Command{
		Use:   "rolebroker",
		Short: "Lends AWS roles to AI agents",
		Long: `rolebroker lends AWS roles to AI agents.

You group IAM roles into integrations and connect integrations to agents. The
processes of an agent then find short-lived AWS credentials where every AWS SDK and
the AWS CLI already look.

Client commands read the address of the server from ROLEBROKER_URL (default
http://127.0.0.1:8484), and their token from ROLEBROKER_TOKEN or from the file that
ROLEBROKER_TOKEN_FILE names. exec, credentials, roles, token and presign take an
agent token; all other client commands take an API key, or what rolebroker login saved.`,
		Example: `  rolebroker server
  rolebroker agent token create scout
  rolebroker exec -- aws sts get-caller-identity`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && version {
				return a.printVersion()
			}
			return chooseSubcommand(cmd, args)
		},
	}
	root.Flags().BoolVar(&version, "version", false, "print the version")
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if wrong := cmd.Flags().Args(); cmd.HasSubCommands() && len(wrong) > 0 {
			a.unknown = noCommand(cmd, wrong[0])
			return
		}
		help(cmd, args)
	})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{unknownFlag(cmd, badFlag(err))} })
	root.SetUsageTemplate(usageTemplate)
	root.AddGroup(
		&cobra.Group{ID: groupBorrow, Title: "For agents (ROLEBROKER_TOKEN is an agent token):"},
		&cobra.Group{ID: groupManage, Title: "For people (ROLEBROKER_TOKEN is an API key):"},
		&cobra.Group{ID: groupServe, Title: "For operators:"},
	)
	commands := []struct {
		group, name string
		make        func(*app) *cobra.Command
	}{
		{groupBorrow, "exec", newExec},
		{groupBorrow, "credentials", newCredentials},
		{groupBorrow, "roles", newRoles},
		{groupBorrow, "token", newToken},
		{groupBorrow, "presign", newPresign},
		{groupBorrow, "request", newRequest},
		{groupBorrow, "whoami", newWhoami},
		{groupManage, "integration", newIntegration},
		{groupManage, "role", newRole},
		{groupManage, "agent", newAgent},
		{groupManage, "approval-rule", newApprovalRule},
		{groupManage, "runner", newRunner},
		{groupManage, "session", newSession},
		{groupManage, "call", newCall},
		{groupManage, "audit", newAudit},
		{groupManage, "apply", newApply},
		{groupManage, "external-id", newExternalID},
		{groupManage, "api-key", newAPIKey},
		{groupManage, "login", newLogin},
		{groupManage, "logout", newLogout},
		{groupManage, "user", newUser},
		{groupManage, "platform", newPlatform},
		{groupServe, "server", newServer},
		{groupServe, "backup", newBackup},
		{groupServe, "restore", newRestore},
		{groupServe, "migrate-database", newMigrateDatabase},
		{groupServe, "demo", newDemo},
		{"", "version", newVersion},
	}
	all := true
	for _, c := range commands {
		all = all && c.name != first
	}
	for _, c := range commands {
		if all || c.name == first {
			cmd := c.make(a)
			cmd.GroupID = c.group
			if c.group == groupManage {
				cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
					if cmd.HasSubCommands() {
						return nil // it shows help, or runs a runner
					}
					return a.notInExec()
				}
			}
			a.finish(cmd)
			root.AddCommand(cmd)
		}
	}
	if first == cobra.ShellCompRequestCmd {
		describePlainly(root)
	}
	return root
}

// finish gives a command and its subcommands what follows from their usage: the
// check of their arguments, and their completion.
func (a *app) finish(cmd *cobra.Command) {
	if cmd.Args == nil {
		cmd.Args = args(argumentNames(cmd)...)
	}
	a.completeByName(cmd)
	for _, sub := range cmd.Commands() {
		a.finish(sub)
	}
}

// argumentNames returns the names of the arguments in the usage of a command.
func argumentNames(cmd *cobra.Command) []string { return strings.Fields(cmd.Use)[1:] }

// group makes a command that only has subcommands.
func group(c *cobra.Command, subcommands ...*cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = chooseSubcommand
	c.AddCommand(subcommands...)
	return c
}

// chooseSubcommand shows the help of a command that only has subcommands, or says
// that it has no such subcommand.
func chooseSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return noCommand(cmd, args[0])
}

func noCommand(cmd *cobra.Command, name string) error {
	message := "there is no command \"" + cmd.CommandPath() + " " + name + "\""
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(name); len(like) > 0 {
		message += "; did you mean " + strings.Join(like, " or ") + "?"
	}
	return usage("%s", message)
}

// args checks the number of arguments against their names, of which those in
// brackets are optional.
func args(names ...string) cobra.PositionalArgs {
	least, most := 0, len(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "[") {
			least++
		}
	}
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return usage("%s is missing", names[len(given)])
		case len(given) > most && most == 0:
			return usage("%s takes no arguments, but got %q", cmd.CommandPath(), given[0])
		case len(given) > most:
			return usage("%s takes %s, but also got %q", cmd.CommandPath(), strings.Join(names, " "), given[most])
		}
		return nil
	}
}

// badFlag says what a flag takes, without the terms of the flag library.
func badFlag(err error) error {
	var e *pflag.InvalidValueError
	if !errors.As(err, &e) {
		return err
	}
	name, value := e.GetFlag().Name, e.GetValue()
	switch e.GetFlag().Value.Type() {
	case "int":
		return fmt.Errorf("--%s takes a whole number, not %q", name, value)
	case "bool":
		return fmt.Errorf("--%s takes true or false, not %q", name, value)
	}
	return fmt.Errorf("--%s: %w", name, e.Unwrap())
}
