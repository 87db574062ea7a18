package runner

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/validate"
)

const (
	// validateInterval is how often the runner validates the roles of all its
	// integrations, besides after a change of one.
	validateInterval = 15 * time.Minute

	// settleTime is how long to wait for more changes, which often come together.
	settleTime = 200 * time.Millisecond

	// validateTimeout bounds one integration.
	validateTimeout = 10 * time.Minute

	// answerInterval is how often the server, which waits, gets the outcomes so far.
	answerInterval = 500 * time.Millisecond
)

// validator validates the roles of the integrations that name the runner, and
// sends the server the outcome: the server cannot assume them.
type validator struct {
	*Runner
	token, direct *validate.Validator // nil: that method is not used
	changed       chan struct{}       // has an element after a change
	asked         chan struct{}       // has an element after the server asked for a validation
	validated     map[string]int64    // the version of each integration that was validated last, by ID
}

func newValidator(r *Runner) *validator {
	v := &validator{Runner: r, changed: make(chan struct{}, 1), asked: make(chan struct{}, 1),
		validated: map[string]int64{}}
	with := func(sts validate.STS) *validate.Validator {
		return validate.New(validate.Options{
			STS: sts, By: rolebroker.Party{Runner: true}, Log: r.log, Now: r.opts.Now, Patience: r.opts.Patience})
	}
	if r.opts.Token != nil {
		v.token = with(r.opts.Token)
	}
	if r.opts.Direct != nil {
		v.direct = with(r.opts.Direct)
	}
	return v
}

