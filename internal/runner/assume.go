package runner

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// STS assumes roles in one way, and finds out why one cannot be assumed.
type STS interface {
	lend.Assumer
	validate.STS
}

// assumer assumes roles in the way that works for each, with the cluster's own
// identity. Both ways are that identity: with IAM roles for service accounts a
// role trusts the service account itself, or another role that the service
// account has.
type assumer struct {
	token  STS // AssumeRoleWithWebIdentity with the service account's token; nil: there is none, or it is not wanted
	direct STS // AssumeRole from whatever identity the SDK's chain finds; nil: it is not wanted
	log    *slog.Logger

	mu  sync.Mutex
	way map[rolebroker.RoleARN]STS // what worked last
}

// maxWays bounds the roles of which it is remembered.
const maxWays = 10_000

// Assume asks STS for a role.
func (a *assumer) Assume(ctx context.Context, as rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return a.either(as, func(sts STS) (*rolebroker.Assumed, error) { return sts.Assume(ctx, as) })
}

// Try is Assume with one request to STS in each way that there is.
func (a *assumer) Try(ctx context.Context, as rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return a.either(as, func(sts STS) (*rolebroker.Assumed, error) { return sts.Try(ctx, as) })
}

// either goes the way that worked last, or the first there is, and the other
// when that is refused.
func (a *assumer) either(as rolebroker.Assumption, assume func(STS) (*rolebroker.Assumed, error)) (*rolebroker.Assumed, error) {
	first, second := a.ways(as.ARN)
	assumed, err := assume(first)
	if err == nil || second == nil || !isRefused(err) {
		return assumed, err
	}
	other, problem := assume(second)
	if problem != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.way) >= maxWays {
		clear(a.way)
	}
	a.way[as.ARN] = second
	a.log.Info("found how to assume a role", "arn", as.ARN, "method", a.method(second), "since", "the other way was refused: "+err.Error())
	return other, nil
}

func (a *assumer) ways(role rolebroker.RoleARN) (first, second STS) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.token == nil:
		return a.direct, nil
	case a.direct == nil:
		return a.token, nil
	case a.way[role] == a.direct:
		return a.direct, a.token
	}
	return a.token, a.direct
}

// isRefused says whether STS was heard, and said no for a reason that another
// way of asking may not have.
func isRefused(err error) bool {
	var r *rolebroker.Refusal
	if !errors.As(err, &r) {
		return false
	}
	switch r.Kind {
	case rolebroker.RefusedDenied, rolebroker.RefusedNoIdentity, rolebroker.RefusedIdentity, rolebroker.RefusedIdentityExpired:
		return true
	}
	return false
}

func (a *assumer) method(sts STS) rolebroker.AssumeMethod {
	if sts == a.token {
		return rolebroker.MethodWebIdentity
	}
	return rolebroker.MethodAssumeRole
}

// Identity is who the runner is in AWS: that of the SDK's chain, if it is used.
func (a *assumer) Identity(ctx context.Context) (*rolebroker.Identity, error) {
	if a.direct != nil && a.token == nil {
		return a.direct.Identity(ctx)
	}
	return &rolebroker.Identity{}, nil
}
