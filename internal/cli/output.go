package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
)

// choice is the value of a flag that takes one of a few words.
type choice struct {
	value string
	among []string
}

// flag adds the flag to a command. Its default is the first of the words, unless
// it has a value already.
func (c *choice) flag(cmd *cobra.Command, name, short, help string, among ...string) {
	c.among = among
	if c.value == "" {
		c.value = among[0]
	}
	cmd.Flags().VarP(c, name, short, help)
	complete(cmd, name, oneOf(among...))
}

// String, Set and Type make it a [pflag.Value].
func (c *choice) String() string { return c.value }

// Set takes one of the words.
func (c *choice) Set(word string) error {
	if !slices.Contains(c.among, word) {
		return fmt.Errorf("%q is not one of %s", word, strings.Join(c.among, ", "))
	}
	c.value = word
	return nil
}

// Type is its name in help that names no other.
func (c *choice) Type() string { return "choice" }

// output is the flag --output: how to write an answer.
type output struct{ choice }

func (o *output) flag(cmd *cobra.Command) {
	o.choice.flag(cmd, "output", "o", "write `FORMAT`: table, json or yaml", "table", "json", "yaml")
}

// listFlag is flag for a list, which may have more columns than a narrow terminal.
func (o *output) listFlag(cmd *cobra.Command) {
	o.choice.flag(cmd, "output", "o", "write `FORMAT`: table, wide (more columns), json or yaml", "table", "wide",
		"json", "yaml")
}

// utcFlag adds --utc, for absolute times in a table. JSON and YAML have them anyway.
func (a *app) utcFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.utc, "utc", false, "show times in UTC, as in 2026-03-14T09:26:53Z, not how long ago")
}

// forMachines says whether to write the answer as the API has it.
func (o *output) forMachines() bool { return o.value == "json" || o.value == "yaml" }

// items is a whole list, as the API writes one page of it.
type items[T any] struct {
	Items []T `json:"items"`
}

// show writes an answer: as the API has it for machines, as a table for people.
func (a *app) show(o output, answer any, table func() *table) error {
	if o.forMachines() {
		return a.encode(o.value, answer)
	}
	return table().write(a.out())
}

func (a *app) encode(format string, answer any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(answer); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	text := rolebroker.InertJSON([]byte(b.String()))
	if format == "yaml" {
		var err error
		if text, err = toYAML(text); err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
	}
	_, err := a.Stdout.Write(text)
	return err
}

// table is an answer for people: rows of cells, the first of which is the header.
// The rows of a table that details makes are a name and its value.
type table struct {
	rows  [][]string
	empty string // stands in place of a table without rows
	next  *table // follows after an empty line; nil: none
}

// details makes a table of names and values.
func details(pairs ...string) *table {
	t := &table{}
	for i := 0; i+1 < len(pairs); i += 2 {
		t.add(pairs[i]+":", pairs[i+1])
	}
	return t
}

// then puts another table below t, and returns t.
func (t *table) then(next *table) *table {
	t.next = next
	return t
}

func newTable(header ...string) *table { return &table{rows: [][]string{header}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// ifEmpty puts a sentence in place of a header that has no rows below it.
func (t *table) ifEmpty(format string, args ...any) *table {
	if len(t.rows) == 1 {
		return &table{empty: fmt.Sprintf(format, args...)}
	}
	return t
}

func (t *table) write(out io.Writer) error {
	var aligned bytes.Buffer
	w := tabwriter.NewWriter(&aligned, 0, 8, 2, ' ', 0)
	for _, row := range t.rows {
		for i, cell := range row {
			row[i] = plain(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if t.empty != "" {
		fmt.Fprintln(w, t.empty)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	if t.next == nil {
		return nil
	}
	fmt.Fprintln(out)
	return t.next.write(out)
}

// plain replaces the characters of a cell that would break the table or the terminal.
func plain(cell string) string {
	return rolebroker.Inert(strings.NewReplacer("\n", " ", "\t", " ", "\r", " ").Replace(cell))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// orDash returns the text of a cell that may be empty.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// when says when something happens or happened, as in "in 47 minutes"; "never"
// for nil. With --utc it writes the time itself.
func (a *app) when(t *time.Time) string {
	switch {
	case t == nil:
		return "never"
	case a.utc:
		return t.UTC().Format(time.RFC3339)
	}
	return rolebroker.RelativeTime(*t, a.Now())
}
