package awssim

import (
	"net/http"
	"sync"
	"time"
)

// Options adjust an [AWS]. The zero value is ready to use.
type Options struct {
	// Now is the clock by which signatures, sessions and tokens live.
	// Nil means time.Now.
	Now func() time.Time

	// HTTPClient fetches the discovery document and keys of OpenID Connect
	// providers created over the IAM API. Nil means that no connection is
	// ever made, and tokens of such providers are refused as AWS refuses
	// those of a provider it cannot reach.
	HTTPClient *http.Client
}

// AWS is a whole simulated cloud: accounts in every partition, and one
// endpoint, itself, that serves STS and IAM for all of them. It is safe for
// concurrent use.
type AWS struct {
	now    func() time.Time
	client *http.Client

	mu          sync.Mutex // guards everything below
	accounts    map[string]*account
	keys        map[string]*accessKey
	ids         map[string]string // unique id (AROA…, AIDA…) → ARN, while it lives
	sessions    []string          // access key ids of sessions, oldest first
	secrets     []string
	calls       map[string]int
	assumed     []AssumeRoleCall
	faults      []*fault
	lifetime    time.Duration
	propagation time.Duration
}

// remembered bounds what a long life leaves behind: that many sessions,
// secrets and journal entries are kept, then the oldest are forgotten.
const remembered = 100_000

// New returns an AWS with no accounts in it.
func New(o Options) *AWS {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &AWS{
		now:      o.Now,
		client:   o.HTTPClient,
		accounts: map[string]*account{},
		keys:     map[string]*accessKey{},
		ids:      map[string]string{},
		calls:    map[string]int{},
	}
}

// Secrets returns every secret access key and session token created or issued
// so far, so that a test can look for them where they must not be.
func (a *AWS) Secrets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.secrets...)
}

// SetLifetime makes every session issued from now on live for d, whatever
// duration was asked for; the answer says so. Zero restores AWS's behaviour.
// AWS counts in whole seconds from the second of issue, and so does this.
func (a *AWS) SetLifetime(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lifetime = d
}

// SetPropagation makes roles unassumable until d after their creation, as IAM
// does for some seconds: denied, not missing.
func (a *AWS) SetPropagation(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.propagation = d
}

// keep appends to a list that holds only the newest entries.
func keep[T any](list []T, item ...T) []T {
	list = append(list, item...)
	if len(list) >= 2*remembered {
		list = append([]T(nil), list[len(list)-remembered:]...)
	}
	return list
}
