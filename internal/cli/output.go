package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// output is how an answer is shown: the flag -o.
type output struct{ format string }

// flag adds -o to a command.
func (o *output) flag(cmd *cobra.Command) {
	cmd.Flags().VarP(o, "output", "o", "`format`: table, json or yaml")
	complete(cmd, "output", func(string) ([]string, error) { return []string{"table", "json", "yaml"}, nil })
}

// String, Set and Type make it a flag.
func (o *output) String() string {
	if o.format == "" {
		return "table"
	}
	return o.format
}

// Set takes the name of a format.
func (o *output) Set(format string) error {
	switch format {
	case "table", "json", "yaml":
		o.format = format
		return nil
	}
	return fmt.Errorf("%q is not one of table, json, yaml", format)
}

// Type is its name in the help.
func (o *output) Type() string { return "format" }

// items is a list as the API writes it, from its beginning to its end.
type items[T any] struct {
	Items []T `json:"items"`
}

// show writes an answer: as it is for machines, as table has it for people.
func (a *app) show(o output, answer any, table func() *table) error {
	switch o.format {
	case "json", "yaml":
		return a.encode(o.format, answer)
	}
	return table().write(a.Stdout)
}

func (a *app) encode(format string, answer any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(answer); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	text := []byte(b.String())
	if format == "yaml" {
		var err error
		if text, err = yaml.JSONToYAML(text); err != nil {
			return fmt.Errorf("encoding the answer: %w", err)
		}
	}
	_, err := a.Stdout.Write(text)
	return err
}

// table is an answer for people: rows of cells, the first one the header. The
// rows of a table without a header are a name and its value.
type table struct {
	rows  [][]string
	after string // a line below, when there are no rows
	next  *table // below, after an empty line; nil: none
}

// then puts another table below, and returns t.
func (t *table) then(next *table) *table {
	t.next = next
	return t
}

func newTable(header ...string) *table { return &table{rows: [][]string{header}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// ifEmpty says something in place of a header with nothing below it.
func (t *table) ifEmpty(format string, args ...any) *table {
	if len(t.rows) == 1 {
		return &table{after: fmt.Sprintf(format, args...)}
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
	if t.after != "" {
		fmt.Fprintln(w, t.after)
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

// plain is a cell without what would break the table, or the terminal.
func plain(cell string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, cell)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// orDash is a cell that may be empty.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
