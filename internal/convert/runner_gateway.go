package convert

import (
	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// RunnerCall is the record of a call, as a runner tells the server.
func RunnerCall(c *rolebroker.Call) api.RunnerCall {
	return api.RunnerCall{
		ID:            string(c.ID),
		EndedAt:       Time(c.EndedAt),
		Agent:         string(c.Agent),
		Token:         string(c.Token),
		Address:       c.Address,
		Integration:   string(c.Integration),
		Role:          string(c.Role),
		Task:          c.Task,
		Session:       string(c.Session),
		AccessRequest: string(c.AccessRequest),
		Service:       c.Service,
		Operation:     c.Operation,
		Actions:       c.Actions,
		Region:        string(c.Region),
		Resources:     c.Resources,
		Level:         string(c.Level),
		Decision:      string(c.Decision),
		Code:          string(c.Code),
		Reason:        c.Reason,
		Times:         c.Times,
		Status:        c.Status,
		RequestID:     c.RequestID,
		BytesIn:       c.BytesIn,
		BytesOut:      c.BytesOut,
	}
}

// FromRunnerCall is the record of a call that a runner sent. Names, and the ARN of the role, are what the server knows.
func FromRunnerCall(sent api.RunnerCall) rolebroker.Call {
	return rolebroker.Call{
		ID:            rolebroker.CallID(sent.ID),
		EndedAt:       FromTime(sent.EndedAt),
		Agent:         rolebroker.AgentID(sent.Agent),
		Token:         rolebroker.TokenID(sent.Token),
		Address:       sent.Address,
		Integration:   rolebroker.IntegrationID(sent.Integration),
		Role:          rolebroker.RoleID(sent.Role),
		Task:          sent.Task,
		Session:       rolebroker.SessionID(sent.Session),
		AccessRequest: rolebroker.AccessRequestID(sent.AccessRequest),
		Service:       sent.Service,
		Operation:     sent.Operation,
		Actions:       sent.Actions,
		Region:        rolebroker.Region(sent.Region),
		Resources:     sent.Resources,
		Level:         rolebroker.CallLevel(sent.Level),
		Decision:      rolebroker.CallDecision(sent.Decision),
		Code:          rolebroker.Code(sent.Code),
		Reason:        sent.Reason,
		Times:         sent.Times,
		Status:        sent.Status,
		RequestID:     sent.RequestID,
		BytesIn:       sent.BytesIn,
		BytesOut:      sent.BytesOut,
	}
}

// OpenedKey is a key for the gateway of a runner, with its secret.
func OpenedKey(k rolebroker.GatewayKey, secret rolebroker.Secret) api.OpenedKey {
	return api.OpenedKey{
		Secret:      api.Secret(secret.Reveal()),
		Agent:       string(k.Agent),
		Token:       string(k.Token),
		Integration: string(k.Integration),
		Role:        string(k.Role),
		Task:        k.Task,
		Access:      string(k.Access),
		Generation:  k.Generation,
		Expiration:  k.Expires.UTC(),
	}
}

// FromOpenedKey is what a server says of a key for the gateway of a runner.
func FromOpenedKey(sent api.OpenedKey) rolebroker.GatewayKey {
	return rolebroker.GatewayKey{
		Agent:       rolebroker.AgentID(sent.Agent),
		Token:       rolebroker.TokenID(sent.Token),
		Integration: rolebroker.IntegrationID(sent.Integration),
		Role:        rolebroker.RoleID(sent.Role),
		Task:        sent.Task,
		Access:      rolebroker.Access(sent.Access),
		Generation:  sent.Generation,
		Expires:     sent.Expiration.UTC(),
	}
}
