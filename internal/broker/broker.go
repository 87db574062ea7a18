package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// Assumer asks STS. Its errors are *rolebroker.Refusal.
type Assumer interface {
	Assume(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error)
}

// STS is an Assumer that can also find out why roles cannot be assumed.
type STS interface {
	Assumer
	validate.STS
}

// Options configure New. Store and Assumer are required.
type Options struct {
	Store   Store
	Assumer STS

	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
	Now     func() time.Time      // nil: time.Now

	// SessionsPerAgent caps the live sessions that one agent may have, and so
	// the AssumeRole calls it can cause. 0 means DefaultSessionsPerAgent.
	SessionsPerAgent int

	// Validation says how roles are validated; its STS, Log and Now are set here.
	Validation validate.Options
	// RequireExternalID has roles that can be assumed without the external ID
	// fail their validation, instead of a warning.
	RequireExternalID bool
}

// Broker lends, and administers what lending reads. Make one with New.
type Broker struct {
	*Lender
	store Store
	sts   STS

	validator         *validate.Validator
	requireExternalID bool
	validations       chan struct{} // one for each that is running
	setups            chan struct{} // one for each that is being written

	platform platformCache
	seen     sync.Map // by RunnerID: when it was last written down that the runner is there
}

// New makes a Broker. Close it.
func New(opts Options) *Broker {
	lender := NewLender(LenderOptions{Records: opts.Store, Assumer: opts.Assumer, Serves: platformMode,
		Log: opts.Log, Metrics: opts.Metrics, Now: opts.Now, SessionsPerAgent: opts.SessionsPerAgent})
	opts.Validation.STS, opts.Validation.Log, opts.Validation.Now = opts.Assumer, lender.log, lender.now
	return &Broker{
		Lender: lender, store: opts.Store, sts: opts.Assumer,
		validator: validate.New(opts.Validation), requireExternalID: opts.RequireExternalID,
		validations: make(chan struct{}, maxValidations), setups: make(chan struct{}, maxSetups),
	}
}

// platformMode is nil for the integrations whose roles a server assumes.
func platformMode(in *rolebroker.Integration) error {
	if in.AssumptionMode == rolebroker.ModePlatform {
		return nil
	}
	if in.Runner == "" {
		return rolebroker.Errorf(rolebroker.CodeDenied, "the roles of integration %s are assumed in your cluster, and no runner is named that does", in.Name).
			WithHint("an administrator has to name one: rolebroker integration update %s --runner RUNNER", in.Name)
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "the roles of integration %s are assumed by runner %s in your cluster, not by this server", in.Name, in.RunnerName).
		WithHint("the agent has to ask that runner: set ROLEBROKER_URL to its address in the cluster")
}
