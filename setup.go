package rolebroker

import (
	"fmt"
	"net/url"
	"strings"
)

// PrincipalForm is how a trust policy names the platform.
type PrincipalForm string

const (
	PrincipalAccount PrincipalForm = "account" // the account, as in arn:aws:iam::111122223333:root
	PrincipalExact   PrincipalForm = "exact"   // the exact role or user of the platform
)

// ClusterVariant is how the pods of a cluster get an AWS identity.
type ClusterVariant string

const (
	ClusterIRSA        ClusterVariant = "irsa"         // IAM roles for service accounts
	ClusterPodIdentity ClusterVariant = "pod-identity" // EKS Pod Identity
	ClusterAssumeRole  ClusterVariant = "assume-role"  // the runner assumes the roles from any AWS identity that it has
)

// ClusterIdentity is the Kubernetes service account that roles shall trust: one, every one of a namespace, or every one
// of the cluster.
type ClusterIdentity struct {
	Variant        ClusterVariant
	Issuer         string // of the cluster, as in https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE; irsa only
	Namespace      string // AnyAccount, with irsa and AnyAccount for the ServiceAccount: every one of the cluster
	ServiceAccount string // AnyAccount: every one of the namespace
}

// SetupRequest selects the roles of a setup and the form of the trust policies. The zero value is for all roles, and
// names the platform by its account.
type SetupRequest struct {
	Role    string // name or ID of one role; empty: all
	Account string // the account of the roles, 12 digits; empty: every account
	// Principal is empty when the caller asks for no form. New policies then name the account, and a current policy
	// that names the platform exactly stays exact.
	Principal     PrincipalForm
	Cluster       ClusterIdentity
	CurrentPolicy string // the trust policy that the one role has now; empty: not known
	CutOff        bool   // also a role in each account by which the platform puts deny policies on the roles
}

// WithDefaults returns the request with defaults in its empty fields, except for Principal: an empty Principal has a
// meaning of its own.
func (r SetupRequest) WithDefaults() SetupRequest {
	if r.Cluster.Variant == "" {
		r.Cluster.Variant = ClusterIRSA
	}
	if r.Cluster.Namespace == "" {
		r.Cluster.Namespace = "rolebroker"
	}
	if r.Cluster.ServiceAccount == "" {
		r.Cluster.ServiceAccount = "rolebroker-runner"
	}
	return r
}

// Check returns every field that is wrong. Codes: invalid.
func (r SetupRequest) Check() error {
	var p problems
	if r.Principal != "" && r.Principal != PrincipalAccount && r.Principal != PrincipalExact {
		p.add("principal", "%q is not one of account, exact", string(r.Principal))
	}
	if r.Account != "" && (len(r.Account) != 12 || !only(r.Account, isDigit)) {
		p.add("account", "%q is not the ID of an AWS account, which has 12 digits", r.Account)
	}
	if v := r.Cluster.Variant; v != ClusterIRSA && v != ClusterPodIdentity && v != ClusterAssumeRole {
		p.add("variant", "%q is not one of irsa, pod-identity, assume-role", string(v))
	}
	if r.Cluster.Issuer != "" {
		p.check("issuer", checkIssuer(r.Cluster.Issuer))
	}
	if c := r.Cluster; c.Namespace != AnyAccount || c.ServiceAccount != AnyAccount || c.Variant != ClusterIRSA {
		p.check("namespace", checkKubernetesName(c.Namespace, 63, ""))
	}
	if r.Cluster.ServiceAccount != AnyAccount {
		p.check("service_account", checkKubernetesName(r.Cluster.ServiceAccount, 253, "."))
	}
	if r.CurrentPolicy != "" && r.Role == "" {
		p.add("role", "is required with a current trust policy: it is the policy of one role")
	}
	return p.err("the request")
}

// checkIssuer checks the URL of an OpenID Connect provider in IAM.
//
// Source: IAM API Reference, CreateOpenIDConnectProvider, Url.
func checkIssuer(issuer string) error {
	const like = "as in https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
	u, err := url.Parse(issuer)
	switch {
	case err != nil || !strings.HasPrefix(issuer, "https://") || u.Hostname() == "" || u.User != nil:
		return fmt.Errorf("%q is not an https:// URL, %s", issuer, like)
	case u.Port() != "" || strings.HasSuffix(u.Host, ":") || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q has a port, a query or a fragment, which IAM does not take in an issuer", issuer)
	case len(issuer) > 255:
		return fmt.Errorf("has %d characters; IAM takes at most 255", len(issuer))
	case !only(issuer, func(c byte) bool { return isNameByte(c) || strings.IndexByte(":/~%", c) >= 0 }):
		return fmt.Errorf("%q has a character that an issuer cannot have", issuer)
	}
	return nil
}

