package api

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"
)

// Integration is a named group of AWS roles that is granted to agents as one.
type Integration struct {
	ID             string    `json:"id" doc:"Stable for the life of the integration; stands for the name wherever one is taken." example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Name           string    `json:"name" doc:"Unique in a deployment." example:"production"`
	Description    string    `json:"description" example:"Production accounts"`
	AssumptionMode string    `json:"assumption_mode" enum:"platform,cluster" doc:"Who calls STS: this deployment (platform) or a runner in the customer's cluster (cluster)." example:"platform"`
	Runner         string    `json:"runner,omitempty" doc:"The name of the runner that assumes the roles in cluster mode; left out while none is named, and in platform mode." example:"eks-production"`
	ExternalID     string    `json:"external_id" doc:"Made by the server and sent with every AssumeRole; a role's trust policy should require it." example:"rolebroker-5ycq7w3kd2mzt4hnx6vpjb8rqa"`
	NextExternalID string    `json:"next_external_id,omitempty" doc:"What the external ID is being changed to; until that is finished a trust policy may require either. Left out when it is not being changed." example:"rolebroker-7nbq3w9kd2mzt4hnx6vpjb8rqc"`
	SessionTags    bool      `json:"session_tags" doc:"Every AssumeRole carries session tags that say who borrows; trust policies then have to allow sts:TagSession." example:"false"`
	SourceIdentity bool      `json:"source_identity" doc:"Every AssumeRole carries the agent's name as its source identity; trust policies then have to allow sts:SetSourceIdentity." example:"false"`
	DefaultRole    string    `json:"default_role" doc:"The name of the role that is used when none is named." example:"readonly"`
	Roles          []Role    `json:"roles" nullable:"false" doc:"In the order their owner gave them."`
	Version        int64     `json:"version" doc:"Counts the changes, from 1; the ETag has it after the ID." example:"1"`
	CreatedAt      time.Time `json:"created_at" example:"2026-03-14T09:26:53Z"`
	UpdatedAt      time.Time `json:"updated_at" example:"2026-03-14T09:26:53Z"`
}

// ETag is what guards an update of this version, for If-Match. Validations come
// and go without a new version; the ETag has a digest of them, so that
// If-None-Match notices them, and If-Match does not mind.
func (in Integration) ETag() string {
	tag := in.ID + "." + strconv.FormatInt(in.Version, 10)
	digest, validated := fnv.New64a(), false
	for _, role := range in.Roles {
		if v := role.Validation; v != nil {
			validated = true
			fmt.Fprintf(digest, "%s %s %s %s %d\n", role.ID, v.Status, v.Code, v.RequestID, v.CheckedAt.UnixMilli())
		}
	}
	if validated {
		tag += "." + strconv.FormatUint(digest.Sum64(), 10)
	}
	return strconv.Quote(tag)
}

// Role is one IAM role in an integration.
type Role struct {
	ID              string `json:"id" example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	Name            string `json:"name" doc:"Of the user's choosing, unique in its integration." example:"readonly"`
	ARN             string `json:"arn" example:"arn:aws:iam::444455556666:role/ReadOnly"`
	Region          string `json:"region" doc:"Where STS is asked, and what the agent's process finds as its region." example:"us-east-1"`
	Enabled         bool   `json:"enabled" doc:"A disabled role stays in the integration and is lent to nobody." example:"true"`
	SessionDuration string `json:"session_duration" doc:"How long credentials last, in its shortest form." example:"1h"`

	Validation *Validation `json:"validation,omitempty" doc:"What came of trying to assume the role; left out when that was not tried since the role last changed."`
}

