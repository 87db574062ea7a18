package web

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// failureLimit bounds how often people in one network may fail to sign in.
type failureLimit struct {
	every rate.Limit
	burst int
	mu    sync.Mutex
	by    map[string]*rate.Limiter // by network
}

// maxNetworks bounds how many networks a failureLimit remembers; beyond it, the
// limit forgets all of them.
const maxNetworks = 10_000

func newFailureLimit(every rate.Limit, burst int) *failureLimit {
	return &failureLimit{every: every, burst: burst, by: map[string]*rate.Limiter{}}
}

// allow returns whether a network may fail once more. A valid key is never
// refused, however many attempts failed before.
func (l *failureLimit) allow(network string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.by) >= maxNetworks {
		clear(l.by)
	}
	limiter := l.by[network]
	if limiter == nil {
		limiter = rate.NewLimiter(l.every, l.burst)
		l.by[network] = limiter
	}
	return limiter.AllowN(now, 1)
}

// origin returns the network that a request comes from.
func origin(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return network(host)
}

// network is an IPv4 address, or the /64 network of an IPv6 address, which one
// customer has.
func network(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return "unknown"
	case addr.Unmap().Is4():
		return addr.Unmap().String()
	}
	prefix, _ := addr.WithZone("").Prefix(64) // every IPv6 address has one
	return prefix.String()
}
