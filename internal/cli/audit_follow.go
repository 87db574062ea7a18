package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const (
	followBegin   = 10               // events that audit list --follow begins with
	longestFollow = 15 * time.Second // between two tries while the server cannot be reached
)

// following is how audit list --follow was called.
type following struct {
	a      *app
	filter api.AuditFilter
	limit  int // of the events before; 0: all
	json   bool
	widths []int // of the columns so far
}

// followAudit makes audit list follow the trail if --follow is given.
func followAudit(a *app, cmd *cobra.Command, filter func() api.AuditFilter) *cobra.Command {
	list := cmd.RunE
	var follow bool
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "print the last events and then each new one, until Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if !follow {
			return list(cmd, given)
		}
		return newFollowing(a, cmd, filter()).run(cmd)
	}
	return cmd
}

func newFollowing(a *app, cmd *cobra.Command, filter api.AuditFilter) *following {
	a.utc = true // how long ago would be wrong a minute later
	limit, _ := cmd.Flags().GetInt("limit")
	if !cmd.Flags().Changed("limit") && filter.Since.IsZero() {
		limit = followBegin
	}
	return &following{a: a, filter: filter, limit: limit}
}

func (f *following) run(cmd *cobra.Command) error {
	format := cmd.Flags().Lookup("output").Value.String()
	switch f.json = format == "json"; {
	case format == "yaml":
		return usage("--follow writes a table or, with -o json, lines of JSON")
	case !f.filter.Until.IsZero():
		return usage("--follow and --until cannot be combined")
	case f.limit < 0:
		return usage("--limit is %d; it must not be negative", f.limit)
	}
	c, err := f.a.client()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	next, err := f.begin(ctx, c)
	if err == nil {
		err = f.follow(ctx, c, next)
	}
	if ctx.Err() != nil && cmd.Context().Err() == nil {
		return nil // a person ends it with Ctrl-C
	}
	return err
}

// begin prints the events that are there, and returns the sequence of the next one.
func (f *following) begin(ctx context.Context, c *client.Client) (next int64, err error) {
	t, err := c.AuditTrail(ctx)
	if err != nil {
		return 0, err
	}
	var before []api.AuditEvent
	for e, err := range c.AllAuditEvents(ctx, f.filter) {
		if err != nil {
			return 0, err
		}
		if e.Sequence == nil || *e.Sequence >= t.Size {
			continue // it comes
		}
		if before = append(before, e); len(before) == f.limit {
			break
		}
	}
	slices.SortFunc(before, func(a, b api.AuditEvent) int { return int(*a.Sequence - *b.Sequence) })
	return t.Size, f.print(before)
}

// follow prints new events until ctx ends. While the server cannot be reached it tries again.
func (f *following) follow(ctx context.Context, c *client.Client, next int64) error {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		got, err := c.FollowAudit(ctx, next, f.filter, longPoll)
		switch {
		case err == nil:
			if wait > 0 {
				f.a.note("the server answers again")
			}
			wait, next = 0, got.NextSequence
			if err := f.print(got.Items); err != nil {
				return err
			}
			continue
		case ctx.Err() != nil || !passes(err):
			return err
		case wait == 0:
			f.a.note("%s; trying again", err)
		}
		wait = min(max(2*wait, time.Second), longestFollow)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// passes says whether an error can go away by itself.
func passes(err error) bool {
	e, ok := errors.AsType[*rolebroker.Error](err)
	return ok && (e.Code == rolebroker.CodeUnavailable || e.Code == rolebroker.CodeThrottled)
}

// print prints events, each in one line.
func (f *following) print(events []api.AuditEvent) error {
	if !f.json {
		return f.table(f.a.auditTable(events))
	}
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(f.a.Stdout, "%s\n", rolebroker.InertJSON(text)); err != nil {
			return err
		}
	}
	return nil
}

// table prints the rows of a table, and its header the first time. A column becomes wider and never narrower.
func (f *following) table(t *table) error {
	rows := t.rows
	if f.widths == nil {
		f.widths = make([]int, len(rows[0]))
	} else {
		rows = rows[1:]
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = plain(cell)
			f.widths[i] = max(f.widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", f.widths[i]-utf8.RuneCountInString(cell)+2))
		}
		if _, err := fmt.Fprintln(f.a.Stdout, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}
