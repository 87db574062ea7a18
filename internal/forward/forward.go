// Package forward lends what a server lends.
//
// A [Lender] forwards every request to a [Server], so that a refusal takes
// effect at the next request. Requests that are alike share one question to the
// server; when one of the callers goes away, the others still get the answer.
//
// The Lender remembers the last loan of each kind. While the server cannot
// answer, the caller gets that loan until it expires. A caller for whom there is
// such a loan waits for the server no longer than an AWS SDK waits for
// credentials.
//
// The package refuses to hand out what has expired, or a loan that the server
// refuses to renew. It remembers loans in memory only.
//
//	lender := forward.New(forward.Options{Server: server})
//	defer lender.Close()
//	loan, err := lender.Lend(ctx, "scout deployer", caller, rolebroker.Request{Role: "deployer"})
package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
)

const (
	// askTimeout bounds one question to the server, which may have to ask STS.
	askTimeout = 30 * time.Second

	// patience is how long a caller waits for the server while there is a
	// remembered loan. AWS SDKs give up after one or two seconds.
	patience = time.Second

	// failingPatience is patience after the server did not answer the last question for
	// the loan.
	failingPatience = 100 * time.Millisecond

	// maxKeys bounds the keys with a task that one caller asked for within idleAfter.
	// It is below the sessions that a server keeps for an agent by default, so that a
	// command that invents names of tasks leaves some to other commands.
	maxKeys   = 48
	idleAfter = time.Minute

	// sweepInterval is how often expired loans are forgotten.
	sweepInterval = time.Minute
)

// Server is where the requests go. Its errors are *rolebroker.Error: an outage,
// as rolebroker.IsOutage has it, or else a refusal.
type Server interface {
	Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error)
}

// Options configure New. Server is required.
type Options struct {
	Server Server
	Log    *slog.Logger     // nil: none
	Now    func() time.Time // nil: time.Now
}

// Lender forwards requests. Make one with New.
type Lender struct {
	server    Server
	log       *slog.Logger
	now       func() time.Time
	life      context.Context // until Close
	stop      context.CancelFunc
	questions singleflight.Group

	mu      sync.Mutex
	loans   map[string]*remembered                      // by key
	callers map[rolebroker.TokenID]map[string]time.Time // when each last asked, by key
	swept   time.Time                                   // when expired loans were last forgotten
	down    bool                                        // the log says that the server does not answer

	epoch uint64 // counts the calls of Forget
}

// remembered is the last good loan of a key.
type remembered struct {
	who     rolebroker.Caller
	loan    *rolebroker.Loan
	failing bool // the server has not answered the last question for it
}

// New makes a Lender. Close it.
func New(opts Options) *Lender {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	l := &Lender{server: opts.Server, log: opts.Log, now: opts.Now, loans: map[string]*remembered{},
		callers: map[rolebroker.TokenID]map[string]time.Time{}}
	l.life, l.stop = context.WithCancel(context.Background())
	return l
}

// Close breaks off the questions under way.
func (l *Lender) Close() { l.stop() }

// Lend forwards the request of who. Requests with the same key are alike: they
// share questions and loans, so the key says who asks, for which role and task.
// Codes: those of the Server; unavailable; throttled when a caller names too many
// tasks at a time.
func (l *Lender) Lend(ctx context.Context, key string, who rolebroker.Caller, req rolebroker.Request) (
	*rolebroker.Loan, error) {
	if req.Task != "" { // the caller makes up tasks, but not roles
		if err := l.admit(key, who.Token); err != nil {
			return nil, err
		}
	}
	epoch := l.currentEpoch() // a request after Forget shares no question from before
	answer := l.questions.DoChan(fmt.Sprint(epoch, " ", key), func() (any, error) {
		return l.ask(key, who, req, epoch)
	})
	var late <-chan time.Time
	if wait := l.patience(key); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case a := <-answer:
		return l.settle(key, a)
	case <-late:
		if loan := l.remembered(key); loan != nil {
			return loan, nil
		}
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable,
			"the server did not answer in time, and what it lent before has expired")
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the server did not answer in time: %w", ctx.Err())
	}
}

// patience is how long a caller waits for the server, because there is a valid loan; 0:
// there is none.
func (l *Lender) patience(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch known := l.loans[key]; {
	case known == nil || !l.isValid(known):
		return 0
	case known.failing:
		return failingPatience
	}
	return patience
}

// admit notes that a caller asks for a key with a task. If the caller has too many, it
// forgets the one that the caller left alone for the longest time. Codes: throttled.
func (l *Lender) admit(key string, caller rolebroker.TokenID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, keys := l.now(), l.callers[caller]
	if keys == nil {
		keys = map[string]time.Time{}
		l.callers[caller] = keys
	}
	if _, known := keys[key]; !known && len(keys) >= maxKeys {
		oldest := oldestOf(keys)
		if now.Sub(keys[oldest]) < idleAfter {
			return rolebroker.Errorf(rolebroker.CodeThrottled,
				"%d sessions with tasks are in use here, the most that are allowed at a time", len(keys)).
				WithHint("use fewer tasks at a time, or try again: one that nothing asked for during a minute " +
					"makes room")
		}
		delete(keys, oldest)
		delete(l.loans, oldest)
	}
	keys[key] = now
	return nil
}

