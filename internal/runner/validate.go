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
	"time"

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
	validateTimeout = 5 * time.Minute
)

// validator validates the roles of the integrations that name the runner, and
// sends the server the outcome: the server cannot assume them.
type validator struct {
	*Runner
	token, direct *validate.Validator // nil: that method is not used
	changed       chan struct{}       // has an element after a change
	validated     map[string]int64    // the version of each integration that was validated last, by ID
}

func newValidator(r *Runner) *validator {
	v := &validator{Runner: r, changed: make(chan struct{}, 1), validated: map[string]int64{}}
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
	select {
	case v.changed <- struct{}{}:
	default:
	}
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
	ours, err := ask(ctx, v.link, func(ctx context.Context, c *client.Client) ([]api.Integration, error) {
		return c.RunnerIntegrations(ctx)
	})
	if err != nil {
		return err
	}
	maps.DeleteFunc(v.validated, func(id string, _ int64) bool {
		return !slices.ContainsFunc(ours, func(in api.Integration) bool { return in.ID == id })
	})
	var failed error
	for _, in := range ours {
		if !all && v.validated[in.ID] == in.Version {
			continue
		}
		outcomes, err := v.integration(ctx, in)
		if err == nil {
			err = v.send(ctx, in, outcomes)
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

// integration validates the roles of one integration.
func (v *validator) integration(ctx context.Context, shown api.Integration) ([]api.IdentifiedOutcome, error) {
	ctx, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	in, err := convert.FromIntegration(shown)
	if err != nil {
		return nil, err
	}
	in.AssumptionMode, in.Runner = rolebroker.ModePlatform, "" // the validator is where the roles are assumed
	var outcomes []api.IdentifiedOutcome
	for _, r := range v.roles(ctx, validate.Subject{Integration: in}) {
		outcomes = append(outcomes, convert.Outcome(&r))
	}
	return outcomes, nil
}

// roles validates roles by the methods that assume them: with the token, and where
// that is refused, with the identity of the SDK's chain.
func (v *validator) roles(ctx context.Context, s validate.Subject) []rolebroker.RoleValidation {
	if v.token == nil {
		return v.direct.Roles(ctx, s, nil)
	}
	results := v.token.WithToken(ctx, s, accountOf(v.opts.TokenFile))
	if v.direct == nil {
		return results
	}
	for i, r := range results {
		if r.Status.Works() {
			continue
		}
		one := s
		one.Integration.Roles = []rolebroker.Role{r.Role}
		if other := v.direct.Roles(ctx, one, nil)[0]; other.Status.Works() {
			other.Index = i
			results[i] = other
		}
	}
	return results
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
