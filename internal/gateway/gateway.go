package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/expect"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// Lender lends, and so decides who may use which role. Its errors are *rolebroker.Error.
type Lender interface {
	Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error)
	// May returns nil if Lend would ask for a loan, or has one.
	May(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) error
	// Holds returns nil while a loan may still be used.
	Holds(ctx context.Context, who rolebroker.Caller, req rolebroker.Request, loan *rolebroker.Loan) error
	// Grants returns what an agent may borrow now, for the names in the record of a call. Nobody changes it.
	Grants(ctx context.Context, agent rolebroker.AgentID) (*rolebroker.Grants, error)
}

// Approver asks people about calls that need an approval. Its errors are *rolebroker.Error.
type Approver interface {
	// MayCall returns the approval under which an agent may make a call; empty if it needs none. Where it lacks one,
	// MayCall asks people, and waits at most so long.
	MayCall(ctx context.Context, who rolebroker.Caller, req rolebroker.Request, call *rolebroker.AskedCall,
		wait time.Duration) (rolebroker.AccessRequestID, error)
}

// Opener reads keys that agents sign with. [Keys] is one; that of a runner asks its server.
type Opener interface {
	// Open returns what a key says and its secret. The key is that of an ID and a session token. It fails for one that
	// nobody made, and for one that has expired.
	Open(ctx context.Context, id, token string, now time.Time) (key rolebroker.GatewayKey, secret string, _ error)
}

// Options configure New. Keys, Lender and Approver are required.
type Options struct {
	Keys     Opener
	Lender   Lender
	Approver Approver
	// Endpoint returns the URL that the operator wants to be used for a service; empty: AWS's endpoint. nil: always that.
	Endpoint  func(endpoint.Service) string
	Transport http.RoundTripper // to AWS; nil: a transport of its own
	// Records keeps the records of calls; nil: nobody does. Call Flush every 250 milliseconds.
	Records Records
	// RedactResources leaves the resources out of the records.
	RedactResources bool
	// URLLifetime is the longest lifetime of a presigned URL of S3; 0: there are none.
	URLLifetime time.Duration
	Log         *slog.Logger         // nil: none
	Metrics     *prometheus.Registry // nil: none
	Now         func() time.Time     // nil: time.Now
}

// Gateway is the handler of agents' AWS requests. Make one with New.
type Gateway struct {
	Options
	strangers *slog.Logger // for lines that callers without a key can cause
	bodies    bodies
	metrics   *metrics
	recorder  recorder
	cells     cells
}

// New returns a gateway.
func New(opts Options) *Gateway {
	if opts.Endpoint == nil {
		opts.Endpoint = func(endpoint.Service) string { return "" }
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Transport == nil {
		opts.Transport = newTransport()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	g := &Gateway{Options: opts, strangers: guard.Sampled(opts.Log), metrics: newMetrics(opts.Metrics)}
	g.recorder = recorder{records: opts.Records, now: opts.Now, metrics: g.metrics}
	g.recorder.repeats.Kinds = refusalKinds
	return g
}

// Flush records the calls that are not recorded yet; if it is the final one, also the refusals of the last minute that
// were only counted.
func (g *Gateway) Flush(ctx context.Context, final bool) error { return g.recorder.flush(ctx, final) }

// ServeHTTP answers one AWS request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{gateway: g, w: expect.Answer(w, r), r: r, began: g.Now()}
	defer c.release()
	if err := c.serve(); err != nil {
		c.refuse(err)
	}
}

// serve is the way of every request. What it returns was not sent to AWS.
func (c *call) serve() error {
	// Who signed it?
	if err := c.identify(); err != nil {
		c.gateway.strangers.Info("refused a request", "from", c.r.RemoteAddr, "reason", err)
		return err
	}
	// Where does it go?
	lost := c.locate()
	// Is it as it was signed? What is not leaves no record: anyone may have sent it.
	if err := c.verify(); err != nil {
		if lost != nil {
			return lost
		}
		return err
	}
	// What is asked? The record says it, whatever is decided.
	unclear := c.describe()
	if lost != nil {
		return c.refused(lost)
	}
	// May the agent have the role now?
	loan, err := c.gateway.Lender.Lend(c.r.Context(), c.caller(), c.request())
	if err != nil {
		c.tellEnded(err)
		return c.refused(err)
	}
	// May an agent ask this?
	if err := c.mayAsk(unclear); err != nil {
		return c.refused(err)
	}
	// And what is inside of it?
	inside, err := c.findInside()
	if err != nil {
		return c.refused(err)
	}
	// Has a person approved it, where one has to? That may take a while, and the agent lose the role meanwhile.
	if waited, err := c.approveWith(inside); err != nil {
		return c.refused(err)
	} else if waited {
		if loan, err = c.lendAgain(inside); err != nil {
			return c.refused(err)
		}
	}
	// Record it, before AWS gets what may change something.
	recorded, err := c.record(loan)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeUnavailable:
		return err
	case err != nil: // at a runner the server decides when it records
		return c.refused(err)
	}
	defer c.finished(recorded)
	if inside != nil {
		ended, err := inside.send(c, loan)
		if err != nil {
			c.sent.failure = err
			return err
		}
		defer ended()
	}
	// Sign it, and stream for as long as the agent may have the role.
	guard.Patient(c.r.Context())
	defer c.watch(loan)()
	if c.sent.failure = c.findCell(loan.Credentials); c.sent.failure != nil {
		c.refuse(c.sent.failure)
		return nil
	}
	c.forward(loan.Credentials)
	return nil
}