func oldestOf(keys map[string]time.Time) (oldest string) {
	for key, at := range keys {
		if oldest == "" || at.Before(keys[oldest]) {
			oldest = key
		}
	}
	return oldest
}

// Remember remembers a loan that the caller got from the server without Lend.
func (l *Lender) Remember(key string, loan *rolebroker.Loan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loans[key] = &remembered{loan: loan}
}

func (l *Lender) currentEpoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// Forget forgets the loans that match, by caller and key. Whoever asks for one gets
// the next from the server, or none while the server cannot answer.
func (l *Lender) Forget(match func(who rolebroker.Caller, key string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	for key, known := range l.loans {
		if match(known.who, key) {
			delete(l.loans, key)
		}
	}
}

// settle turns an answer into the loan, the remembered loan during an outage, or
// the error.
func (l *Lender) settle(key string, answer singleflight.Result) (*rolebroker.Loan, error) {
	if answer.Err == nil {
		return answer.Val.(*rolebroker.Loan), nil
	}
	if rolebroker.IsOutage(answer.Err) {
		if loan := l.remembered(key); loan != nil {
			return loan, nil
		}
	}
	return nil, answer.Err
}

// ask asks the server, and remembers or forgets. It remembers nothing if Forget
// was called since epoch.
func (l *Lender) ask(key string, who rolebroker.Caller, req rolebroker.Request, epoch uint64) (
	*rolebroker.Loan, error) {
	ctx, cancel := context.WithTimeout(rolebroker.WithRequestID(l.life, who.Request), askTimeout)
	defer cancel()
	loan, err := l.server.Lend(ctx, who, req)
	if err == nil {
		err = rolebroker.CheckExpiry(loan.Credentials.Expires, l.now())
	}
	if err != nil {
		loan = nil
	}
	l.note(key, who, loan, err, epoch)
	return loan, err
}

// note remembers a loan, forgets it after a refusal, and logs when the server
// goes away and comes back.
func (l *Lender) note(key string, who rolebroker.Caller, loan *rolebroker.Loan, err error, epoch uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	known := l.loans[key]
	switch {
	case err == nil && epoch == l.epoch:
		l.loans[key] = &remembered{who: who, loan: loan}
	case err == nil:
	case !rolebroker.IsOutage(err):
		delete(l.loans, key)
	case known != nil && l.isValid(known):
		known.failing = true
		l.logDown(err)
		return
	default:
		return
	}
	l.logUp()
}

// logDown logs the first failure; l.mu is held.
func (l *Lender) logDown(err error) {
	if l.down || l.life.Err() != nil {
		return
	}
	l.down = true
	l.log.Warn("the server cannot lend now; loans that are still valid are handed out", "reason", err)
}

// logUp logs the recovery, once no loan is left that the server failed to renew;
// l.mu is held.
func (l *Lender) logUp() {
	if !l.down {
		return
	}
	for _, known := range l.loans {
		if known.failing && l.isValid(known) {
			return
		}
	}
	l.down = false
	l.log.Info("the server lends again")
}

// remembered is the last good loan of a key while it is valid, else nil.
func (l *Lender) remembered(key string) *rolebroker.Loan {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.loans[key]; known != nil && l.isValid(known) {
		return known.loan
	}
	return nil
}

func (l *Lender) isValid(known *remembered) bool {
	return l.now().Before(known.loan.Credentials.Expires)
}

// sweep forgets the loans that have expired; l.mu is held.
func (l *Lender) sweep() {
	now := l.now()
	if now.Sub(l.swept) < sweepInterval {
		return
	}
	l.swept = now
	for key, known := range l.loans {
		if !l.isValid(known) {
			delete(l.loans, key)
		}
	}
	for caller, keys := range l.callers {
		for key, at := range keys {
			if l.loans[key] == nil && now.Sub(at) >= idleAfter {
				delete(keys, key)
			}
		}
		if len(keys) == 0 {
			delete(l.callers, caller)
		}
	}
}

// NewLoan makes a loan from the fields of a server's answer. Codes: internal, if one
// of them is missing or malformed.
func NewLoan(roleARN, accessKeyID string, secretAccessKey, sessionToken rolebroker.Secret, expires time.Time,
	access rolebroker.Access, keys rolebroker.Keys) (*rolebroker.Loan, error) {
	arn, err := rolebroker.ParseRoleARN(roleARN)
	if err == nil && (accessKeyID == "" || secretAccessKey.IsZero()) {
		err = errors.New("the key is missing")
	}
	if err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInternal,
			"the server lent something that this version does not understand: %w", err).
			WithHint("use the same version on both sides: rolebroker version")
	}
	return &rolebroker.Loan{
		Role:   rolebroker.Role{ARN: arn},
		Access: access,
		Keys:   keys,
		Credentials: rolebroker.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey,
			SessionToken: sessionToken, Expires: expires.UTC()},
	}, nil
}
