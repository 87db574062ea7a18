package api

import "time"

// CutOffRequest says what an agent is cut off from.
type CutOffRequest struct {
	Role   string `json:"role,omitempty" doc:"Only this role: its name, integration/role, its ID, or its ARN, which means the role in every integration that has it. The agent has it by a connection, or still has keys of it. Left out: the agent is disabled." example:"production/deployer"`
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why; the audit trail keeps it." example:"leaked its keys"`
	Apply  bool   `json:"apply,omitempty" doc:"The server puts the deny policies on the roles, where it may: as the cut-off role of the setup, in each account."`
}

// EnableRequest says what enabling an agent does besides.
type EnableRequest struct {
	Apply bool `json:"apply,omitempty" doc:"The server removes the deny policies from their roles that it put there and that deny nothing any more."`
}

// EnabledAgent is an agent that was enabled.
type EnabledAgent struct {
	Agent  Agent   `json:"agent"`
	CutOff *CutOff `json:"cut_off" doc:"Its last cut-off, whose deny policies may still be on the roles; they deny no keys that are lent from now on. null: it was never cut off."`
}

// EndSessionRequest says what ending a session does besides.
type EndSessionRequest struct {
	Apply bool `json:"apply,omitempty" doc:"The server puts the deny policy on the role, if it may: as the cut-off role of the setup."`
}

// CutOff is what cutting off an agent, or ending a session, did, and what is left to do in AWS.
type CutOff struct {
	ID             string          `json:"id" doc:"Empty for a session." example:"cut_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	Agent          string          `json:"agent" example:"scout"`
	AgentID        string          `json:"agent_id" example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Roles          []string        `json:"roles" nullable:"false" doc:"What the agent was cut off from, as integration/role; empty: everything." example:"[\"production/deployer\"]"`
	SessionID      string          `json:"session_id" doc:"The one session that was ended; empty: an agent was cut off." example:"ses_3mzq7k4vprb5xw2tdn6hjc8ysa"`
	At             time.Time       `json:"at" example:"2026-03-14T09:26:53Z"`
	By             string          `json:"by" doc:"The name of the API key that did it, at that time." example:"admin"`
	Reason         string          `json:"reason" example:"leaked its keys"`
	SessionsEnded  int             `json:"sessions_ended" doc:"How many sessions were live and had not been ended before." example:"2"`
	Withheld       int             `json:"sessions_withheld" doc:"Live sessions whose keys never left the server."`
	RequestsEnded  int             `json:"access_requests_ended" doc:"How many access requests were pending or granted." example:"1"`
	KeysExpireAt   *time.Time      `json:"keys_expire_at" doc:"When the last keys expire that were lent before, and that work until then where no deny policy is on their role; null: none are on record."`
	Accounts       []DeniedAccount `json:"accounts" nullable:"false" doc:"The AWS accounts of the roles whose keys the agent may still have."`
	StillOpen      []StillOpen     `json:"still_open" nullable:"false" doc:"What the cut-off does not end by itself."`
	RemovableAfter *time.Time      `json:"removable_after" doc:"From when on the deny policies can be removed, because all that they deny has expired; null: there are none."`
}

// DeniedAccount is an AWS account with roles whose keys an agent may still have.
type DeniedAccount struct {
	Account  string       `json:"account" example:"444455556666"`
	Roles    []DeniedRole `json:"roles" nullable:"false"`
	Commands string       `json:"commands" doc:"For a POSIX shell with the AWS CLI: they put the deny policies that are still needed on the roles, in this account only; empty: none is needed."`
	Remove   string       `json:"remove_commands" doc:"They remove the policies again."`
}

// DeniedRole is a role that keys of an agent belong to, and the policy that ends them in AWS.
type DeniedRole struct {
	ARN        string    `json:"arn" example:"arn:aws:iam::444455556666:role/Deployer"`
	Called     []string  `json:"called" nullable:"false" doc:"As integration/role." example:"[\"production/deployer\"]"`
	Sessions   int       `json:"sessions" doc:"How many sessions were live, on record; 0: a runner may have lent the role without reporting it yet." example:"1"`
	ExpiresAt  time.Time `json:"expires_at" doc:"When the last keys expire." example:"2026-03-14T10:26:53Z"`
	Runner     string    `json:"runner" doc:"The runner that assumed the role; empty: the server did." example:"eks-production"`
	PolicyName string    `json:"policy_name" doc:"Of the inline policy." example:"rolebroker-cut-off-scout"`
	Policy     string    `json:"policy" doc:"An IAM policy that denies this agent's sessions everything, and nobody else's."`
	State      string    `json:"state" enum:"open,unknown,applied,not-permitted,failed,removed" doc:"What the server did with the policy. open: nothing, run the commands. unknown: it began, and nobody knows whether the policy is on the role. applied: it is. not-permitted: AWS does not permit the server to put it there. failed: AWS refused for another reason, or did not answer. removed: it is not there any more." example:"applied"`
	Problem    string    `json:"problem" doc:"Why the server did not put the policy there, or remove it; may be empty." example:""`
}

// StillOpen is something that a cut-off does not end by itself.
type StillOpen struct {
	What  string     `json:"what"`
	Until *time.Time `json:"until" doc:"When it ends by itself at the latest; null: nobody knows."`
}

// CutOffMark says when an agent was cut off. It lends nothing until it is enabled.
type CutOffMark struct {
	At     time.Time `json:"at" example:"2026-03-14T09:26:53Z"`
	By     string    `json:"by" doc:"The name of the API key that did it, at that time." example:"admin"`
	Reason string    `json:"reason" example:"leaked its keys"`
}

// EndedSession is a session that was ended, and how to end its keys in AWS too.
type EndedSession struct {
	Session
	CutOff CutOff `json:"cut_off" doc:"How to end the keys in AWS too. The policy is as narrow as AWS allows: it denies what STS issued for this role under this session name, from a minute before the session was requested until it was ended, at most two minutes after the request."`
}
