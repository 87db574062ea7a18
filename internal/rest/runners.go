package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// runners is what the broker does with runners. What they do themselves is not
// of this API.
type runners interface {
	Runner(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Runner, error)
	Runners(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Runner, error)
	CreateRunner(ctx context.Context, who rolebroker.Caller, spec broker.RunnerSpec) (*rolebroker.Runner, error)
	UpdateRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.RunnerSpec, ifVersion int64) (*rolebroker.Runner, error)
	DeleteRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	JoinToken(ctx context.Context, who rolebroker.Caller, nameOrID string, lasts time.Duration) (*rolebroker.RunnerKey, rolebroker.Secret, error)
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

func (s *server) listRunners(ctx context.Context, who rolebroker.Caller, in *listRunners) (*listAnswer[api.Runner], error) {
	page, err := in.page(in.Search.Search, isName)
	if err != nil {
		return nil, err
	}
	found, err := s.Broker.Runners(ctx, who, page)
	if err != nil {
		return nil, err
	}
	return list(in.Paging, found, func(r *rolebroker.Runner) string { return r.Name }, asOf(s.Now(), convert.Runner)), nil
}

// getRunner does not take If-None-Match: whether a runner is connected changes
// without a new version.
func (s *server) getRunner(ctx context.Context, who rolebroker.Caller, in *getRunner) (*found[api.Runner], error) {
	stored, err := s.Broker.Runner(ctx, who, in.Runner)
	if err != nil {
		return nil, err
	}
	shown := convert.Runner(stored, s.Now())
	return &found[api.Runner]{http.StatusOK, shown.ETag(), shown}, nil
}

func (s *server) createRunner(ctx context.Context, who rolebroker.Caller, in *createRunner) (*created[api.Runner], error) {
	stored, err := s.Broker.CreateRunner(ctx, who, runnerOf(in.Body.value))
	if err != nil {
		return nil, err
	}
	shown := convert.Runner(stored, s.Now())
	return &created[api.Runner]{shown.ETag(), "/api/v1/runners/" + shown.ID, shown}, nil
}

func (s *server) updateRunner(ctx context.Context, who rolebroker.Caller, in *updateRunner) (*changed[api.Runner], error) {
	return guarded(in.IfMatch, in.Runner, s.runnerID(ctx, who), func(target string, version int64) (*changed[api.Runner], error) {
		stored, err := s.Broker.UpdateRunner(ctx, who, target, runnerOf(in.Body.value), version)
		if err != nil {
			return nil, err
		}
		shown := convert.Runner(stored, s.Now())
		return &changed[api.Runner]{shown.ETag(), shown}, nil
	})
}

func (s *server) deleteRunner(ctx context.Context, who rolebroker.Caller, in *deleteRunner) (*struct{}, error) {
	return guarded(in.IfMatch, in.Runner, s.runnerID(ctx, who), func(target string, version int64) (*struct{}, error) {
		return nil, s.Broker.DeleteRunner(ctx, who, target, version)
	})
}

// runnerID finds out which runner has a name now.
func (s *server) runnerID(ctx context.Context, who rolebroker.Caller) func(string) (string, error) {
	return func(nameOrID string) (string, error) {
		stored, err := s.Broker.Runner(ctx, who, nameOrID)
		if err != nil {
			return "", err
		}
		return string(stored.ID), nil
	}
}

func (s *server) createJoinToken(ctx context.Context, who rolebroker.Caller, in *createJoinToken) (*joinTokenAnswer, error) {
	var lasts time.Duration // as the broker likes
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
