package serviceaccount

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
)

const (
	// reviewEvery is the age at which an answer of the API server is asked for again: how long a token works, at
	// most, after its pod or service account was deleted.
	reviewEvery = time.Minute

	// reviewPause is how long the API server is not asked again after it did not answer, so that a request waits for
	// it rarely.
	reviewPause = 15 * time.Second

	// refusedFor is how long a token that the API server does not accept is refused without asking again: what shows it
	// repeats itself, and the answer may be that of a moment.
	refusedFor = 10 * time.Second

	// reviewTimeout bounds a question, for which an agent waits.
	reviewTimeout = 2 * time.Second

	// maxUnreviewed bounds how long a token works that the API server cannot be asked about: since it was asked last,
	// or since the token was made. It is also how long such a token may live. It is Kubernetes' default lifetime.
	maxUnreviewed = time.Hour

	// maxReviewed bounds the answers that are remembered.
	maxReviewed = 10_000
)

// errForbidden means that the API server does not let this pod ask.
var errForbidden = errors.New("the API server does not let the runner ask")

// errNotFound means that the API server has no such object.
var errNotFound = errNoAnswer("404 Not Found")

// errNoAnswer is the status with which the API server refused one question: it may answer others.
type errNoAnswer string

func (e errNoAnswer) Error() string { return "the API server answered " + string(e) }

// reviewer asks the API server whether a token still counts, which it does while its pod and its service account exist,
// and which labels the service account has. It remembers an answer for a minute.
type reviewer struct {
	opts Options
	keys *keySource // for its client and token
	base string     // the URL of the API server

	asking singleflight.Group

	mu      sync.Mutex
	answers map[any]review // by token, and by service account
	silent  time.Time      // until when the API server is not asked, since it answered nothing
	lastErr error          // why it did not
	told    bool           // the log has the warning that it may not ask
}

// review is an answer of the API server.
type review struct {
	at        time.Time
	labels    rolebroker.Labels // nil: not known
	gone      bool              // the API server does not accept the token
	silent    time.Time         // until when this is not asked again, since the API server refused the question
	err       error             // with what it refused it
	forbidden bool              // the API server does not let this pod ask
}

// newReviewer makes a reviewer; nil if the API server of the tokens is not known.
func newReviewer(opts Options, keys *keySource) *reviewer {
	base := opts.APIServer
	if base == "" && keys.inPod {
		base = podAPIServer
	}
	if base == "" || opts.NoReview {
		return nil
	}
	return &reviewer{opts: opts, keys: keys, base: base, answers: map[any]review{}}
}

// check returns nil if the token counts. made is when the token was made, and life how long it lives. Codes: expired,
// if its pod or its service account is gone; unauthenticated, if nothing can tell and it lives too long; unavailable,
// if it was not reviewed for too long.
func (r *reviewer) check(ctx context.Context, sum digest, token string, made time.Time, life time.Duration) error {
	if r == nil {
		return checkUnreviewed(life, "the runner does not ask the API server whether its pod still exists")
	}
	last, err := r.fresh(ctx, sum, func(ctx context.Context) (review, error) { return r.review(ctx, token) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errForbidden):
		r.tell()
		return checkUnreviewed(life, "the API server does not let the runner ask whether its pod still exists")
	case rolebroker.CodeOf(err) == rolebroker.CodeExpired:
		return err
	case last.gone:
		return errGone()
	case last.at.After(made):
		made = last.at
	}
	if unseen := r.opts.Now().Sub(made); unseen > maxUnreviewed {
		since := rolebroker.ShortDuration(unseen.Truncate(time.Second))
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the API server could not be asked for %s whether the "+
			"pod of the service-account token still exists: %w", since, err).
			WithHint("let the runner reach its API server")
	}
	return nil
}

// checkUnreviewed refuses a token that lives too long to work without a review.
func checkUnreviewed(life time.Duration, why string) error {
	if life <= maxUnreviewed {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the service-account token lives for %s, and %s, so one "+
		"that lives for more than %s is not accepted; mount a projected token with expirationSeconds: 3600",
		rolebroker.ShortDuration(life), why, rolebroker.ShortDuration(maxUnreviewed))
}

// labels returns the labels of a service account: as they were in the last minute, or as they were last known. They are
// nil only if they cannot be read.
func (r *reviewer) labels(ctx context.Context, account rolebroker.ServiceAccount) rolebroker.Labels {
	if r == nil {
		return nil
	}
	found, err := r.fresh(ctx, account, func(ctx context.Context) (review, error) { return r.account(ctx, account) })
	if err != nil && r.opts.Log != nil {
		r.opts.Log.Debug("the labels of a service account cannot be read", "service_account", account.String(),
			"reason", err)
	}
	if errors.Is(err, errForbidden) {
		return nil
	}
	return found.labels
}

