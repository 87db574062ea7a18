package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
)

// classify finds what the request asks, with a role. It fails for a request that could be understood in two ways.
func (c *call) classify(role rolebroker.RoleARN) (err error) {
	asked := action.Request{
		Service: c.signature.Service, Region: c.signature.Region, Account: role.Account, Partition: role.Partition,
		Host: c.host, Method: c.r.Method, Path: c.path,
		Query: without(c.r.URL.RawQuery, signatureParameters), Header: c.r.Header, Body: c.body,
	}
	if c.named || c.host == "" {
		asked.Model = c.service.Name
	}
	c.asks, err = action.Classify(&asked)
	return err
}

// mayAsk refuses what is unclear, and what returns credentials: with these the agent could go to AWS itself, past every
// control.
func (c *call) mayAsk(unclear error) error {
	switch {
	case unclear != nil:
		return &refusal{status: http.StatusBadRequest, code: "AccessDenied",
			text: "the gateway does not sign a request that could be understood in two ways: " + unclear.Error()}
	case c.asks.Credentials && c.asks.Unknown != "":
		return &refusal{status: http.StatusForbidden, code: "AccessDenied", text: "the gateway does not know what this " +
			"request asks: " + c.asks.Unknown}
	case c.asks.Credentials && !c.isAllowed():
		return &refusal{status: http.StatusForbidden, code: "AccessDenied",
			text: strings.Join(c.asks.Actions, " and ") + " returns credentials, which an agent whose keys are withheld does " +
				"not get; hint: an agent uses another role by its name, as in rolebroker exec --role ROLE; an administrator can allow " +
				"the action by its name, with --allow-action of rolebroker agent connect"}
	}
	return c.mayWork()
}

// mayWork refuses what could be allowed and would not work, or would go on past the gateway.
func (c *call) mayWork() error {
	switch {
	case c.isTimestream() && !c.named:
		return unsupported("two services of Timestream sign with one name, and the request does not say which it is " +
			"for; hint: set AWS_ENDPOINT_URL_TIMESTREAM_WRITE to the address of the gateway with " + basePath +
			"timestream-write, and AWS_ENDPOINT_URL_TIMESTREAM_QUERY likewise")
	}
	return nil
}

// isAllowed reports whether the agent's connection, as it is now, allows what returns credentials in this call.
func (c *call) isAllowed() bool {
	grants, err := c.gateway.Lender.Grants(c.r.Context(), c.key.Agent)
	if err != nil {
		return false
	}
	grant, err := grants.Resolve(c.key.Reference())
	if err != nil || grant.Connection == nil || grant.Connection.Keys != rolebroker.KeysWithheld {
		return false
	}
	var returning []string
	for _, a := range c.asks.Actions {
		if rolebroker.ReturnsCredentials(a) {
			returning = append(returning, a)
		}
	}
	if len(returning) == 0 { // it is the operation that does
		names := []string{c.asks.Service + ":" + c.asks.Operation}
		for _, a := range c.asks.Actions {
			prefix, _, _ := strings.Cut(a, ":")
			names = append(names, prefix+":"+c.asks.Operation)
		}
		return slices.ContainsFunc(names, grant.Connection.AllowsAction)
	}
	return !slices.ContainsFunc(returning, func(a string) bool { return !grant.Connection.AllowsAction(a) })
}
