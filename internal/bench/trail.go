package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// database is one of the two kinds that rolebroker runs on.
type database struct {
	name string
	url  string
}

// databases makes a new one of each kind, both on the disk, with the schema and no rows.
func (l *lab) databases(ctx context.Context) (both []database, remove func(), err error) {
	file, err := l.path("trail.db")
	if err != nil {
		return nil, nil, err
	}
	server, err := storetest.StartServer()
	if err != nil {
		return nil, nil, err
	}
	created, err := server.NewDatabase()
	both = []database{{"SQLite", file}, {"PostgreSQL", created}}
	for _, d := range both {
		if err == nil {
			err = d.migrate(ctx)
		}
	}
	if err != nil {
		server.Close()
	}
	return both, server.Close, err
}

func (d database) migrate(ctx context.Context) error {
	s, err := store.Open(ctx, store.Options{Database: d.url})
	if err != nil {
		return err
	}
	return s.Close()
}

// measureAppend has writers append audit events, each in a transaction of its own, as every change does.
func measureAppend(ctx context.Context, l *lab) (figures []figure, err error) {
	both, remove, err := l.databases(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	for _, d := range both {
		for _, writers := range []int{1, 16} {
			f, err := l.measureAppends(ctx, d, writers)
			if err != nil {
				return figures, err
			}
			if d.name == "SQLite" && writers > 1 {
				f = f.target("≥ 5,000/s", f.Measured.Value >= 5000)
			}
			figures = append(figures, f)
		}
	}
	return figures, nil
}

// measureAppends compares the writers with one that writes the same bytes to a file, in turns. Both wait for the disk.
func (l *lab) measureAppends(ctx context.Context, d database, writers int) (f figure, err error) {
	s, err := store.Open(ctx, store.Options{Database: d.url})
	if err != nil {
		return f, err
	}
	defer s.Close()
	path, err := l.path("appended")
	if err != nil {
		return f, err
	}
	file, err := os.Create(path)
	if err != nil {
		return f, err
	}
	defer file.Close()
	line := make([]byte, 500)
	var measured, reference []float64
	for range l.appends {
		ours, err1 := perSecond(l.appending, writers, func() error { return s.RecordEvent(ctx, someEvent()) })
		plain, err2 := perSecond(l.appending, 1, func() error {
			_, err := file.Write(line)
			return errors.Join(err, file.Sync())
		})
		if err := errors.Join(err1, err2); err != nil {
			return f, err
		}
		measured, reference = append(measured, ours), append(reference, plain)
	}
	what := fmt.Sprintf("audit events appended to %s by %d at once", d.name, writers)
	return paired(what, "/s", measured, "write and fsync", reference), nil
}

// perSecond repeats an action in several goroutines for a while, and returns how often it was done per second.
func perSecond(during time.Duration, at int, do func() error) (float64, error) {
	counts, errs := make([]int, at), make([]error, at)
	start := time.Now()
	var working sync.WaitGroup
	for i := range at {
		working.Go(func() {
			for errs[i] == nil && time.Since(start) < during {
				errs[i] = do()
				counts[i]++
			}
		})
	}
	working.Wait()
	took, sum := time.Since(start), 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / took.Seconds(), errors.Join(errs...)
}

func someEvent() rolebroker.AuditEvent {
	return rolebroker.AuditEvent{
		ID: rolebroker.NewAuditEventID(), At: time.Now(), Action: rolebroker.ActionAgentUpdate,
		Actor:    rolebroker.Caller{APIKey: "key_aaaaaaaaaaaaaaaaaaaaaaaaaa", Name: "ci", Address: "192.0.2.7"},
		Subjects: []rolebroker.Subject{{Kind: rolebroker.KindAgent, ID: "agt_aaaaaaaaaaaaaaaaaaaaaaaaaa", Name: "scout"}},
		Before:   rolebroker.Facts{"description": "reads the bucket"},
		After:    rolebroker.Facts{"description": "reads the bucket and the table"},
	}
}

// shortTrail is how many events the trail has that a long one is compared with. It has two pages of each list.
const shortTrail = 200_000

// measureListing asks a server for pages of a long audit trail, in turns with one that has a short trail.
func measureListing(ctx context.Context, l *lab) (figures []figure, err error) {
	long, remove, err := l.databases(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	short, removeShort, err := l.databases(ctx)
	if err != nil {
		return nil, err
	}
	defer removeShort()
	for i := range long {
		more, err := l.measureLists(ctx, long[i], short[i])
		figures = append(figures, more...)
		if err != nil {
			return figures, err
		}
	}
	return figures, nil
}

// listing is a server with a trail.
type listing struct {
	server *childProcess
	trail  storetest.Filled
}

// fill writes a trail to a database and starts a server on it.
func fill(ctx context.Context, d database, events int, env []string) (listing, error) {
	trail := storetest.Filled{Events: events, From: time.Now().Add(-time.Duration(events) * time.Second)}
	start := time.Now()
	if err := storetest.FillTrail(ctx, d.url, trail); err != nil {
		return listing{}, err
	}
	fmt.Fprintf(os.Stderr, "   %s events written to %s in %v\n", thousands(int64(events)), d.name,
		time.Since(start).Round(time.Second))
	server, err := startChild(orders{Database: d.url}, env...)
	return listing{server, trail}, err
}

// measureLists measures the pages of a kind of database.
func (l *lab) measureLists(ctx context.Context, longest, shortest database) (figures []figure, err error) {
	aws, err := newCloud()
	if err != nil {
		return nil, err
	}
	defer aws.listening.Close()
	short, err := fill(ctx, shortest, shortTrail, aws.env())
	if err != nil {
		return nil, err
	}
	defer short.server.stop()
	long, err := fill(ctx, longest, l.events, aws.env())
	if err != nil {
		return nil, err
	}
	defer long.server.stop()
	for _, list := range lists {
		var measured, reference []time.Duration
		for range l.pages {
			m, err1 := long.pages(ctx, list)
			r, err2 := short.pages(ctx, list)
			if err := errors.Join(err1, err2); err != nil {
				return figures, fmt.Errorf("events %s: %w", list.name, err)
			}
			measured, reference = append(measured, m...), append(reference, r...)
		}
		figures = append(figures, single(fmt.Sprintf("a page of %d of %s events on %s, %s", listedPage,
			thousands(int64(l.events)), longest.name, list.name), milliseconds(percentile(measured, 0.99)), "ms p99").
			against(milliseconds(percentile(reference, 0.99)), "of "+thousands(shortTrail)).noMoreThan(50))
	}
	return figures, nil
}

// list is a filter of events.
type list struct {
	name   string
	filter func(storetest.Filled) url.Values
}

var lists = []list{
	{"the newest", func(storetest.Filled) url.Values { return url.Values{} }},
	{"from the middle", func(t storetest.Filled) url.Values { return url.Values{"until": {middle(t)}} }},
	{"of one agent", func(t storetest.Filled) url.Values {
		id, _ := t.Agent()
		return url.Values{"subject": {id}}
	}},
	{"of the refusals", func(storetest.Filled) url.Values { return url.Values{"outcome": {"refused"}} }},
	{"of changes by one key, before the middle", func(t storetest.Filled) url.Values {
		return url.Values{"actor": {"ci"}, "action": {"agent.update"}, "until": {middle(t)}}
	}},
}

func middle(t storetest.Filled) string {
	return t.From.Add(t.Until().Sub(t.From) / 2).UTC().Format(time.RFC3339)
}

// listedPage is how many events a page has.
const listedPage = 100

// pages reads a page and the next one.
func (t listing) pages(ctx context.Context, of list) (took []time.Duration, err error) {
	query := of.filter(t.trail)
	query.Set("limit", strconv.Itoa(listedPage))
	for range 2 {
		var page api.List[json.RawMessage]
		start := time.Now()
		if err := t.server.get(ctx, "/api/v1/audit-events?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
		if len(page.Items) != listedPage {
			return nil, fmt.Errorf("a page has %d events", len(page.Items))
		}
		query.Set("cursor", page.NextCursor)
	}
	return took, nil
}

// get reads an answer of the API as the admin.
func (c *childProcess) get(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.AdminKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