// fresh returns the answer that is remembered for a key, if it is young, else it asks. With an error it returns the
// last answer, which may be the zero value.
func (r *reviewer) fresh(ctx context.Context, key any, ask func(context.Context) (review, error)) (review, error) {
	known, done, err := r.known(key)
	if done {
		return known, err
	}
	asked := r.asking.DoChan(fmt.Sprint(key), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewTimeout)
		defer cancel()
		answer, err := ask(ctx)
		r.keep(key, answer, err)
		return answer, err
	})
	select {
	case <-ctx.Done():
		return known, ctx.Err()
	case result := <-asked:
		if result.Err != nil {
			return known, result.Err
		}
		return result.Val.(review), nil
	}
}

// known returns the remembered answer of a key, and whether it has to do.
func (r *reviewer) known(key any) (found review, done bool, err error) {
	now := r.opts.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.answers[key]
	switch {
	case ok && now.Sub(found.at) < reviewEvery && found.forbidden:
		return found, true, errForbidden
	case ok && now.Sub(found.at) < reviewEvery && !found.gone:
		return found, true, nil
	case ok && now.Sub(found.at) < refusedFor && found.gone:
		return found, true, errGone()
	case ok && now.Before(found.silent):
		return found, true, found.err
	case now.Before(r.silent):
		return found, true, r.lastErr
	}
	return found, false, nil
}

// keep remembers an answer, or that there was none.
func (r *reviewer) keep(key any, answer review, err error) {
	now := r.opts.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil || errors.Is(err, errForbidden):
		answer.forbidden = err != nil
		r.put(key, answer)
	case rolebroker.CodeOf(err) == rolebroker.CodeExpired:
		r.put(key, review{gone: true})
	case errors.As(err, new(errNoAnswer)):
		last := r.answers[key]
		last.silent, last.err = now.Add(reviewPause), err
		r.remember(key, last)
	default:
		r.silent, r.lastErr = now.Add(reviewPause), err
	}
}

// put remembers an answer of now; r.mu is held.
func (r *reviewer) put(key any, answer review) {
	answer.at = r.opts.Now()
	r.remember(key, answer)
}

// remember remembers what is known about a key; r.mu is held.
func (r *reviewer) remember(key any, answer review) {
	if len(r.answers) >= maxReviewed {
		clear(r.answers)
	}
	r.answers[key] = answer
}

// tell logs once that the reviewer is not permitted to ask.
func (r *reviewer) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opts.Log != nil && !r.told {
		r.opts.Log.Warn("the API server does not let this pod review tokens: tokens of deleted pods work until they "+
			"expire, and tokens that live for more than an hour are refused", "hint",
			"let the service account create tokenreviews.authentication.k8s.io, as the Helm chart does")
	}
	r.told = true
}

// review asks whether the API server accepts a token.
//
// Source: Kubernetes API reference, "TokenReview".
func (r *reviewer) review(ctx context.Context, token string) (review, error) {
	var answer struct {
		Status struct {
			Authenticated bool     `json:"authenticated"`
			Audiences     []string `json:"audiences"`
		} `json:"status"`
	}
	err := r.do(ctx, http.MethodPost, "/apis/authentication.k8s.io/v1/tokenreviews", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"spec": map[string]any{"token": token, "audiences": []string{r.opts.Audience}},
	}, &answer)
	switch {
	case err != nil:
		return review{}, err
	case !answer.Status.Authenticated || len(answer.Status.Audiences) == 0:
		return review{}, errGone()
	}
	return review{}, nil
}

// errGone refuses a token that the API server does not accept.
func errGone() error {
	return rolebroker.Errorf(rolebroker.CodeExpired, "the API server no longer accepts the service-account token: its "+
		"pod or its service account was deleted").
		WithHint("show the token of a pod that exists; the kubelet writes it to the pod's file")
}

// account reads the labels of a service account.
func (r *reviewer) account(ctx context.Context, account rolebroker.ServiceAccount) (review, error) {
	var found struct {
		Metadata struct {
			Labels rolebroker.Labels `json:"labels"`
		} `json:"metadata"`
	}
	err := r.do(ctx, http.MethodGet, "/api/v1/namespaces/"+url.PathEscape(account.Namespace)+"/serviceaccounts/"+
		url.PathEscape(account.Name), nil, &found)
	if errors.Is(err, errNotFound) { // it was deleted just now
		return review{}, nil
	}
	if err == nil && found.Metadata.Labels == nil {
		found.Metadata.Labels = rolebroker.Labels{} // it has none
	}
	return review{labels: found.Metadata.Labels}, err
}

// do sends a request as the pod. An error of the API server repeats nothing of the request, which has a token in it.
func (r *reviewer) do(ctx context.Context, method, path string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	if err := checkKeysURL(req.URL); err != nil {
		return err
	}
	own, err := r.keys.token.Token()
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+own.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	client, err := r.keys.client()
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return errForbidden
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusUnauthorized: // which is about the runner's own token
		return errNoAnswer(resp.Status)
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("the API server answered %s", resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxKeys)).Decode(into)
}
