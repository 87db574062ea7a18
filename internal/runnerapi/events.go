package runnerapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// events tells a runner of every change until it goes away, its credential is no
// longer good, the server itself hears no longer of all of them, or it stops.
func (d *door) events(w http.ResponseWriter, r *http.Request) {
	who, err := d.runner(r)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	changes, err := d.Broker.Watch(r.Context(), who)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	defer changes.Close()
	w.Header().Set("Content-Type", api.EventsType)
	w.Header().Set("X-Accel-Buffering", "no")
	out := stream{json.NewEncoder(w), http.NewResponseController(w)}
	if out.send(api.RunnerEvent{Hello: &api.Hello{Runner: string(who.Runner), Name: who.Name}}) != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-d.Closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	for beat := time.Now(); ctx.Err() == nil; {
		if !time.Now().Before(beat) {
			beat = time.Now().Add(d.Heartbeat)
			if !changes.AreHeard() || !d.isStillGood(ctx, r) || out.send(api.RunnerEvent{}) != nil {
				return
			}
		}
		for _, c := range next(ctx, changes, beat) {
			if out.send(api.RunnerEvent{Change: &api.Change{Agent: string(c.Agent), Integration: string(c.Integration)}}) != nil {
				return
			}
		}
	}
}

// next waits for changes until it is time for a heartbeat.
func next(ctx context.Context, changes *broker.Changes, until time.Time) []rolebroker.Change {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return changes.Next(ctx)
}

// isStillGood looks at the credential again, at each heartbeat, and notes that
// the runner is there.
func (d *door) isStillGood(ctx context.Context, r *http.Request) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	who, err := d.Auth.Runner(ctx, r.Header.Get("Authorization"), r.RemoteAddr)
	if err != nil {
		return rolebroker.CodeOf(err) == rolebroker.CodeUnavailable || rolebroker.CodeOf(err) == rolebroker.CodeInternal
	}
	if err := d.Broker.SeeRunner(ctx, who); err != nil {
		d.Log.Warn("noting that a runner is there", "runner", who.Name, "reason", err)
	}
	return true
}

// stream sends a line at a time.
type stream struct {
	lines *json.Encoder
	conn  *http.ResponseController
}

// sendTimeout bounds one line.
const sendTimeout = 10 * time.Second

func (s stream) send(e api.RunnerEvent) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)) // a connection without deadlines is bounded otherwise
	if err := s.lines.Encode(e); err != nil {
		return err
	}
	return s.conn.Flush()
}
