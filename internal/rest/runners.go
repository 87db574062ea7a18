package rest

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// runners are the methods of the broker for people who manage runners. Runners
// themselves use internal/runnerapi.
type runners interface {
	Runner(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Runner, error)
	Runners(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Runner, error)
	CreateRunner(ctx context.Context, who rolebroker.Caller, spec broker.RunnerSpec) (*rolebroker.Runner, error)
	UpdateRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.RunnerSpec, ifVersion int64) (
		*rolebroker.Runner, error)
	DeleteRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	JoinToken(ctx context.Context, who rolebroker.Caller, nameOrID string, lasts time.Duration) (
		*rolebroker.RunnerKey, rolebroker.Secret, error)
}

// InRunner is the path of one runner.
type InRunner struct {
	Runner string `path:"runner" doc:"The runner's name or ID." example:"eks-production"`
}

type (
	listRunners struct {
		Paging
		Search
	}
	getRunner struct {
		InRunner
	}
	createRunner struct {
		Body body[api.RunnerRequest]
	}
	updateRunner struct {
		InRunner
		IfMatch
		Body body[api.RunnerRequest]
	}
	deleteRunner struct {
		InRunner
		IfMatch
	}
	createJoinToken struct {
		InRunner
		Body body[api.JoinTokenRequest]
	}
	joinTokenAnswer struct {
		Body api.JoinToken
	}
)

func (s *server) runners() resource[rolebroker.Runner, api.Runner] {
	return resource[rolebroker.Runner, api.Runner]{"/api/v1/runners", s.Broker.Runner,
		func(r *rolebroker.Runner) string { return string(r.ID) }, s.showRunner}
}

func (s *server) showRunner(r *rolebroker.Runner) api.Runner { return convert.Runner(r, s.Now()) }

func (s *server) listRunners(ctx context.Context, who rolebroker.Caller, in *listRunners) (
	*listAnswer[api.Runner], error) {
	order := byName(func(r *rolebroker.Runner) string { return r.Name })
	return list(in.Paging, order, s.showRunner, func(page rolebroker.Page) ([]rolebroker.Runner, error) {
		page.Search = in.Search.Search
		return s.Broker.Runners(ctx, who, page)
	})
}

// getRunner does not take If-None-Match: whether a runner is connected changes
// without a new version.
func (s *server) getRunner(ctx context.Context, who rolebroker.Caller, in *getRunner) (*found[api.Runner], error) {
	return s.runners().get(ctx, who, in.Runner, IfNoneMatch{})
}

func (s *server) createRunner(ctx context.Context, who rolebroker.Caller, in *createRunner) (
	*created[api.Runner], error) {
	return s.runners().created(s.Broker.CreateRunner(ctx, who, runnerOf(in.Body.value)))
}

func (s *server) updateRunner(ctx context.Context, who rolebroker.Caller, in *updateRunner) (
	*changed[api.Runner], error) {
	return s.runners().update(ctx, who, in.Runner, in.IfMatch,
		func(target string, version int64) (*rolebroker.Runner, error) {
			return s.Broker.UpdateRunner(ctx, who, target, runnerOf(in.Body.value), version)
		})
}

func (s *server) deleteRunner(ctx context.Context, who rolebroker.Caller, in *deleteRunner) (*struct{}, error) {
	return s.runners().remove(ctx, who, in.Runner, in.IfMatch, s.Broker.DeleteRunner)
}

func (s *server) createJoinToken(ctx context.Context, who rolebroker.Caller, in *createJoinToken) (
	*joinTokenAnswer, error) {
	var lasts time.Duration // zero: the default of the broker
	if given := in.Body.value.ExpiresIn; given != "" {
		var err error
		if lasts, err = lifetime(given); err != nil {
			return nil, invalid("expires_in", err.Error())
		}
	}
	key, secret, err := s.Broker.JoinToken(ctx, who, in.Runner, lasts)
	if err != nil {
		return nil, err
	}
	return &joinTokenAnswer{api.JoinToken{Token: api.Secret(secret.Reveal()), ExpiresAt: key.ExpiresAt.UTC()}}, nil
}

func runnerOf(req api.RunnerRequest) broker.RunnerSpec {
	return broker.RunnerSpec{Name: req.Name, Description: req.Description, Issuer: req.Issuer}
}