// IntegrationRequest creates an integration, or replaces one: what it leaves
// out is empty or has its default afterwards.
type IntegrationRequest struct {
	Name           string        `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment." example:"production"`
	Description    string        `json:"description,omitempty" maxLength:"1000" example:"Production accounts"`
	AssumptionMode string        `json:"assumption_mode,omitempty" enum:"platform,cluster" default:"platform" doc:"Who calls STS: this deployment (platform, recommended) or a runner in the customer's cluster (cluster)."`
	Runner         string        `json:"runner,omitempty" doc:"The name or ID of the runner that assumes the roles; in cluster mode only. Left out: none is named, and nothing is lent." example:"eks-production"`
	SessionTags    bool          `json:"session_tags,omitempty" doc:"Have every AssumeRole carry session tags that say who borrows; trust policies then have to allow sts:TagSession."`
	SourceIdentity bool          `json:"source_identity,omitempty" doc:"Have every AssumeRole carry the agent's name as its source identity; trust policies then have to allow sts:SetSourceIdentity."`
	DefaultRole    string        `json:"default_role" doc:"The name of the role that is used when none is named; it must be one of roles, and enabled." example:"readonly"`
	Roles          []RoleRequest `json:"roles" minItems:"1" maxItems:"10000" nullable:"false" doc:"All of the integration's roles. A role keeps its ID, and so its history, when its ID or else its name is given again."`

	ID         string     `json:"id,omitempty" doc:"Made by the server. When updating it may be repeated as it is; when creating it is refused." example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	ExternalID string     `json:"external_id,omitempty" doc:"When creating: one that POST /api/v1/external-ids gave, else the server makes one. When updating it may be repeated as it is; only rotate-external-id changes it." example:"rolebroker-5ycq7w3kd2mzt4hnx6vpjb8rqa"`
	Version    int64      `json:"version,omitempty" doc:"Ignored; use If-Match to guard an update." example:"1"`
	CreatedAt  *time.Time `json:"created_at,omitempty" doc:"Ignored."`
	UpdatedAt  *time.Time `json:"updated_at,omitempty" doc:"Ignored."`

	NextExternalID string `json:"next_external_id,omitempty" doc:"Ignored."`
}

// RoleRequest is one role of an IntegrationRequest.
type RoleRequest struct {
	ID              string `json:"id,omitempty" doc:"Made by the server. When updating it names the role to keep, so that a role can be renamed; when creating it is refused." example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	Name            string `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Of your choosing, unique in its integration; it need not be IAM's name." example:"readonly"`
	ARN             string `json:"arn" maxLength:"2048" pattern:"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$" doc:"The full ARN of one IAM role, of any partition, with its path." example:"arn:aws:iam::444455556666:role/ReadOnly"`
	Region          string `json:"region" doc:"Where STS is asked, and what the agent's process finds as its region. It must belong to the ARN's partition." example:"us-east-1"`
	Enabled         *bool  `json:"enabled,omitempty" default:"true" doc:"A disabled role stays in the integration and is lent to nobody."`
	SessionDuration string `json:"session_duration,omitempty" default:"1h" doc:"How long credentials last: 15m to 12h in whole seconds, as in 90m. The role's own MaxSessionDuration bounds it too." example:"1h"`

	Validation *Validation `json:"validation,omitempty" doc:"Ignored."`
}

// ExternalID is a reserved external ID: it can be used to create one integration,
// and follows it from then on.
type ExternalID struct {
	ID             string    `json:"id" doc:"Finds it again; an external ID itself is in no path." example:"ext_6ycq7w3kd2mzt4hnx5vpjb8rqa"`
	ExternalID     string    `json:"external_id" doc:"To be required by a role's trust policy: as it was reserved, and to be given when the integration is created; or, once an integration has it, the integration's current one." example:"rolebroker-5ycq7w3kd2mzt4hnx6vpjb8rqa"`
	NextExternalID string    `json:"next_external_id,omitempty" doc:"What the integration's is being changed to; left out when it is not. Trust policies may require either." example:"rolebroker-7nbq3w9kd2mzt4hnx6vpjb8rqc"`
	Integration    string    `json:"integration,omitempty" doc:"The name of the integration that has it; left out while none has used it." example:"production"`
	IntegrationID  string    `json:"integration_id,omitempty" doc:"The ID of the integration that has it; left out while none has used it." example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	ReservedAt     time.Time `json:"reserved_at" example:"2026-03-14T09:26:53Z"`
}

// Rotation is one step of changing an external ID.
type Rotation struct {
	Step  string `json:"step" enum:"start,finish,cancel" doc:"start makes a new external ID, and trust policies may require either; finish has the new one sent from then on; cancel stays with the old one." example:"start"`
	Force bool   `json:"force,omitempty" doc:"Finish although a role does not accept the new one."`
}

// etag quotes an ID and a version, so that what is deleted and made again has
// another.
//
// Source: RFC 9110, section 8.8.3.
func etag(id string, version int64) string {
	return `"` + id + "." + strconv.FormatInt(version, 10) + `"`
}
