package gateway

import (
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
)

// classify finds what the request asks, with a role, and refuses what returns credentials: with these the agent could go
// to AWS itself, past every control.
func (c *call) classify(role rolebroker.RoleARN) (err error) {
	asked := action.Request{
		Service: c.signature.Service, Region: c.signature.Region, Account: role.Account, Partition: role.Partition,
		Host: c.host, Method: c.r.Method, Path: c.path,
		Query: without(c.r.URL.RawQuery, signatureParameters), Header: c.r.Header, Body: c.body,
	}
	if c.named || c.host == "" {
		asked.Model = c.service.Name
	}
	if c.asks, err = action.Classify(&asked); err != nil {
		return &refusal{status: http.StatusBadRequest, code: "AccessDenied",
			text: "the gateway does not sign a request that could be understood in two ways: " + err.Error()}
	}
	switch {
	case c.asks.Credentials && c.asks.Unknown != "":
		return &refusal{status: http.StatusForbidden, code: "AccessDenied", text: "the gateway does not know what this " +
			"request asks: " + c.asks.Unknown}
	case c.asks.Credentials:
		return &refusal{status: http.StatusForbidden, code: "AccessDenied",
			text: strings.Join(c.asks.Actions, " and ") + " returns credentials, which an agent whose keys are withheld does " +
				"not get; hint: an agent uses another role by its name, as in rolebroker exec --role ROLE"}
	}
	return nil
}
