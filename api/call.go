package api

import "time"

// Call is one AWS API request that an agent sent through the gateway, or that was signed for it as an AWS token. Names
// are those at that time. It has no body, no header and no value of the query. Its JSON is the line of the call in an
// export.
type Call struct {
	ID      string     `json:"id" doc:"IDs are in the order of time." example:"cal_23u7vbcmq5xw3tdn6hjc8ysamk"`
	BeganAt time.Time  `json:"began_at" doc:"When the gateway had the request." example:"2026-03-14T09:26:53.589Z"`
	EndedAt *time.Time `json:"ended_at,omitempty" doc:"When the answer was passed on, or it was known that there is none." example:"2026-03-14T09:26:53.648Z"`

	Agent         string `json:"agent" doc:"Empty: it was deleted at that time." example:"scout"`
	AgentID       string `json:"agent_id" example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	TokenID       string `json:"token_id" doc:"The agent token that its keys were lent to." example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Address       string `json:"address" doc:"The IP address that the request came from; below rolebroker exec, that of its machine." example:"192.0.2.7"`
	Integration   string `json:"integration" example:"production"`
	IntegrationID string `json:"integration_id" example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Role          string `json:"role" example:"deployer"`
	RoleID        string `json:"role_id" example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	ARN           string `json:"arn,omitempty" doc:"Of the role; left out: it was gone." example:"arn:aws:iam::444455556666:role/Deployer"`
	Task          string `json:"task,omitempty" doc:"The task that the keys were lent for." example:"release-17"`
	Session       string `json:"session,omitempty" doc:"The session whose credentials signed the request; left out: it was refused before." example:"ses_3mzq7k4vprb5xw2tdn6hjc8ysa"`
	AccessRequest string `json:"access_request,omitempty" doc:"The approval behind it." example:"req_6mzq7k4vprb2xw3tdn5hjc8ysa"`

	Service   string   `json:"service" doc:"As the AWS CLI calls it; empty: it is not known." example:"dynamodb"`
	Operation string   `json:"operation" doc:"Empty: it is not known." example:"PutItem"`
	Actions   []string `json:"actions" doc:"The IAM actions that the operation needs; none: they are not known." example:"dynamodb:PutItem"`
	Region    string   `json:"region" doc:"That the request was signed for." example:"eu-west-1"`
	Resources []string `json:"resources,omitempty" doc:"The ARNs that the request names, at most 20. \"*\" among them: there are more, or they are not known. Left out: the server does not record them." example:"arn:aws:dynamodb:eu-west-1:444455556666:table/orders"`
	Level     string   `json:"level" enum:"list,read,tagging,write,permissions" doc:"The highest access level of the actions, as AWS publishes it; permissions for what is not known." example:"write"`

	Decision string `json:"decision" enum:"allowed,refused" example:"allowed"`
	Code     string `json:"code,omitempty" doc:"Why it was refused." example:"denied"`
	Reason   string `json:"reason,omitempty" doc:"The same in words; of a call that was allowed, why no answer came."`
	Times    int64  `json:"times" doc:"How many calls the record stands for: more than 1 for what was refused again and again." example:"1"`

	ValidUntil *time.Time `json:"valid_until,omitempty" doc:"When AWS stops to accept the AWS token that it is."`

	Outcome   string `json:"outcome" enum:"answered,unanswered,unknown,not_sent,handed_out" example:"answered"`
	Status    int    `json:"status,omitempty" doc:"The HTTP status of AWS's answer." example:"200"`
	RequestID string `json:"request_id,omitempty" doc:"AWS's ID of the request, as CloudTrail has it." example:"4JTVIO0CKVN6MPQ1Q7CTC7SNAJVV4KQNSO5AEMVJF66Q9ASUAAJG"`
	BytesIn   int64  `json:"bytes_in" doc:"Of the body that AWS got." example:"512"`
	BytesOut  int64  `json:"bytes_out" doc:"Of the body that the agent got." example:"2"`
}

// CallFilter selects calls; the zero value selects all.
type CallFilter struct {
	Agent     string // its name or ID
	Role      string // integration/role, name, ARN or ID
	Session   string // its ID
	Request   string // the ID of the access request behind it
	Service   string
	Operation string
	Level     string
	Decision  string    // allowed or refused
	Since     time.Time // only calls of that time or later; zero: all
	Until     time.Time // only calls before; zero: all
}

// CallExportType is the media type of an export of calls.
const CallExportType = "application/x-ndjson"
