package serviceaccount_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/serviceaccount"
)

// A token stops working a minute after its pod was deleted, however long it lives. Within that minute nobody waits for
// the API server.
func TestATokenEndsWithItsPod(t *testing.T) {
	w := newWorld(t, reviewed)
	token := w.token("old", map[string]any{"exp": w.now.Add(24 * time.Hour).Unix()})
	w.believes(token)
	w.gone = true
	w.now = w.now.Add(59 * time.Second)
	asked := w.reviews
	w.believes(token)
	if w.reviews != asked {
		t.Error("a warm answer waits for the API server")
	}
	w.now = w.now.Add(time.Second)
	e := w.refuses(rolebroker.CodeExpired, token)
	if !strings.Contains(e.Message, "its pod or its service account was deleted") {
		t.Error(e.Message)
	}
	w.refuses(rolebroker.CodeExpired, token) // not remembered as good
	w.verdict = http.StatusServiceUnavailable
	w.refuses(rolebroker.CodeExpired, token) // an outage does not bring it back
	w.now = w.now.Add(time.Second)
	w.refuses(rolebroker.CodeExpired, token)
	w.verdict, w.now = 0, w.now.Add(15*time.Second)
	w.gone = false // it was the answer of a moment
	w.believes(token)
}

// A token of a deleted pod that is shown again and again costs few reviews, and a question that the API server refuses
// does not keep others from being asked.
func TestOneTokenDoesNotSpoilTheReviewsOfOthers(t *testing.T) {
	w := newWorld(t, reviewed)
	w.gone = true
	bad := w.token("old", nil)
	for range 20 {
		w.refuses(rolebroker.CodeExpired, bad)
	}
	if w.reviews != 1 {
		t.Errorf("20 requests with the token of a deleted pod cost %d reviews", w.reviews)
	}
	w.gone = false
	for _, verdict := range []int{http.StatusNotFound, http.StatusTooManyRequests} {
		w.now, w.verdict = w.now.Add(time.Minute), verdict
		w.believes(w.token("old", map[string]any{"jti": fmt.Sprint(verdict)}))
		w.verdict, w.gone = 0, true
		w.refuses(rolebroker.CodeExpired, w.token("old", map[string]any{"jti": fmt.Sprint(-verdict)}))
		w.gone = false
	}
}

// While the API server does not answer, tokens that it accepted in the last hour go on, and few requests wait for it.
func TestTokensGoOnWhileTheAPIServerIsAway(t *testing.T) {
	w := newWorld(t, reviewed)
	token := w.token("old", map[string]any{"exp": w.now.Add(24 * time.Hour).Unix()})
	w.believes(token)
	w.verdict = http.StatusServiceUnavailable
	w.now = w.now.Add(2 * time.Minute)
	asked := w.reviews
	for range 20 {
		w.believes(token)
	}
	if w.reviews != asked+1 {
		t.Errorf("it was asked %d times", w.reviews-asked)
	}
	w.now = w.now.Add(57 * time.Minute)
	w.believes(token)
	w.believes(w.token("old", nil)) // a new one
	w.now = w.now.Add(2 * time.Minute)
	w.refuses(rolebroker.CodeUnavailable, token)
	w.verdict = 0
	w.now = w.now.Add(15 * time.Second)
	w.believes(token)
}

// Where nobody can tell whether the pod still exists, a token that lives for more than an hour is refused.
func TestWhatCannotBeReviewedIsShort(t *testing.T) {
	var log bytes.Buffer
	forbidden := newWorld(t, func(o *serviceaccount.Options) {
		reviewed(o)
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	forbidden.verdict = http.StatusForbidden
	off := newWorld(t, func(o *serviceaccount.Options) {
		reviewed(o)
		o.NoReview = true
	})
	for _, w := range []*world{forbidden, off, newWorld(t, nil)} {
		hour := w.token("old", nil)
		w.believes(hour)
		e := w.refuses(rolebroker.CodeUnauthenticated, w.token("old", map[string]any{
			"exp": w.now.Add(time.Hour + time.Second).Unix()}))
		if !strings.Contains(e.Message, "expirationSeconds: 3600") {
			t.Error(e.Message)
		}
		w.believes(hour)
	}
	if n := strings.Count(log.String(), "does not let this pod review tokens"); n != 1 {
		t.Errorf("the log says so %d times: %s", n, &log)
	}
	if off.reviews != 0 {
		t.Error("the API server is asked though it should not be")
	}
}

// Labels are those of the last minute, or the last known.
func TestLabelsOfAServiceAccount(t *testing.T) {
	w := newWorld(t, reviewed)
	token := w.token("old", nil)
	has := func(want string) {
		t.Helper()
		said, err := w.verifier.Verify(context.Background(), token)
		if err != nil || said.Labels.String() != want || said.Labels == nil {
			t.Errorf("they are %q, %v, not %q", said.Labels, err, want)
		}
	}
	unknown := func() {
		t.Helper()
		if said, err := w.verifier.Verify(context.Background(), token); err != nil || said.Labels != nil {
			t.Errorf("they are %#v, %v, and cannot be read", said.Labels, err)
		}
	}
	w.verdict = http.StatusServiceUnavailable
	unknown()
	w.now, w.verdict = w.now.Add(time.Minute), 0
	has("")
	w.now = w.now.Add(time.Minute)
	w.labels = `{"team": "ml", "app": "x"}`
	has("app=x,team=ml")
	w.labels = `{"team": "web"}`
	has("app=x,team=ml")
	w.now = w.now.Add(time.Minute)
	has("team=web")
	w.now, w.verdict = w.now.Add(time.Minute), http.StatusServiceUnavailable
	has("team=web")
	w.now, w.verdict = w.now.Add(time.Minute), http.StatusForbidden
	unknown()
}