// checkTokenIssuer checks the issuer of service-account tokens, which IAM need not know.
func checkTokenIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.Fragment != "":
		return fmt.Errorf("%s is not the https:// URL of an issuer, as in "+
			"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE", Quote(issuer))
	case len(issuer) > 255:
		return fmt.Errorf("has %d characters; at most 255 are allowed", len(issuer))
	}
	return nil
}

// checkKubernetesName checks the name of a namespace or of a service account. The bytes in also are allowed too.
//
// Source: Kubernetes documentation, "Object Names and IDs".
func checkKubernetesName(name string, most int, also string) error {
	allowed := func(c byte) bool { return isLower(c) || isDigit(c) || c == '-' || strings.IndexByte(also, c) >= 0 }
	if name == "" || len(name) > most || !only(name, allowed) || strings.Trim(name, "-.") != name {
		return fmt.Errorf("%q is not a Kubernetes name: lower-case letters, digits and '-', at most %d", name, most)
	}
	return nil
}

// Setup is the policies, commands and templates that make roles assumable, ready to be pasted in AWS.
type Setup struct {
	Integration     string        // its name; empty for a draft without a name
	IntegrationID   IntegrationID // empty for a draft
	Mode            AssumptionMode
	Principal       string // whom the trust policies let in; in platform mode the platform
	ExternalIDs     []string
	TrustPolicy     string // of every new role; empty when the roles need different ones
	Roles           []RoleSetup
	Text            string  // the guide for the AWS console
	AWSCLI          string  // commands for all the roles
	CloudFormation  string  // a template, or one for each account
	Stacks          []Stack // the templates of CloudFormation
	StackSets       []StackSet
	CreateRole      string // the wizard of the AWS console for a role without a path; empty if it cannot make one
	Terraform       string // HCL
	CutOff          string // commands for the cut-off roles only; empty: none were requested
	PlatformProblem string // why the platform's identity, and with it the principal, is unknown; empty if it is known
	// Notes are sentences about the current trust policy: what in it denies us, and what it leaves open to others. The
	// texts contain them too. None when the current policy is unknown.
	Notes []string
}

// Stack is a CloudFormation template for roles of one account.
type Stack struct {
	Name     string // of the stack
	Account  string
	Template string // JSON
}

// StackSet is a CloudFormation template that makes the roles of several accounts, each in its own account.
type StackSet struct {
	Name     string
	Accounts []string
	Template string // JSON
	Commands string // for the AWS CLI, that create the stack set and its stacks
}

// RoleSetup is the part of a Setup for one role.
type RoleSetup struct {
	Role        Role
	Statement   string         // to add to the trust policy of an existing role
	TrustPolicy string         // of a new role
	Merged      string         // the current trust policy with the statement in it; empty: that is unknown
	Changes     []PolicyChange // from the current policy to Merged, in words; none when nothing has to change
	Diff        string         // the same as text, unified; empty when nothing has to change
	Console     ConsoleLinks
	Obstacle    string // why the role can never be assumed, in sentences; empty if it can
}

// PolicyChange is one change of a trust policy.
type PolicyChange struct {
	Words     string // a sentence, as in "Replace the statement that trusts 111122223333 with this:"
	Statement string // what "this" is, as JSON; empty when the sentence stands alone
}

// ConsoleLinks are addresses in the AWS console. An address is empty where the console has no such page for the role.
type ConsoleLinks struct {
	CreateRole  string // the wizard for a new role, with the account and the external ID filled in
	TrustPolicy string // the trust policy of the role
	QuickCreate string // a stack that makes the role, on one page with everything filled in
	CreateStack string // a new stack, for a template that the person uploads
}

// ModeAdvice lists the advantages and disadvantages of an assumption mode.
type ModeAdvice struct {
	Mode          AssumptionMode
	Title         string
	Recommended   bool
	Advantages    []string
	Disadvantages []string
}

// Modes returns the assumption modes, the recommended one first.
func Modes() []ModeAdvice {
	return []ModeAdvice{{
		Mode: ModePlatform, Title: "Give the platform permission to assume the roles", Recommended: true,
		Advantages: []string{
			"Simpler",
			"Secure",
			"The platform can validate role details",
			"The platform confirms that role assumption is working",
		},
	}, {
		Mode:  ModeCluster,
		Title: "Give your cluster (or an entity within it, such as a namespace) permission to assume the roles",
		Advantages: []string{
			"Enables AWS integration for companies that need to manage role assumption using their own cluster",
		},
		Disadvantages: []string{
			"The platform cannot validate role details itself, nor that role assumption is working: " +
				"a runner in your cluster tries it, and reports",
			"Requires setting up an EKS service account connected to your cluster",
		},
	}}
}