// onChange is called with every change.
func (v *validator) onChange(c rolebroker.Change) {
	if c.Integration == "" && c.Agent != "" {
		return
	}
	if c == (rolebroker.Change{}) { // the server may have asked meanwhile
		v.onAsked()
	}
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// onAsked is called when the server asks for a validation.
func (v *validator) onAsked() {
	select {
	case v.asked <- struct{}{}:
	default:
	}
}

// runAsked validates what the server asks for, until ctx ends.
func (v *validator) runAsked(ctx context.Context) {
	for {
		select {
		case <-v.asked:
		case <-ctx.Done():
			return
		}
		requests, err := ask(ctx, v.link, func(ctx context.Context, c *client.Client) ([]api.ValidationRequest, error) {
			return c.ValidationRequests(ctx)
		})
		v.logFailure("asking what to validate", err)
		for _, r := range requests {
			v.work.Go(func() { v.logFailure("validating what a person asked for", v.answer(ctx, r)) })
		}
	}
}

// answer tries the roles of a request, and sends the outcomes as they come.
func (v *validator) answer(ctx context.Context, r api.ValidationRequest) error {
	found := make(chan api.IdentifiedOutcome, len(r.Integration.Roles))
	failed := make(chan error, 1)
	v.work.Go(func() {
		wait, err := time.ParseDuration(r.Wait)
		if err != nil {
			wait = v.opts.Patience
		}
		failed <- v.integration(ctx, r.Integration, r.Tried, &wait, func(o api.IdentifiedOutcome) { found <- o })
		close(found)
	})
	ticker := time.NewTicker(answerInterval)
	defer ticker.Stop()
	answer := api.ValidationAnswer{}
	for !answer.Finished {
		select {
		case o, more := <-found:
			if answer.Finished = !more; more {
				answer.Validations = append(answer.Validations, o)
			}
			if more && len(answer.Validations) < maxOutcomes {
				continue
			}
		case <-ticker.C:
			if len(answer.Validations) == 0 {
				continue
			}
		}
		err := send(ctx, v.link, func(ctx context.Context, c *client.Client) error {
			return c.AnswerValidationRequest(ctx, r.ID, answer)
		})
		if err != nil {
			return err
		}
		answer.Validations = nil
	}
	return <-failed
}

// run validates until ctx ends: each integration after it changed, and all of
// them every validateInterval.
func (v *validator) run(ctx context.Context) {
	ticker := time.NewTicker(validateInterval)
	defer ticker.Stop()
	for {
		all := false
		select {
		case <-v.changed:
			if !pause(ctx, settleTime) {
				return
			}
		case <-ticker.C:
			all = true
		case <-ctx.Done():
			return
		}
		v.logFailure("validating roles", v.validate(ctx, all))
	}
}

// validate validates the roles of all integrations, or of those that changed.
func (v *validator) validate(ctx context.Context, all bool) error {
	ours, err := ask(ctx, v.link, func(ctx context.Context, c *client.Client) ([]api.RunnerIntegration, error) {
		return c.RunnerIntegrations(ctx)
	})
	if err != nil {
		return err
	}
	maps.DeleteFunc(v.validated, func(id string, _ int64) bool {
		return !slices.ContainsFunc(ours, func(in api.RunnerIntegration) bool { return in.ID == id })
	})
	var failed error
	for _, in := range ours {
		if !all && v.validated[in.ID] == in.Version {
			continue
		}
		var outcomes []api.IdentifiedOutcome
		err := v.integration(ctx, in.Integration, in.Tried, nil, func(o api.IdentifiedOutcome) {
			outcomes = append(outcomes, o)
		})
		if err == nil {
			err = v.send(ctx, in.Integration, outcomes)
		}
		if err == nil {
			v.validated[in.ID] = in.Version
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// maxOutcomes bounds the outcomes in one message; the server bounds its size.
const maxOutcomes = 500

// send tells the server the outcomes for the roles of an integration.
func (v *validator) send(ctx context.Context, in api.Integration, outcomes []api.IdentifiedOutcome) error {
	for some := range slices.Chunk(outcomes, maxOutcomes) {
		err := send(ctx, v.link, func(ctx context.Context, c *client.Client) error {
			return c.RecordValidations(ctx, in.ID, api.RunnerValidations{Version: in.Version, Validations: some})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// integration validates the roles of one integration. A denied role is tried again for
// wait; nil: for Patience. It calls tell with each outcome, one at a time.
func (v *validator) integration(ctx context.Context, shown api.Integration, tried api.Tried,
	wait *time.Duration, tell func(api.IdentifiedOutcome)) error {
	ctx, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	in, err := convert.FromIntegration(shown)
	if err != nil {
		return err
	}
	in.AssumptionMode, in.Runner = rolebroker.ModePlatform, "" // the validator is where the roles are assumed
	v.roles(ctx, validate.Subject{Integration: in, Tried: convert.FromTried(tried),
		Wait: wait}, func(r rolebroker.RoleValidation) {
		if r.Code != rolebroker.ValidTryingAgain {
			tell(convert.Outcome(&r))
		}
	})
	return nil
}

// roles validates roles by the methods that assume them: with the token, and where
// that is refused, with the identity of the SDK's chain. It calls tell with each
// outcome, one at a time.
func (v *validator) roles(ctx context.Context, s validate.Subject, tell func(rolebroker.RoleValidation)) {
	if v.token == nil {
		v.direct.Roles(ctx, s, tell)
		return
	}
	account := accountOf(v.opts.TokenFile)
	var group errgroup.Group
	group.SetLimit(validate.DefaultConcurrency)
	var telling sync.Mutex
	for _, role := range s.Integration.Roles {
		group.Go(func() error {
			one := s
			one.Integration.Roles = []rolebroker.Role{role}
			result := v.token.WithToken(ctx, one, account)[0]
			if !result.Status.Works() && v.direct != nil {
				if other := v.direct.Roles(ctx, one, nil)[0]; other.Status.Works() {
					result = other
				}
			}
			telling.Lock()
			defer telling.Unlock()
			tell(result)
			return nil
		})
	}
	_ = group.Wait() // the goroutines return no error
}

// accountOf is the service account of the token in a file, for messages. It is the
// runner's own token, so it is not verified. An unreadable token has the zero account.
func accountOf(file string) (account rolebroker.ServiceAccount) {
	text, err := os.ReadFile(file)
	parts := strings.Split(strings.TrimSpace(string(text)), ".")
	if err != nil || len(parts) != 3 {
		return account
	}
	var claims struct{ Iss, Sub string }
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return account
	}
	account.Issuer = claims.Iss
	account.Namespace, account.Name, _ = strings.Cut(strings.TrimPrefix(claims.Sub, "system:serviceaccount:"), ":")
	return account
}
