package api

import "time"

// Runner is the part of rolebroker that runs in a customer's cluster and
// assumes roles there.
type Runner struct {
	ID          string    `json:"id" doc:"Never changes, and can be used wherever a name can." example:"run_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Name        string    `json:"name" doc:"Unique in a deployment." example:"eks-production"`
	Description string    `json:"description" example:"The production cluster"`
	Issuer      string    `json:"issuer" doc:"The issuer of the service-account tokens of its cluster, as people set it; empty: none. The server trusts the runner about tokens of this issuer." example:"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"`
	Version     int64     `json:"version" doc:"The version, from 1; every change by a person increments it. The ETag is the ID and the version." example:"1"`
	CreatedAt   time.Time `json:"created_at" example:"2026-03-14T09:26:53Z"`
	UpdatedAt   time.Time `json:"updated_at" example:"2026-03-14T09:26:53Z"`

	Status         string     `json:"status" enum:"waiting,connected,away" doc:"waiting: it has not joined yet. connected: it was in contact in the last seconds. away: it was not." example:"connected"`
	JoinedAt       *time.Time `json:"joined_at" doc:"When it joined; null: not yet."`
	SeenAt         *time.Time `json:"seen_at" doc:"When it was last in contact; null: never."`
	Replicas       int        `json:"replicas" doc:"How many of its processes were in contact in the last minute; 0 unless it is connected. Those of earlier versions, which tell no ID, count as one." example:"2"`
	Program        string     `json:"program" doc:"The version of the runner's program, as it reports." example:"1.0.0"`
	Method         string     `json:"method" enum:",web-identity,assume-role" doc:"How it assumes roles; empty while it is unknown." example:"web-identity"`
	IdentityARN    string     `json:"identity_arn" doc:"Its AWS identity; empty with web-identity, which has none before it assumes a role." example:"arn:aws:sts::111122223333:assumed-role/rolebroker-runner/i-0abc"`
	IdentityError  string     `json:"identity_error,omitempty" doc:"Why it has no AWS identity."`
	ReportedIssuer string     `json:"reported_issuer" doc:"The issuer of the service-account tokens that it verifies, as it reports; empty: none. The server trusts it about them once a person sets issuer to the same." example:"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"`
	Pending        int        `json:"pending" doc:"How many sessions it began without the server and has not reported yet." example:"0"`
}

// The values of [Runner.Status].
const (
	RunnerWaiting   = "waiting"
	RunnerConnected = "connected"
	RunnerAway      = "away"
)

// ETag identifies this version, for If-Match.
func (r Runner) ETag() string { return etag(r.ID, r.Version) }

// RunnerRequest creates a runner, or replaces what people set on one.
type RunnerRequest struct {
	Name        string `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment." example:"eks-production"`
	Description string `json:"description,omitempty" maxLength:"1000" example:"The production cluster"`
	Issuer      string `json:"issuer,omitempty" maxLength:"255" doc:"The issuer of the service-account tokens of its cluster: the server trusts the runner about tokens of this issuer. Unique among runners." example:"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"`
}

// JoinTokenRequest makes a token with which a runner joins.
type JoinTokenRequest struct {
	ExpiresIn string `json:"expires_in,omitempty" default:"1h" doc:"How long it works: at most 24h." example:"1h"`
}

// JoinToken is a new token, with which a runner can join once.
type JoinToken struct {
	Token     Secret    `json:"token" doc:"Shown only once: the server stores its hash."`
	ExpiresAt time.Time `json:"expires_at" example:"2026-03-14T10:26:53Z"`
}

// Binding says that a Kubernetes service account, or each of several in a
// namespace, is an agent: pods that run as it borrow with its token, and need no
// other.
type Binding struct {
	ID             string            `json:"id" example:"bnd_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Issuer         string            `json:"issuer" doc:"The issuer of the service account's tokens: their claim iss." example:"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"`
	Namespace      string            `json:"namespace" example:"agents"`
	ServiceAccount string            `json:"service_account" doc:"Its name; *: every service account of the namespace, or those with the labels." example:"scout"`
	Labels         map[string]string `json:"labels" doc:"The labels that a service account must have; empty: any." example:"{\"team\": \"ml\"}"`
	Runner         string            `json:"runner" doc:"The name of the runner that the server believes about tokens of the issuer; empty: none, so pods of the service account are refused until a runner has the issuer." example:"eks-production"`
	CreatedAt      time.Time         `json:"created_at" example:"2026-03-14T09:26:53Z"`
	UsedAt         *time.Time        `json:"used_at" doc:"When it was last used, to the minute; null: never."`
}

// BindingRequest binds an agent to a service account, or to several in a namespace.
// The most exact binding of a service account counts: one by its name, then one by
// labels, then one of the whole namespace.
type BindingRequest struct {
	Issuer         string            `json:"issuer" maxLength:"255" doc:"The issuer of the service account's tokens: an https:// URL, which the runner of the cluster reports." example:"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"`
	Namespace      string            `json:"namespace" example:"agents"`
	ServiceAccount string            `json:"service_account" doc:"Its name; *: every service account of the namespace, or those with the labels." example:"scout"`
	Labels         map[string]string `json:"labels,omitempty" doc:"With the service account *: only those that have all of these labels." example:"{\"team\": \"ml\"}"`
}
