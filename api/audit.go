package api

import "time"

// AuditEvent is what a caller did or was refused. Its JSON, without Sequence and Hash, is the record that the audit
// trail keeps and exports.
type AuditEvent struct {
	ID        string            `json:"id" example:"evt_3mzq7k4vprb5xw2tdn6hjc8ysa"`
	Time      time.Time         `json:"time" example:"2026-03-14T09:26:53.589Z"`
	Actor     AuditActor        `json:"actor"`
	Action    string            `json:"action" doc:"A noun, a dot and a verb." example:"agent.connect"`
	Subjects  []AuditSubject    `json:"subjects,omitempty" doc:"What the action concerns."`
	Outcome   string            `json:"outcome" enum:"done,refused" example:"done"`
	Code      string            `json:"code,omitempty" doc:"Why it was refused." example:"denied"`
	Reason    string            `json:"reason,omitempty" doc:"The same in words."`
	RequestID string            `json:"request_id,omitempty" doc:"The request that it was recorded for: the header X-Request-Id of the request, or of the answer. Its sender may have chosen it." example:"7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Before    map[string]string `json:"before,omitempty" doc:"The old values of the fields that changed; left out for something new. No secrets."`
	After     map[string]string `json:"after,omitempty" doc:"The new values; left out for something deleted."`
	Sequence  *int64            `json:"sequence,omitempty" doc:"Its place in the audit trail, from 0. An event has none for a moment after it was recorded." example:"17"`
	Hash      string            `json:"hash,omitempty" doc:"The hash that the audit trail has of it, in base64."`
}

// AuditActor is who did it.
type AuditActor struct {
	Kind    string `json:"kind" enum:"api_key,agent,runner,join_token,server,unknown" doc:"unknown: a caller who was not identified." example:"api_key"`
	ID      string `json:"id,omitempty" example:"key_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Name    string `json:"name,omitempty" doc:"At that time." example:"admin"`
	Token   string `json:"token,omitempty" doc:"The ID of the token or credential." example:"tok_5mzq2k4vprb7xw3tdn6hjc8ysa"`
	Claimed string `json:"claimed,omitempty" doc:"The ID in the key or token of a caller who was not identified. It proves nothing."`
	Address string `json:"address,omitempty" doc:"The IP address of the request. For an agent that asked a runner, as the runner saw it." example:"192.0.2.7"`

	ServiceAccount string `json:"service_account,omitempty" doc:"namespace/name of the Kubernetes service account of an agent that showed its token to a runner." example:"agents/scout"`
	Pod            string `json:"pod,omitempty" doc:"The name of its pod." example:"scout-7d4b9c6f5d-x2x8z"`
}

// AuditSubject is one thing that an action concerns.
type AuditSubject struct {
	Kind string `json:"kind" example:"agent"`
	ID   string `json:"id,omitempty" example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Name string `json:"name,omitempty" doc:"At that time, or what the caller wrote." example:"scout"`
}

// FollowedAudit are events of the audit trail, in its order.
type FollowedAudit struct {
	Items        []AuditEvent `json:"items"`
	NextSequence int64        `json:"next_sequence" doc:"Go on with from_sequence of this value." example:"1205"`
}

// AuditFilter selects audit events; the zero value selects all.
type AuditFilter struct {
	Actor   string    // an ID, or the name at the time
	Action  string    // agent.connect, or agent for all of that noun
	Subject string    // an ID, or the name at the time
	Outcome string    // done or refused
	Token   string    // the ID of a token, binding or credential
	Address string    // an IP address
	Request string    // the ID of a request
	Since   time.Time // only events of that time or later; zero: all
	Until   time.Time // only events before; zero: all
}

// AuditTrail is the state of the audit trail.
type AuditTrail struct {
	Size         int64      `json:"size" doc:"How many events have a place in the trail, with those that retention deleted." example:"1204"`
	Waiting      int64      `json:"waiting" doc:"How many events have no place yet, at most 1001." example:"0"`
	Covered      int64      `json:"covered" doc:"How many events the checkpoint covers." example:"1204"`
	Signed       bool       `json:"signed" doc:"Whether a key signed the checkpoint."`
	CheckpointAt *time.Time `json:"checkpoint_at" doc:"When the checkpoint was signed; null: it is not signed."`
	Checkpoint   string     `json:"checkpoint" doc:"The newest checkpoint, to be kept outside the reach of whoever runs the server: a C2SP tlog-checkpoint. Empty: there is none yet." example:"rolebroker-5f2a9c01\n1204\nV8K…=\n\n— rolebroker-5f2a9c01 Oh…=\n"`
}

// AuditExportType is the media type of an export of the audit trail.
const AuditExportType = "application/x-ndjson"
