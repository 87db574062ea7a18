package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// Lender lends, and so decides who may use which role. Its errors are *rolebroker.Error.
type Lender interface {
	Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error)
}

// Options configure New. Keys and Lender are required.
type Options struct {
	Keys   *Keys
	Lender Lender
	// Endpoint returns the URL that the operator wants to be used for a service; empty: AWS's endpoint. nil: always that.
	Endpoint  func(endpoint.Service) string
	Transport http.RoundTripper // to AWS; nil: a transport of its own
	Log       *slog.Logger      // nil: none
	Now       func() time.Time  // nil: time.Now
}

// Gateway is the handler of agents' AWS requests. Make one with New.
type Gateway struct {
	Options
	strangers *slog.Logger // for lines that callers without a key can cause
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
	return &Gateway{opts, guard.Sampled(opts.Log)}
}

// ServeHTTP answers one AWS request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{gateway: g, w: w, r: r}
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
	if err := c.locate(); err != nil {
		return err
	}
	// Is it as it was signed?
	if err := c.verify(); err != nil {
		return err
	}
	// May the agent have the role now?
	loan, err := c.gateway.Lender.Lend(c.r.Context(), c.caller(), c.request())
	if err != nil {
		return err
	}
	// What is asked, and may an agent ask it?
	if err := c.classify(loan.Role.ARN); err != nil {
		return err
	}
	// Sign it, and stream.
	guard.Patient(c.r.Context())
	c.forward(loan.Credentials)
	return nil
}
