package api

// Setup is what has to be done in AWS so that roles can be assumed, ready to
// be pasted.
type Setup struct {
	Integration    string       `json:"integration" doc:"Empty when there is none yet." example:"production"`
	AssumptionMode string       `json:"assumption_mode" enum:"platform,cluster" example:"platform"`
	Modes          []ModeAdvice `json:"modes" nullable:"false" doc:"What speaks for and against each assumption mode, the recommended one first."`

	Principal     string   `json:"principal" doc:"Whom the trust policies name; with a placeholder while the platform's identity is not known." example:"arn:aws:iam::111122223333:root"`
	ExternalIDs   []string `json:"external_ids" nullable:"false" doc:"What the trust policies require: the external ID, and while it is being changed also the new one."`
	IdentityError string   `json:"identity_error,omitempty" doc:"Why the platform's identity, and with it the principal, is not known."`

	Notes []string `json:"notes" nullable:"false" doc:"What to know of the current trust policy, in sentences: what it says against the platform, or leaves open. They are in the texts too."`

	TrustPolicy string `json:"trust_policy" doc:"JSON: of a new role; empty when it is not the same for every role, see roles."`

	Text           string      `json:"text" doc:"All of it, for a person."`
	AWSCLI         string      `json:"aws_cli" doc:"Commands that make or change the roles."`
	CloudFormation string      `json:"cloudformation" doc:"A template in JSON that makes the roles; for roles in several accounts, one after the other."`
	Terraform      string      `json:"terraform" doc:"HCL that makes the roles."`
	Roles          []RoleSetup `json:"roles" nullable:"false"`
}

// RoleSetup is the part of a Setup that is one role's.
type RoleSetup struct {
	Name              string `json:"name" example:"readonly"`
	ARN               string `json:"arn" example:"arn:aws:iam::444455556666:role/ReadOnly"`
	Statement         string `json:"statement" doc:"JSON: to be added to the trust policy of a role that exists."`
	TrustPolicy       string `json:"trust_policy" doc:"JSON: of a role that is made new."`
	MergedTrustPolicy string `json:"merged_trust_policy,omitempty" doc:"JSON: the current trust policy with the statement in it."`
	Diff              string `json:"diff,omitempty" doc:"From the current trust policy to the merged one; left out when nothing has to change."`
}

// ModeAdvice is what speaks for and against an assumption mode.
type ModeAdvice struct {
	Mode          string   `json:"mode" enum:"platform,cluster" example:"platform"`
	Title         string   `json:"title"`
	Recommended   bool     `json:"recommended"`
	Advantages    []string `json:"advantages" nullable:"false"`
	Disadvantages []string `json:"disadvantages" nullable:"false"`
}

// SetupRequest asks for the setup of roles that have a trust policy already,
// or that no integration has yet.
type SetupRequest struct {
	Role           string `json:"role,omitempty" doc:"The name or ID of one role; left out: all." example:"readonly"`
	Principal      string `json:"principal,omitempty" enum:"account,exact" doc:"How trust policies name the platform: by its account, or exactly; left out: by its account, but exactly where the current trust policy does."`
	Variant        string `json:"variant,omitempty" enum:"irsa,pod-identity,assume-role" doc:"Cluster mode: how pods get an AWS identity, or that the integration's runner has one; left out: as the runner says, else irsa."`
	Issuer         string `json:"issuer,omitempty" doc:"Cluster mode: the cluster's OpenID Connect issuer." example:"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"`
	Namespace      string `json:"namespace,omitempty" default:"rolebroker" doc:"Cluster mode: of the service account."`
	ServiceAccount string `json:"service_account,omitempty" default:"rolebroker-runner" doc:"Cluster mode: the service account that the roles are to trust."`

	CurrentTrustPolicy string `json:"current_trust_policy,omitempty" doc:"The trust policy that the one role has now, as JSON; the answer has it with the statement merged in."`
}

// SetupDraft asks for the setup of roles that no integration has yet.
type SetupDraft struct {
	Integration IntegrationRequest `json:"integration" doc:"With an external ID that was reserved; in cluster mode none is needed. One that an integration has or had stands for that integration and what its roles have to require now."`
	Setup       SetupRequest       `json:"setup,omitempty"`
}
