package client

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Errors with which a reader of lines ends a stream.
var (
	errDone    = errors.New("the stream is complete")
	errForeign = errors.New("the line is not one of rolebroker")
)

// stream sends a request and calls read with each line of the answer: a value of
// type T as JSON. It ends when read returns an error, when ctx ends, and when the
// server sends nothing, not even an empty line, for the duration of silence. The
// timeout of the HTTP client does not apply. ended is true if the server closed
// the stream.
func stream[T any](ctx context.Context, c *Client, r request, silence time.Duration, read func(T) error) (
	ended bool, err error) {
	open, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	silent := func(err error) error {
		if open.Err() != nil && ctx.Err() == nil {
			return c.unreachable(ctx, context.DeadlineExceeded)
		}
		return err
	}
	patient := *c.http
	patient.Timeout = 0
	resp, err := c.ask(open, &patient, r)
	if err != nil {
		return false, silent(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, c.refusal(resp)
	}
	if resp.Header.Get("Content-Type") != r.accept {
		return false, c.foreign(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	most := cmp.Or(r.most, maxAnswer)
	lines.Buffer(nil, most)
	for lines.Scan() {
		quiet.Reset(silence)
		if len(lines.Bytes()) == 0 {
			continue
		}
		var line T
		if err = c.parse(lines.Bytes(), &line); err == nil {
			err = read(line)
		} else {
			err = errForeign
		}
		switch {
		case errors.Is(err, errDone):
			return false, nil
		case errors.Is(err, errForeign):
			return false, c.foreign(resp)
		case err != nil:
			return false, err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return false, c.tooLarge(most)
	} else if err != nil {
		return false, silent(c.unreachable(ctx, err))
	}
	return true, nil
}

// Events calls each with every event that the server sends, heartbeats included,
// until ctx or the stream ends. The stream ends too when the server sends nothing
// for three heartbeats, or does not begin with a Hello. Events always returns an
// error. replica is the ID that this process gave itself, by which the server counts
// the processes of a runner; it has the form of a name, or is empty.
func (c *Client) Events(ctx context.Context, replica string, each func(api.RunnerEvent)) error {
	greeted := false
	r := request{method: http.MethodGet, place: at(runnerAPI + "/events"), accept: api.EventsType, most: maxEvent}
	if replica != "" {
		r.query = url.Values{"replica": {replica}}
	}
	_, err := stream(ctx, c, r, 3*api.Heartbeat, func(event api.RunnerEvent) error {
		if !greeted && (event.Hello == nil || event.Hello.Runner == "") {
			return errForeign
		}
		greeted = true
		each(event)
		return nil
	})
	if err == nil {
		err = rolebroker.Errorf(rolebroker.CodeUnavailable, "the stream of events of rolebroker at %s ended", c.base)
	}
	return err
}
