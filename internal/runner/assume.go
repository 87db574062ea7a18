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

// STS assumes roles by one method, and tries out whether a role can be assumed.
type STS interface {
	lend.Assumer
	validate.STS
}

// assumer assumes roles with the cluster's own identity, each by the method that
// works for it. With IAM roles for service accounts, a role may trust the service
// account itself, or another role that the service account has.
type assumer struct {
	token  STS // AssumeRoleWithWebIdentity with the service account's token; nil: not used
	direct STS // AssumeRole with the identity that the SDK's chain finds; nil: not used
	log    *slog.Logger

	mu     sync.Mutex
	worked map[rolebroker.RoleARN]STS // token or direct, for the roles where the first method was refused
}

// maxWorked bounds the roles whose method is remembered.
const maxWorked = 10_000

// Assume asks STS for a role.
func (a *assumer) Assume(ctx context.Context, as rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return a.byEither(as, func(sts STS) (*rolebroker.Assumed, error) { return sts.Assume(ctx, as) })
}

// Try is Assume with one request to STS by each method.
func (a *assumer) Try(ctx context.Context, as rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return a.byEither(as, func(sts STS) (*rolebroker.Assumed, error) { return sts.Try(ctx, as) })
}

// byEither assumes by the method that worked last, and by the other one if STS
// refuses that. If both are refused, the first refusal counts.
func (a *assumer) byEither(as rolebroker.Assumption, assume func(STS) (*rolebroker.Assumed, error)) (
	*rolebroker.Assumed, error) {
	first, second := a.order(as.ARN)
	assumed, err := assume(first)
	if err == nil || second == nil || !isRefused(err) {
		return assumed, err
	}
	assumed, secondErr := assume(second)
	if secondErr != nil {
		return nil, err
	}
	a.remember(as.ARN, second)
	a.log.Info("found how to assume a role", "arn", as.ARN, "method", a.method(second), "since",
		"the other method was refused: "+err.Error())
	return assumed, nil
}

// order is the method to try first, and the other one; nil: it is not used.
func (a *assumer) order(role rolebroker.RoleARN) (first, second STS) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.token == nil:
		return a.direct, nil
	case a.direct == nil:
		return a.token, nil
	case a.worked[role] == a.direct:
		return a.direct, a.token
	}
	return a.token, a.direct
}

func (a *assumer) remember(role rolebroker.RoleARN, worked STS) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.worked) >= maxWorked {
		clear(a.worked)
	}
	a.worked[role] = worked
}

// isRefused reports whether STS refused for a reason that may not hold for the
// other method.
func isRefused(err error) bool {
	var r *rolebroker.Refusal
	if !errors.As(err, &r) {
		return false
	}
	switch r.Kind {
	case rolebroker.RefusedDenied, rolebroker.RefusedNoIdentity, rolebroker.RefusedIdentity,
		rolebroker.RefusedIdentityExpired, rolebroker.RefusedIssuer, rolebroker.RefusedNoProvider,
		rolebroker.RefusedAudience:
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

// Identity is the runner's identity in AWS: that of the SDK's chain, if only that
// is used, else the zero value.
func (a *assumer) Identity(ctx context.Context) (*rolebroker.Identity, error) {
	if a.direct != nil && a.token == nil {
		return a.direct.Identity(ctx)
	}
	return &rolebroker.Identity{}, nil
}
