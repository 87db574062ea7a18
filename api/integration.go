package api

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// Integration is a named group of AWS roles that is granted to agents as one.
type Integration struct {
	ID             string           `json:"id" doc:"Never changes, and can be used wherever a name can." example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Name           string           `json:"name" doc:"Unique in a deployment." example:"production"`
	Description    string           `json:"description" example:"Production accounts"`
	Enabled        bool             `json:"enabled" doc:"The roles of a disabled integration stay as they are, but nobody can borrow them." example:"true"`
	AssumptionMode string           `json:"assumption_mode" enum:"platform,cluster" doc:"Who calls STS: this deployment (platform) or a runner in the customer's cluster (cluster)." example:"platform"`
	Runner         string           `json:"runner,omitempty" doc:"The name of the runner that assumes the roles in cluster mode; left out if there is none, and in platform mode." example:"eks-production"`
	ExternalID     string           `json:"external_id" doc:"Made by the server and sent with every AssumeRole; a role's trust policy should require it." example:"rolebroker-5ycq7w3kd2mzt4hnx6vpjb8rqa"`
	NextExternalID string           `json:"next_external_id,omitempty" doc:"The new external ID, while it is being changed; else left out. Trust policies may require either." example:"rolebroker-7nbq3w9kd2mzt4hnx6vpjb8rqc"`
	SessionTags    bool             `json:"session_tags" doc:"AssumeRole sends session tags that identify the agent. Trust policies must then allow sts:TagSession." example:"false"`
	SourceIdentity bool             `json:"source_identity" doc:"AssumeRole sends the agent's name as the source identity. Trust policies must then allow sts:SetSourceIdentity." example:"true"`
	DefaultRole    string           `json:"default_role" doc:"The name of the role that an agent gets if it names none." example:"readonly"`
	State          IntegrationState `json:"state" doc:"The states of the enabled roles, summed up."`
	Roles          []Role           `json:"roles" nullable:"false" doc:"The roles, in the order of the request that set them."`
	Version        int64            `json:"version" doc:"The version, from 1; every change increments it. The ETag is the ID and the version." example:"1"`
	CreatedAt      time.Time        `json:"created_at" example:"2026-03-14T09:26:53Z"`
	UpdatedAt      time.Time        `json:"updated_at" example:"2026-03-14T09:26:53Z"`
}

// UnmarshalJSON reads an answer. In the answer of a server that cannot disable
// integrations, the integration is enabled.
func (in *Integration) UnmarshalJSON(data []byte) error {
	type plain Integration
	answer := plain{Enabled: true}
	err := json.Unmarshal(data, &answer)
	*in = Integration(answer)
	return err
}

// ETag identifies this version, for If-Match and If-None-Match. It also has a
// digest of the states, which change without a new version: If-None-Match
// compares the digest, If-Match ignores it.
func (in Integration) ETag() string {
	tag := in.ID + "." + strconv.FormatInt(in.Version, 10)
	digest, tried := fnv.New64a(), false
	for _, role := range in.Roles {
		if v := role.Validation; v != nil {
			tried = true
			fmt.Fprintf(digest, "%s %s %s %s %d\n", role.ID, v.Status, v.Code, v.RequestID, v.CheckedAt.UnixMilli())
		}
		if s := role.State; s.CheckedAt != nil {
			tried = true
			fmt.Fprintf(digest, "%s %s %s %s %d\n", s.From, s.Status, s.Code, s.Agent, s.CheckedAt.UnixMilli())
		}
	}
	if tried {
		tag += "." + strconv.FormatUint(digest.Sum64(), 10)
	}
	return strconv.Quote(tag)
}

// Role is one IAM role in an integration.
type Role struct {
	ID              string `json:"id" example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	Name            string `json:"name" doc:"Unique in its integration. It may differ from the name in IAM." example:"readonly"`
	ARN             string `json:"arn" example:"arn:aws:iam::444455556666:role/ReadOnly"`
	Region          string `json:"region" doc:"The region of the STS endpoint, and of the agent's process." example:"us-east-1"`
	Enabled         bool   `json:"enabled" doc:"A disabled role stays in the integration, but nobody can borrow it." example:"true"`
	SessionDuration string `json:"session_duration" doc:"How long credentials last, in the shortest form." example:"1h"`

	State      RoleState   `json:"state" doc:"What is known of the role now."`
	Validation *Validation `json:"validation,omitempty" doc:"The outcome of the last validation; left out if the role was not validated since it last changed."`
}

