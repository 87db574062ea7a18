package trail

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Call is a call as the APIs show it.
func Call(c *rolebroker.Call) api.Call {
	shown := api.Call{
		ID: string(c.ID), BeganAt: c.BeganAt(), Outcome: string(c.Outcome()), Agent: c.AgentName, AgentID: string(c.Agent),
		TokenID: string(c.Token), Address: c.Address, Integration: c.IntegrationName, IntegrationID: string(c.Integration),
		Role: c.RoleName, RoleID: string(c.Role), Task: c.Task, Session: string(c.Session),
		AccessRequest: string(c.AccessRequest), Service: c.Service, Operation: c.Operation,
		Actions: append([]string{}, c.Actions...), Region: string(c.Region), Resources: c.Resources,
		Level: string(c.Level), Decision: string(c.Decision), Code: string(c.Code), Reason: c.Reason, Times: c.Times,
		Status: c.Status, RequestID: c.RequestID, BytesIn: c.BytesIn, BytesOut: c.BytesOut,
	}
	if c.ARN != (rolebroker.RoleARN{}) {
		shown.ARN = c.ARN.String()
	}
	if !c.EndedAt.IsZero() {
		ended := c.EndedAt.UTC().Truncate(time.Millisecond)
		shown.EndedAt = &ended
	}
	if !c.ValidUntil.IsZero() {
		until := c.ValidUntil.UTC()
		shown.ValidUntil = &until
	}
	return shown
}

// CallLine returns the line of a call in an export: one line of JSON, without HTML escapes and white space but for the
// newline at its end. Its bytes are the same on every server.
func CallLine(c *rolebroker.Call) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(Call(c))
	return b.Bytes(), err
}
