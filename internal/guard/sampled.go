package guard

import (
	"context"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// The bounds of a sampled log: how many lines of a kind it has in a period, and how many kinds it tells apart.
const (
	samplePeriod = time.Minute
	sampleLines  = 20
	sampleKinds  = 200
)

// Sampled returns a logger for lines that strangers can cause. In a minute it writes twenty lines of a kind, and then
// one with the number of those that it left out. The kind of a line is its message, which must be a constant, and its
// attributes "action" and "agent", which no stranger may choose. nil stands for no log.
func Sampled(to *slog.Logger) *slog.Logger {
	if to == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(sampled{to.Handler(), &samples{kinds: map[kind]int{}}})
}

// sampled is a handler that leaves out lines.
type sampled struct {
	slog.Handler
	samples *samples
}

// samples are the lines of the current periods, which loggers that derive from one share.
type samples struct {
	mu    sync.Mutex
	kinds map[kind]int // how many lines came in its period
}

type kind struct {
	message, action, agent string
	level                  slog.Level
}

func kindOf(r slog.Record) kind {
	k := kind{message: r.Message, level: r.Level}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "action":
			k.action = a.Value.String()
		case "agent":
			k.agent = a.Value.String()
		}
		return true
	})
	return k
}

// Handle writes a line or leaves it out.
func (h sampled) Handle(ctx context.Context, r slog.Record) error {
	k := kindOf(r)
	count := h.samples.add(&k)
	if count == 1 {
		time.AfterFunc(samplePeriod, func() { h.end(k) })
	}
	if count > sampleLines {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// add counts a line of a kind. Of too many kinds it makes one.
func (s *samples) add(k *kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.kinds[*k]; !known && len(s.kinds) >= sampleKinds {
		*k = kind{message: "other lines", level: slog.LevelWarn}
	}
	s.kinds[*k]++
	return s.kinds[*k]
}

// end ends the period of a kind, and writes how many lines it left out.
func (h sampled) end(k kind) {
	h.samples.mu.Lock()
	leftOut := h.samples.kinds[k] - sampleLines
	delete(h.samples.kinds, k)
	h.samples.mu.Unlock()
	if leftOut <= 0 {
		return
	}
	line := slog.NewRecord(time.Now(), k.level, "left out lines of the log", 0)
	line.AddAttrs(slog.Int("count", leftOut), slog.String("like", k.message))
	for _, about := range []slog.Attr{slog.String("action", k.action), slog.String("agent", k.agent)} {
		if about.Value.String() != "" {
			line.AddAttrs(about)
		}
	}
	line.AddAttrs(slog.Duration("within", samplePeriod))
	_ = h.Handler.Handle(context.Background(), line) // as slog.Logger does
}

// WithAttrs is for slog.Handler.
func (h sampled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sampled{h.Handler.WithAttrs(attrs), h.samples}
}

// WithGroup is for slog.Handler.
func (h sampled) WithGroup(name string) slog.Handler {
	return sampled{h.Handler.WithGroup(name), h.samples}
}

// ErrorLog returns a log for http.Server, sampled. Clients cause most of its lines: failed TLS handshakes at level
// info, and those of clients that only connect, such as health checks, at level debug.
func ErrorLog(to *slog.Logger) *log.Logger { return log.New(httpErrors{Sampled(to)}, "", 0) }

// httpErrors writes the lines of an http.Server to a log.
type httpErrors struct{ log *slog.Logger }

var _ io.Writer = httpErrors{}

// Write writes a line.
func (e httpErrors) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	switch reason, ok := strings.CutPrefix(text, "http: TLS handshake error from "); {
	case ok && (strings.HasSuffix(reason, ": EOF") || strings.HasSuffix(reason, "connection reset by peer")):
		e.log.Debug("a client did not finish the TLS handshake", "client", reason)
	case ok:
		e.log.Info("a TLS handshake failed", "client", reason)
	default:
		e.log.Warn("an HTTP server reports an error", "reason", text)
	}
	return len(line), nil
}
