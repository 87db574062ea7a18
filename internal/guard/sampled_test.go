package guard

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lines is what a log has. A timer may write to it.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestASampledLogSaysHowMuchItLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		sampled := Sampled(slog.New(slog.NewTextHandler(&log, nil)))
		for i := range 1000 {
			sampled.Warn("refused", "action", "api-key.authenticate", "number", i)
		}
		sampled.Warn("refused", "action", "runner.join")
		sampled.Warn("refused", "agent", "agt_other")
		sampled.With("from", "x").Warn("another message")
		if n := strings.Count(log.String(), "\n"); n != sampleLines+3 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
		time.Sleep(samplePeriod)
		synctest.Wait()
		if n := strings.Count(log.String(), "left out lines of the log"); n != 1 || !strings.Contains(log.String(),
			`level=WARN msg="left out lines of the log" count=980 like=refused action=api-key.authenticate within=1m0s`) {
			t.Errorf("the log:\n%s", log.String())
		}
		log.text.Reset()
		sampled.Warn("refused", "action", "api-key.authenticate")
		if !strings.Contains(log.String(), "msg=refused") {
			t.Error("the next minute has no line")
		}
	})
}

func TestASampledLogRemembersFewKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		sampled := Sampled(slog.New(slog.NewTextHandler(&log, nil)))
		for i := range 10 * sampleKinds {
			sampled.Info("made up", "action", fmt.Sprint(i))
		}
		if n := strings.Count(log.String(), "\n"); n != sampleKinds+sampleLines {
			t.Errorf("%d lines", n)
		}
	})
}

func TestFailedHandshakesAreNoErrorsOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		errors := ErrorLog(slog.New(slog.NewTextHandler(&log, nil)))
		errors.Print("http: TLS handshake error from 192.0.2.7:4711: EOF")
		errors.Print("http: TLS handshake error from 192.0.2.7:4711: tls: unknown certificate authority")
		errors.Print("http: superfluous response.WriteHeader call")
		for range 100 {
			errors.Print("http: TLS handshake error from 192.0.2.8:4711: no cipher suite")
		}
		if text := log.String(); strings.Contains(text, "EOF") || strings.Count(text, "\n") != sampleLines+1 ||
			!strings.Contains(text, `level=INFO msg="a TLS handshake failed" client="192.0.2.7:4711: tls: unknown`) ||
			!strings.Contains(text, `level=WARN msg="an HTTP server reports an error" reason="http: superfluous`) {
			t.Errorf("the log:\n%s", text)
		}
		ErrorLog(nil).Print("nothing")
	})
}
