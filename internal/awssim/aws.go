package awssim

import (
	"cmp"
	"net/http"
	"sync"
	"time"
)

// Options adjust an [AWS]. The zero value is ready to use.
type Options struct {
	// Now is the clock for signatures, sessions and tokens. Nil means time.Now.
	Now func() time.Time

	// TrustPolicyLength is the quota "Role trust policy length" of every account, in
	// characters without white space. Zero means 2048, its default; AWS raises it to 8192
	// at most.
	TrustPolicyLength int

	// HTTPClient fetches the discovery document and keys of OpenID Connect
	// providers that were created through the IAM API. If it is nil, the
	// simulator makes no connections, and refuses tokens of such providers as
	// AWS does for a provider that it cannot reach.
	HTTPClient *http.Client
}

// AWS is a simulated cloud: accounts in every partition. It is also the HTTP
// handler that serves their services. It is safe for concurrent use.
type AWS struct {
	now         func() time.Time
	client      *http.Client
	trustLength int

	mu          sync.Mutex // guards everything below
	accounts    map[string]*account
	keys        map[string]*accessKey
	buckets     map[string]*bucket
	ids         map[string]string // unique id (AROA…, AIDA…) → ARN, while it lives
	sessions    []string          // access key ids of sessions, oldest first
	secrets     []string
	calls       map[string]int
	assumed     []AssumeRoleCall
	faults      []*fault
	lifetime    time.Duration
	propagation time.Duration
}

// remembered is the number of sessions, of secrets and of journal entries that a
// simulator keeps. It drops the oldest beyond that.
const remembered = 100_000

// New returns an AWS with no accounts in it.
func New(o Options) *AWS {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &AWS{
		now:         o.Now,
		client:      o.HTTPClient,
		trustLength: cmp.Or(o.TrustPolicyLength, 2048),
		accounts:    map[string]*account{},
		keys:        map[string]*accessKey{},
		buckets:     map[string]*bucket{},
		ids:         map[string]string{},
		calls:       map[string]int{},
	}
}

// Secrets returns all secret access keys and session tokens created or issued so
// far. Tests search logs and files for them.
func (a *AWS) Secrets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.secrets...)
}

// SetLifetime makes every session issued from now on expire after d, whatever
// duration was requested; the response has the actual expiration. Zero restores
// AWS's behaviour. As in AWS, lifetimes count in whole seconds from the second of
// issue.
func (a *AWS) SetLifetime(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lifetime = d
}

// SetPropagation makes AssumeRole deny access to a role until d after its
// creation, as IAM does for some seconds.
func (a *AWS) SetPropagation(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.propagation = d
}

// keep appends to a list and drops its oldest entry if it is full.
func keep[T any](list []T, item ...T) []T {
	list = append(list, item...)
	if len(list) >= 2*remembered {
		list = append([]T(nil), list[len(list)-remembered:]...)
	}
	return list
}
