package api

import "time"

// LearnedPolicy is the IAM policy that the recorded calls of an agent need. The same calls give the same policy.
type LearnedPolicy struct {
	Agent         string `json:"agent" example:"scout"`
	AgentID       string `json:"agent_id" example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Integration   string `json:"integration" example:"production"`
	IntegrationID string `json:"integration_id" example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Role          string `json:"role,omitempty" doc:"Left out: the calls with all roles of the integration." example:"deployer"`
	RoleID        string `json:"role_id,omitempty" example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`

	Policy     Policy    `json:"policy,omitempty" doc:"An IAM policy; left out: no call needs anything that it may have."`
	Characters int       `json:"characters" doc:"Of the policy, without white space." example:"431"`
	Fits       bool      `json:"fits" doc:"Whether it can be a session policy, which has at most 2,048 characters."`
	Wider      string    `json:"wider" enum:"nothing,siblings,reads,all" doc:"How much wider it is than the calls, to fit into a session policy. siblings: two resources below one parent are a pattern. reads: what only reads may read everything. all: each action is for any resource."`
	Calls      int64     `json:"calls" doc:"How many calls it was learned from." example:"1204"`
	Since      time.Time `json:"since" doc:"Calls before this time were left out." example:"2026-02-14T09:26:53Z"`
	Newest     bool      `json:"newest,omitempty" doc:"There were more than 50,000 calls. Only the newest counted, those since then."`

	WouldRefuse []RefusedCalls `json:"would_refuse" doc:"The calls of that time that the policy would have refused."`
}

// RefusedCalls is how often calls were sent that a policy would refuse.
type RefusedCalls struct {
	Call   string    `json:"call" doc:"The service and the operation." example:"iam:CreateRole"`
	Reason string    `json:"reason" example:"iam:CreateRole manages permissions"`
	Calls  int64     `json:"calls" example:"3"`
	LastAt time.Time `json:"last_at" example:"2026-03-14T09:26:53Z"`
}

// Learning says which calls a policy is made of, and what it may have.
type Learning struct {
	Integration string    // a name or an ID; empty: the only one that the agent is connected to
	Role        string    // of the integration, a name or an ID; empty: all of them
	Since       time.Time // zero: the last 30 days
	Session     bool      // make it wider for it to fit into a session policy
	Include     []string  // of permissions, pass-role and credentials: what it may have besides
}
