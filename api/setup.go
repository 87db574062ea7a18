package api

// Setup is the steps to take in AWS so that roles can be assumed, as text to paste.
type Setup struct {
	Integration    string       `json:"integration" doc:"The name of the integration; empty for a draft." example:"production"`
	AssumptionMode string       `json:"assumption_mode" enum:"platform,cluster" example:"platform"`
	Modes          []ModeAdvice `json:"modes" nullable:"false" doc:"The advantages and disadvantages of each assumption mode, the recommended one first."`

	Principal     string   `json:"principal" doc:"The principal that the trust policies name. It has a placeholder while the platform's identity is unknown." example:"arn:aws:iam::111122223333:root"`
	ExternalIDs   []string `json:"external_ids" nullable:"false" doc:"The external IDs that the trust policies require: the current one and, while it is being changed, the new one."`
	IdentityError string   `json:"identity_error,omitempty" doc:"Why the platform's AWS identity, and so the principal, is unknown."`

	Notes []string `json:"notes" nullable:"false" doc:"Remarks on the current trust policy, in sentences: what it denies the platform, what it leaves open, principals in it that were deleted, and whether the new one may be too long. The texts have them too."`

	TrustPolicy string `json:"trust_policy" doc:"JSON: the trust policy of a new role; empty if it differs between roles, see roles."`

	Text           string      `json:"text" doc:"All steps, as text for people."`
	AWSCLI         string      `json:"aws_cli" doc:"Commands that make or change the roles."`
	CloudFormation string      `json:"cloudformation" doc:"A template in JSON that makes the roles; for roles in several accounts, one after the other."`
	CreateRole     string      `json:"create_role,omitempty" doc:"The address of the AWS console's wizard for a new role, with the account and the external ID filled in: see console of the roles."`
	StackSets      []StackSet  `json:"stack_sets" nullable:"false" doc:"For roles in several accounts: templates that make the roles of each account in that account. Several where one template would be too long."`
	CutOff         string      `json:"cut_off" doc:"Commands that make the cut-off roles, by which the server puts deny policies on the roles, and nothing else; empty unless they were requested. The other texts have them too."`
	Terraform      string      `json:"terraform" doc:"HCL that makes the roles."`
	Roles          []RoleSetup `json:"roles" nullable:"false"`
}

// RoleSetup is the part of a Setup for one role.
type RoleSetup struct {
	Name              string         `json:"name" example:"readonly"`
	ARN               string         `json:"arn" example:"arn:aws:iam::444455556666:role/ReadOnly"`
	Statement         string         `json:"statement" doc:"JSON: the statement to add to the trust policy of an existing role."`
	TrustPolicy       string         `json:"trust_policy" doc:"JSON: the trust policy of a new role."`
	MergedTrustPolicy string         `json:"merged_trust_policy,omitempty" doc:"JSON: the current trust policy with the statement in it."`
	Changes           []PolicyChange `json:"changes" nullable:"false" doc:"What the merged trust policy changes, in words."`
	Diff              string         `json:"diff,omitempty" doc:"The difference between the current trust policy and the merged one; left out if there is none."`
	Obstacle          string         `json:"obstacle,omitempty" doc:"Why the role can never be assumed, in sentences."`
	Console           ConsoleLinks   `json:"console" doc:"Addresses in the AWS console."`
}

// PolicyChange is one change of a trust policy.
type PolicyChange struct {
	Words     string `json:"words" doc:"A sentence." example:"Replace the statement that trusts 111122223333 with this:"`
	Statement string `json:"statement,omitempty" doc:"JSON: the statement that the sentence is about."`
}

// ConsoleLinks are addresses in the AWS console.
type ConsoleLinks struct {
	CreateRole  string `json:"create_role,omitempty" doc:"The wizard for a new role, with the account and the external ID filled in. AWS does not document its parameters; compare the fields with principal and external_ids. Left out where the wizard cannot make the role."`
	TrustPolicy string `json:"trust_policy,omitempty" doc:"The trust policy of the role."`
	QuickCreate string `json:"quick_create,omitempty" doc:"A CloudFormation stack that makes the role, on one page with everything filled in. Left out unless the server has --setup-template-url."`
	CreateStack string `json:"create_stack,omitempty" doc:"A new CloudFormation stack, for a template that you upload."`
}

// StackSet is a CloudFormation template for the roles of several accounts.
type StackSet struct {
	Name     string   `json:"name" example:"rolebroker-production"`
	Accounts []string `json:"accounts" nullable:"false"`
	Template string   `json:"template" doc:"JSON. Its Metadata has the commands, too."`
	Commands string   `json:"commands" doc:"Commands for the AWS CLI that create the stack set and its stacks."`
}

// ModeAdvice has the advantages and disadvantages of an assumption mode.
type ModeAdvice struct {
	Mode          string   `json:"mode" enum:"platform,cluster" example:"platform"`
	Title         string   `json:"title"`
	Recommended   bool     `json:"recommended"`
	Advantages    []string `json:"advantages" nullable:"false"`
	Disadvantages []string `json:"disadvantages" nullable:"false"`
}

// SetupRequest selects a setup. GET takes its fields as parameters, except for the
// current trust policy.
type SetupRequest struct {
	Role           string `json:"role,omitempty" query:"role" doc:"The name or ID of one role; left out: all." example:"readonly"`
	Account        string `json:"account,omitempty" query:"account" doc:"The ID of an account: only the roles in it. Left out: all." example:"444455556666"`
	Principal      string `json:"principal,omitempty" query:"principal" enum:"account,exact" doc:"How trust policies name the platform: by its account, or by its exact identity. Left out: by its account, unless the current trust policy names it exactly."`
	Variant        string `json:"variant,omitempty" query:"variant" enum:"irsa,pod-identity,assume-role" doc:"Cluster mode: how pods get an AWS identity, or assume-role if the integration's runner has one. Left out: as the runner reports, else irsa."`
	Issuer         string `json:"issuer,omitempty" query:"issuer" doc:"Cluster mode: the cluster's OpenID Connect issuer." example:"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"`
	Namespace      string `json:"namespace,omitempty" query:"namespace" default:"rolebroker" doc:"Cluster mode: the namespace of the service account."`
	ServiceAccount string `json:"service_account,omitempty" query:"service_account" default:"rolebroker-runner" doc:"Cluster mode: the service account that the roles trust."`
	CutOff         bool   `json:"cut_off,omitempty" query:"cut_off" doc:"Also a role in each account that only the platform assumes, and that may put inline policies on the roles of the integration, so that the server can put the deny policies of a cut-off there. IAM cannot restrict what such a policy says."`

	CurrentTrustPolicy string `json:"current_trust_policy,omitempty" doc:"The current trust policy of the one role: the document, also encoded for a URL, or the answer to GetRole, in JSON or in the AWS CLI's YAML. The answer has it with the statement merged in."`
}

// SetupDraft requests the setup of an integration that does not exist yet.
type SetupDraft struct {
	Integration IntegrationRequest `json:"integration" doc:"The draft, with a reserved external ID; in cluster mode it needs none. If an integration has or had that external ID, the answer has the external IDs that this integration's roles must require now."`
	Setup       SetupRequest       `json:"setup,omitempty"`
}