// IntegrationRequest creates an integration, or replaces one. A field that it
// leaves out becomes empty or gets its default.
type IntegrationRequest struct {
	Name           string        `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment." example:"production"`
	Description    string        `json:"description,omitempty" maxLength:"1000" example:"Production accounts"`
	Enabled        *bool         `json:"enabled,omitempty" doc:"The roles of a disabled integration stay as they are, but nobody can borrow them. What was lent already works until it expires. Left out: a new integration is enabled; an update leaves it as it is." example:"true"`
	AssumptionMode string        `json:"assumption_mode,omitempty" enum:"platform,cluster" default:"platform" doc:"Who calls STS: this deployment (platform, recommended) or a runner in the customer's cluster (cluster)."`
	Runner         string        `json:"runner,omitempty" doc:"The name or ID of the runner that assumes the roles, in cluster mode. Left out: no runner, and nobody can borrow the roles." example:"eks-production"`
	SessionTags    bool          `json:"session_tags,omitempty" doc:"AssumeRole sends session tags that identify the agent. Trust policies must then allow sts:TagSession."`
	SourceIdentity *bool         `json:"source_identity,omitempty" doc:"AssumeRole sends the agent's name as the source identity. Trust policies must then allow sts:SetSourceIdentity. Left out: a new integration has it, unless the validation of its creation finds a role that works only without it; an update leaves it as it is." example:"true"`
	DefaultRole    string        `json:"default_role" doc:"The name of the role that an agent gets if it names none. It must be one of roles. While it is disabled, an agent that names no role gets none." example:"readonly"`
	Roles          []RoleRequest `json:"roles" minItems:"1" maxItems:"10000" nullable:"false" doc:"All roles of the integration. A role keeps its ID, and so its history, if the request has its ID, or else its name."`

	ID         string     `json:"id,omitempty" doc:"Made by the server. An update may repeat it unchanged; creating refuses it." example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	ExternalID string     `json:"external_id,omitempty" doc:"To create: one that POST /api/v1/external-ids answered; left out: the server makes one. An update may repeat the current one, or have another one that was reserved and that nothing has used: it takes the place of the current one at once. rotate-external-id changes it in steps, while every role can be assumed." example:"rolebroker-5ycq7w3kd2mzt4hnx6vpjb8rqa"`
	Version    int64      `json:"version,omitempty" doc:"Ignored; use If-Match to guard an update." example:"1"`
	CreatedAt  *time.Time `json:"created_at,omitempty" doc:"Ignored."`
	UpdatedAt  *time.Time `json:"updated_at,omitempty" doc:"Ignored."`

	NextExternalID string            `json:"next_external_id,omitempty" doc:"Ignored."`
	State          *IntegrationState `json:"state,omitempty" doc:"Ignored."`
}

// RoleRequest is one role of an IntegrationRequest.
type RoleRequest struct {
	ID              string `json:"id,omitempty" doc:"Made by the server. In an update it selects the role to keep, so that a role can be renamed; creating refuses it." example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	Name            string `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in its integration. It may differ from the name in IAM." example:"readonly"`
	ARN             string `json:"arn" maxLength:"2048" pattern:"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$" doc:"The full ARN of one IAM role, of any partition, with its path." example:"arn:aws:iam::444455556666:role/ReadOnly"`
	Region          string `json:"region" doc:"The region of the STS endpoint, and of the agent's process. It must belong to the ARN's partition." example:"us-east-1"`
	Enabled         *bool  `json:"enabled,omitempty" default:"true" doc:"A disabled role stays in the integration, but nobody can borrow it."`
	SessionDuration string `json:"session_duration,omitempty" default:"1h" doc:"How long credentials last: 15m to 12h in whole seconds, as in 90m, and at most MaxSessionDuration of the IAM role." example:"1h"`

	Validation *Validation `json:"validation,omitempty" doc:"Ignored."`
	State      *RoleState  `json:"state,omitempty" doc:"Ignored."`
}

// ExternalID is a reserved external ID. One integration can have it; from
// then on it has the external IDs of that integration.
type ExternalID struct {
	ID             string    `json:"id" doc:"Identifies the reservation in paths, which never have an external ID in them." example:"ext_6ycq7w3kd2mzt4hnx5vpjb8rqa"`
	ExternalID     string    `json:"external_id" doc:"The external ID that trust policies should require: as it was reserved, until an integration is created with it; from then on, the current one of that integration." example:"rolebroker-5ycq7w3kd2mzt4hnx6vpjb8rqa"`
	NextExternalID string    `json:"next_external_id,omitempty" doc:"The new external ID, while the integration's is being changed; else left out. Trust policies may require either." example:"rolebroker-7nbq3w9kd2mzt4hnx6vpjb8rqc"`
	Integration    string    `json:"integration,omitempty" doc:"The name of the integration that has it; left out if none has." example:"production"`
	IntegrationID  string    `json:"integration_id,omitempty" doc:"The ID of the integration that has it; left out if none has." example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	ReservedAt     time.Time `json:"reserved_at" example:"2026-03-14T09:26:53Z"`
}

// Rotation is one step of changing an external ID.
type Rotation struct {
	Step  string `json:"step" enum:"start,finish,cancel" doc:"start makes a new external ID: trust policies may then require either one. finish sends the new one from then on. cancel keeps the old one." example:"start"`
	Force bool   `json:"force,omitempty" doc:"Finish even if a role does not accept the new external ID."`
}

// etag is an ID and a version in quotes. With the ID, something that was deleted and
// made again has another ETag.
//
// Source: RFC 9110, section 8.8.3.
func etag(id string, version int64) string {
	return `"` + id + "." + strconv.FormatInt(version, 10) + `"`
}
