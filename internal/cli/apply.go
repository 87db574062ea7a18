package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

// exitChanges is the exit code of apply --dry-run --exit-code if something would change.
const exitChanges = 3

func newApply(a *app) *cobra.Command {
	var (
		files            []string
		dryRun, exitCode bool
		mode             validateMode
		out              output
	)
	cmd := &cobra.Command{
		Use:   "apply -f {FILE | DIR | -}",
		Short: "Create and change integrations, agents and approval rules as files describe them",
		Long: `Create and change integrations, agents and approval rules as YAML or JSON files
describe them. The command can be repeated: it changes nothing where the server is as
the files say.

A file has one or more documents, separated by ---, or a list of them. Each has kind:
integration, kind: agent or kind: approval-rule, and the fields that integration show
-o yaml, agent show -o yaml or approval-rule show -o yaml print; the output of these
commands can be applied, and so can that of integration list -o yaml. Of a directory,
the files *.yaml, *.yml and *.json are read, with its subdirectories, in the order of
their names.

The name of a document finds what is there. A role with an id is renamed. Settings that
a document leaves out are cleared, except enabled, source_identity, and the
connections, the default integration and the owner of an agent, which stay. What no
document describes stays as it is: apply deletes nothing. IDs of another deployment,
version, times and validations are ignored.

All files are read and checked first. After a mistake in any of them nothing is
changed. Integrations are applied before agents, and agents before rules. If the server refuses one document,
the others are applied all the same.

` + validateHelp + `

The exit code is 0 if every document was applied, or was applied already; 1 if one
failed; 2 for wrong usage. With --dry-run it is 0 or 1 in the same way, and with
--exit-code besides it is 3 if something would change.`,
		Example: `  rolebroker apply -f rolebroker/ --dry-run
  rolebroker apply -f rolebroker/

  # does the server differ from the files?
  rolebroker apply -f rolebroker/ --dry-run --exit-code -o json

  rolebroker integration list -o yaml | rolebroker apply -f - --dry-run`,
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) > 0 {
				return usage("give each file with -f: rolebroker apply -f %s", rolebroker.ShellWord(given[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case len(files) == 0:
				return usage("-f is missing: the file or directory to apply")
			case exitCode && !dryRun:
				return usage("--exit-code is for --dry-run")
			}
			documents, err := readDocuments(files, a.Stdin)
			if err != nil {
				return err
			}
			report, err := ask(cmd.Context(), a, "applying", func(ctx context.Context, c *client.Client) (*report, error) {
				return applyAll(ctx, &applier{client: c, mode: mode, dryRun: dryRun}, documents), nil
			})
			if err != nil {
				return err
			}
			if err := a.showReport(out, report); err != nil {
				return err
			}
			if dryRun && exitCode && report.OK && report.Changes > 0 {
				return codeError{code: exitChanges}
			}
			return report.err()
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&files, "file", "f", nil, "apply the YAML or JSON `FILE`, or those in a directory; - is stdin; repeatable")
	f.BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	f.BoolVar(&exitCode, "exit-code", false, "with --dry-run: exit with 3 if something would change")
	mode.flag(cmd)
	out.flag(cmd)
	return cmd
}

// report is what became of all documents.
type report struct {
	OK      bool      `json:"ok"`
	DryRun  bool      `json:"dry_run"`
	Changes int       `json:"changes"` // how many documents changed something, or would
	Items   []outcome `json:"items"`
}

// outcome is what became of one document.
type outcome struct {
	File     string   `json:"file"`
	Document int      `json:"document"` // its number in the file, from 1
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Action   string   `json:"action"` // create, update, none; with failed: what failed
	Failed   bool     `json:"failed"`
	Changes  []edit   `json:"changes"`
	Problems []string `json:"problems,omitempty"` // roles that cannot be assumed
	Error    *failure `json:"error,omitempty"`
	err      *rolebroker.Error
}

// failure is why a document could not be applied.
type failure struct {
	Code    string            `json:"code,omitempty"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
	Hint    string            `json:"hint,omitempty"`
}

// The actions.
const (
	toCreate = "create"
	toUpdate = "update"
	noAction = "none"
)

// edit is one change of a field, a role or a connection. Something new has no Before, something removed no After.
type edit struct {
	What   string `json:"what"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// applyAll applies the documents, integrations first, because agents are connected to them, and rules last. The report has the order
// of the files.
func applyAll(ctx context.Context, to *applier, documents []document) *report {
	order := make([]int, len(documents))
	for i, d := range documents {
		order[i] = i
		if d.integration != nil {
			to.made = append(to.made, d.name())
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(rank(documents[i]), rank(documents[j]))
	})
	r := &report{OK: true, DryRun: to.dryRun, Items: make([]outcome, len(documents))}
	for _, i := range order {
		o := to.apply(ctx, documents[i])
		r.OK = r.OK && !o.Failed
		if !o.Failed && o.Action != noAction {
			r.Changes++
		}
		r.Items[i] = o
	}
	return r
}

func rank(d document) int {
	switch {
	case d.integration != nil:
		return 0
	case d.agent != nil:
		return 1
	}
	return 2
}

// err is the error of the command.
func (r *report) err() error {
	if r.OK {
		return nil
	}
	failed := 0
	for _, o := range r.Items {
		if o.Failed {
			failed++
		}
	}
	return fmt.Errorf("%d of %s failed", failed, plural(len(r.Items), "document"))
}

// showReport writes the report: a paragraph for each document, or as it is for machines.
func (a *app) showReport(o output, r *report) error {
	if o.forMachines() {
		return a.encode(o.value, r)
	}
	var b strings.Builder
	count := map[string]int{}
	for _, item := range r.Items {
		item.write(&b, r.DryRun)
		if !item.Failed {
			count[item.Action]++
		}
	}
	if _, err := a.out().Write([]byte(b.String())); err != nil {
		return err
	}
	would := ""
	if r.DryRun {
		would = "to be "
	}
	a.note("%s: %d %screated, %d %schanged, %d unchanged", plural(len(r.Items), "document"), count[toCreate], would,
		count[toUpdate], would, count[noAction])
	return nil
}

// write writes what became of a document.
func (o *outcome) write(b *strings.Builder, dryRun bool) {
	words := map[string]string{toCreate: "created", toUpdate: "changed", noAction: "unchanged"}
	became := words[o.Action]
	switch {
	case o.Failed:
		became = "failed"
	case dryRun && o.Action != noAction:
		became = "would be " + became
	}
	fmt.Fprintf(b, "%s %s: %s\n", o.Kind, plain(o.Name), became)
	for _, e := range o.Changes {
		fmt.Fprintf(b, "  %s\n", plain(e.String()))
	}
	for _, p := range o.Problems {
		fmt.Fprintf(b, "  ! %s\n", plain(p))
	}
	if o.err == nil {
		return
	}
	fmt.Fprintf(b, "  error: %s (%s, document %d)\n", oneLine(o.err.Message), o.File, o.Document)
	seen := map[string]bool{}
	for _, f := range o.err.Fields {
		fmt.Fprintf(b, "    %s: %s\n", f.Path, oneLine(f.Message))
		for _, line := range abridged(f.Hint, seen) {
			fmt.Fprintf(b, "      %s\n", line)
		}
	}
	for line := range strings.Lines(o.err.Hint.String()) {
		fmt.Fprintf(b, "    hint: %s\n", strings.TrimSpace(line))
	}
}

// String shows an edit as a line of a diff.
func (e edit) String() string {
	switch {
	case e.Before == "":
		return strings.TrimSuffix("+ "+e.What+": "+e.After, ": ")
	case e.After == "":
		return "- " + e.What
	}
	return "~ " + e.What + ": " + e.Before + " → " + e.After
}

// failed sets why a document could not be applied.
func (o *outcome) failed(err error) {
	shown := shownError(err)
	o.Failed, o.err = true, shown
	o.Error = &failure{Code: string(shown.Code), Message: shown.Message, Hint: shown.Hint.String()}
	for _, f := range shown.Fields {
		if o.Error.Fields == nil {
			o.Error.Fields = map[string]string{}
		}
		o.Error.Fields[f.Path] = f.Message
	}
}
