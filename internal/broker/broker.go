package broker

import (
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/trail"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// Options configure New. Store, STS and Lender are required.
type Options struct {
	Store  Store
	STS    validate.STS
	Lender *lend.Lender // lends by the same Store

	Policies RolePolicies // puts the deny policies of cut-offs on roles; nil: nobody does

	Log     *slog.Logger         // nil: none
	Metrics *prometheus.Registry // nil: none
	Now     func() time.Time     // nil: time.Now

	// AuditKey signs checkpoints of the audit trail; nil: there are none.
	AuditKey *trail.Key

	// SessionsPerAgent is how many live sessions one agent may have. A runner can record a few times as many at once.
	// 0 means lend.DefaultSessionsPerAgent.
	SessionsPerAgent int

	// RedactCallResources leaves the resources out of the records of calls that runners send.
	RedactCallResources bool

	// Validation says how roles are validated. New sets its STS, Log and Now.
	Validation validate.Options
	// RequireExternalID makes the validation of a role fail that can be assumed without the external ID. Otherwise the
	// outcome is a warning.
	RequireExternalID bool

	// Provider signs people in; nil: people use API keys. Groups says which access they get.
	Provider Provider
	Groups   rolebroker.GroupAccess

	// SetupTemplate is where the template of integration setup --template is in S3; the zero value: nowhere.
	SetupTemplate rolebroker.TemplateURL
}

// Broker administers what lending reads, and records what STS answers to it. Make one with New.
type Broker struct {
	store     Store
	sts       validate.STS
	lender    *lend.Lender
	policies  RolePolicies
	log       *slog.Logger
	strangers *slog.Logger // for lines that callers who are not identified can cause
	metrics   *metrics
	now       func() time.Time

	validator         *validate.Validator
	requireExternalID bool
	setupTemplate     rolebroker.TemplateURL
	redactCalls       bool
	validations       chan struct{} // one element for each that is running
	setups            chan struct{} // one element for each that is being made
	answers           answers
	pauses            pauses
	suspects          chan suspect

	provider Provider // nil: there is none
	groups   rolebroker.GroupAccess
	checks   singleflight.Group // of sign-ins, by ID
	uses     keyUses

	auditKey  *trail.Key
	growth    growth
	followers followers
	refusals  sync.Map // ID of an actor → *rate.Limiter of the refusals that are stored
	platform  platformCache
	allowed   *allowances // of runners
	seen      sync.Map    // RunnerID → when the runner's SeenAt was last stored
	streams   streams
	asks      asks
	activity  activityCache
}

// New makes a Broker.
func New(opts Options) *Broker {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Validation.STS, opts.Validation.Log, opts.Validation.Now = opts.STS, opts.Log, opts.Now
	b := &Broker{
		store: opts.Store, sts: opts.STS, lender: opts.Lender, policies: opts.Policies,
		log: opts.Log, strangers: guard.Sampled(opts.Log), metrics: newMetrics(opts.Metrics), now: opts.Now,
		validator: validate.New(opts.Validation), requireExternalID: opts.RequireExternalID,
		setupTemplate: opts.SetupTemplate,
		redactCalls:   opts.RedactCallResources,
		validations:   make(chan struct{}, maxValidations), setups: make(chan struct{}, maxSetups),
		suspects: make(chan suspect, maxSuspects),
		allowed:  newAllowances(opts.SessionsPerAgent),
		auditKey: opts.AuditKey,
		provider: opts.Provider, groups: opts.Groups,
		streams: streams{open: map[rolebroker.RunnerID]int{}},
	}
	b.growth.observe(opts.Metrics, opts.Now)
	if b.lender != nil {
		b.lender.OnAnswer(b.answered)
		b.lender.OnRefusal(b.agentRefused)
	}
	return b
}
