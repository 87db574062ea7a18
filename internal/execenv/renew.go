package execenv

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/renewal"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// The SDKs of the command keep a key for the gateway until it is about to expire. When the agent's token was replaced, or
// what was lent was ended, the gateway refuses that key, and the room adds the newest one that it has: see package
// renewal.

// keys are the keys for the gateway that the command has. The zero value has none.
type keys struct {
	mu     sync.Mutex
	of     map[string]issued                             // by session token
	newest map[rolebroker.Request]rolebroker.Credentials // by what was asked for
}

// issued is what a key was asked for with, and when it expires.
type issued struct {
	asked   rolebroker.Request
	expires time.Time
}

// maxIssued bounds the keys that are remembered. A command that has more gets no help with some of them.
const maxIssued = 1024

// note remembers a key that the command gets, unless that is AWS's.
func (k *keys) note(asked rolebroker.Request, loan *rolebroker.Loan) {
	if loan.Keys != rolebroker.KeysWithheld {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of, k.newest = map[string]issued{}, map[rolebroker.Request]rolebroker.Credentials{}
	}
	k.makeRoom(time.Now())
	k.of[loan.Credentials.SessionToken.Reveal()] = issued{asked, loan.Credentials.Expires}
	k.newest[asked] = loan.Credentials
}

// makeRoom forgets keys once there are many: those that have expired, or else any. The caller holds k.mu.
func (k *keys) makeRoom(now time.Time) {
	if len(k.of) < maxIssued {
		return
	}
	for token, of := range k.of {
		if !now.Before(of.expires) || len(k.of) >= maxIssued {
			delete(k.of, token)
		}
	}
	for asked, key := range k.newest {
		if !now.Before(key.Expires) {
			delete(k.newest, asked)
		}
	}
}

// find returns what the key of a session token was asked for with, and the newest key for the same.
func (k *keys) find(token string) (asked rolebroker.Request, newest rolebroker.Credentials, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	of, ok := k.of[token]
	return of.asked, k.newest[of.asked], ok
}

// gatewayOf returns the gateway of the options, for requests whose keys may have been replaced; nil if there is none.
func (l *lender) gatewayOf(o Options) http.Handler {
	if o.Gateway == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(renewal.Header)
		signature, err := sigv4.Read(r)
		if err != nil {
			o.Gateway.ServeHTTP(w, r)
			return
		}
		asked, newest, known := l.keys.find(signature.Token)
		if !known {
			o.Gateway.ServeHTTP(w, r)
			return
		}
		if newest.SessionToken.Reveal() != signature.Token {
			addKey(r, newest)
		}
		l.relay(o.Gateway, w, r, asked, newest)
	})
}

func addKey(r *http.Request, key rolebroker.Credentials) {
	renewal.Add(r, key.AccessKeyID, key.SessionToken.Reveal(), key.SecretAccessKey.Reveal())
}

// relay sends a request to the gateway. If its key is no longer good and there is another one, it sends the request once
// more; if it has not kept all of the body, the SDK is told to do that.
func (l *lender) relay(gateway http.Handler, w http.ResponseWriter, r *http.Request, asked rolebroker.Request,
	used rolebroker.Credentials) {
	body := &keptBody{ReadCloser: r.Body, large: r.ContentLength > maxKept}
	first, once, again := &attempt{ResponseWriter: w}, r.WithContext(r.Context()), r.Clone(r.Context())
	once.Body = body // not that of r: before a refusal, net/http would wait for a body that it does not know
	gateway.ServeHTTP(first, once)
	if first.refused == nil {
		return
	}
	newest, ok := l.renew(r.Context(), asked, used)
	if !ok {
		first.pass(first.status)
		return
	}
	content, whole := body.content(r.ContentLength)
	if !whole {
		first.pass(http.StatusServiceUnavailable) // every SDK tries again
		return
	}
	for name := range w.Header() {
		w.Header().Del(name)
	}
	again.Body = io.NopCloser(bytes.NewReader(content))
	addKey(again, newest)
	gateway.ServeHTTP(w, again)
}

// renew returns another key than the one that was used; ok is false if there is none.
func (l *lender) renew(ctx context.Context, asked rolebroker.Request, used rolebroker.Credentials) (
	newest rolebroker.Credentials, ok bool) {
	loan, err := l.ask(ctx, asked)
	if err != nil || loan.Keys != rolebroker.KeysWithheld {
		return newest, false
	}
	return loan.Credentials, loan.Credentials.SessionToken.Reveal() != used.SessionToken.Reveal()
}

// attempt is an answer that is held back if it refuses a key that is no longer good.
type attempt struct {
	http.ResponseWriter
	status  int
	refused *bytes.Buffer // the body of such an answer; nil: it is another one, or none
}

func (a *attempt) WriteHeader(status int) {
	if status >= http.StatusOK && a.Header().Get(renewal.Ended) != "" {
		a.status, a.refused = status, new(bytes.Buffer)
		return
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *attempt) Write(p []byte) (int, error) {
	if a.refused != nil {
		return a.refused.Write(p)
	}
	return a.ResponseWriter.Write(p)
}

// FlushError is for [http.ResponseController].
func (a *attempt) FlushError() error {
	if a.refused != nil {
		return nil
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap is for [http.ResponseController].
func (a *attempt) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// pass answers with what was held back.
func (a *attempt) pass(status int) {
	a.Header().Del(renewal.Ended)
	a.ResponseWriter.WriteHeader(status)
	_, _ = a.ResponseWriter.Write(a.refused.Bytes()) // the client may be gone
}

// maxKept bounds the body that is kept, to be sent once more.
const maxKept = 64 << 10

// keptBody keeps a copy of a small body that is read.
type keptBody struct {
	io.ReadCloser
	mu    sync.Mutex
	kept  []byte
	ended bool // all of it was read
	large bool
}

func (b *keptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.large = b.large || len(b.kept)+n > maxKept; b.large {
		b.kept = nil
	} else {
		b.kept = append(b.kept, p[:n]...)
	}
	b.ended = b.ended || err == io.EOF
	return n, err
}

// content is the body, if all of it was kept. Its length is -1 if nobody said it.
func (b *keptBody) content(length int64) (_ []byte, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept, !b.large && (b.ended || int64(len(b.kept)) == length)
}
