package runnerapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// events streams every change to a runner. It ends the stream when the runner goes
// away, when the runner's credential ends, when the server may miss changes of
// other servers, and when the server stops.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	who, err := s.caller(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	replica := r.URL.Query().Get("replica")
	if replica != "" && rolebroker.CheckName(replica) != nil {
		s.refuse(w, r, rolebroker.Errorf(rolebroker.CodeInvalid, "the ID of the replica is not in the form of a name"))
		return
	}
	changes, err := s.Broker.Watch(r.Context(), who)
	if err != nil {
		s.refuse(w, r, err)
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
		case <-s.Closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	var counted time.Time
	for beat := time.Now(); ctx.Err() == nil; {
		if !time.Now().Before(beat) {
			beat = time.Now().Add(s.Heartbeat)
			if time.Since(counted) >= replicaInterval {
				counted = time.Now()
				s.count(ctx, who, replica)
			}
			if !changes.AreHeard() || !s.isStillGood(ctx, r) || out.send(api.RunnerEvent{}) != nil {
				return
			}
		}
		for _, c := range next(ctx, changes, beat) {
			if c.Validate != "" {
				if c.Validate == who.Runner && out.send(api.RunnerEvent{Validate: true}) != nil {
					return
				}
				continue
			}
			change := convert.Change(c)
			if out.send(api.RunnerEvent{Change: &change}) != nil {
				return
			}
		}
	}
}

// replicaInterval is how often a process of a runner is stored as seen: less often than the runner itself, because a
// large cluster has one on every node.
const replicaInterval = 20 * time.Second

// count has the process be counted among those of its runner.
func (s *server) count(ctx context.Context, who rolebroker.Caller, replica string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.Broker.SeeReplica(ctx, who, replica); err != nil {
		s.Log.Warn("noting that a replica of a runner is there", "runner", who.Name, "reason", err)
	}
}

// next waits for changes until the next heartbeat is due.
func next(ctx context.Context, changes *broker.Changes, until time.Time) []rolebroker.Change {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return changes.Next(ctx)
}

// isStillGood checks the runner's credential again, and records that the runner
// was seen.
func (s *server) isStillGood(ctx context.Context, r *http.Request) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	who, err := s.Auth.Runner(ctx, r.Header.Get("Authorization"), r.RemoteAddr)
	if err != nil {
		return rolebroker.CodeOf(err) == rolebroker.CodeUnavailable || rolebroker.CodeOf(err) == rolebroker.CodeInternal
	}
	if err := s.Broker.SeeRunner(ctx, who); err != nil {
		s.Log.Warn("noting that a runner is there", "runner", who.Name, "reason", err)
	}
	return true
}

// stream sends lines, each at once.
type stream struct {
	lines *json.Encoder
	conn  *http.ResponseController
}

// sendTimeout bounds the sending of one line.
const sendTimeout = 10 * time.Second

func (s stream) send(e api.RunnerEvent) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)) // an error means that the connection has no deadlines
	if err := s.lines.Encode(e); err != nil {
		return err
	}
	return s.conn.Flush()
}
