package rolebroker

import (
	"fmt"
	"net/url"
	"strings"
)

// PrincipalForm is how a trust policy names the platform.
type PrincipalForm string

const (
	PrincipalAccount PrincipalForm = "account" // the account, as arn:aws:iam::111122223333:root
	PrincipalExact   PrincipalForm = "exact"   // the role or user that the platform is
)

// ClusterVariant is how the pods of a cluster get an AWS identity.
type ClusterVariant string

const (
	ClusterIRSA        ClusterVariant = "irsa"         // IAM roles for service accounts: the cluster's OpenID Connect issuer
	ClusterPodIdentity ClusterVariant = "pod-identity" // EKS Pod Identity
	ClusterAssumeRole  ClusterVariant = "assume-role"  // the runner has an AWS identity, from wherever, and assumes the roles from that
)

// ClusterIdentity is a Kubernetes service account that a role is to trust.
type ClusterIdentity struct {
	Variant        ClusterVariant
	Issuer         string // of the cluster, as https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE; irsa only
	Namespace      string
	ServiceAccount string
}

// SetupRequest says for whom and how the setup is wanted. The zero value is
// for all roles, naming the platform by its account.
type SetupRequest struct {
	Role string // name or ID of one role; empty: all
	// Principal is empty when no form is asked for. That is the account for what
	// is new; a current policy that names the platform exactly stays exact.
	Principal     PrincipalForm
	Cluster       ClusterIdentity
	CurrentPolicy string // the trust policy that the one role has now; empty: not known
}

// WithDefaults fills in what was left out, except for Principal, of which it
// counts whether it was asked for.
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

// Check says everything that is wrong with the request.
func (r SetupRequest) Check() error {
	var p problems
	if r.Principal != "" && r.Principal != PrincipalAccount && r.Principal != PrincipalExact {
		p.add("principal", "%q is not one of account, exact", string(r.Principal))
	}
	if v := r.Cluster.Variant; v != ClusterIRSA && v != ClusterPodIdentity && v != ClusterAssumeRole {
		p.add("variant", "%q is not one of irsa, pod-identity, assume-role", string(v))
	}
	if r.Cluster.Issuer != "" {
		p.check("issuer", checkIssuer(r.Cluster.Issuer))
	}
	p.check("namespace", checkKubernetesName(r.Cluster.Namespace, 63, ""))
	p.check("service_account", checkKubernetesName(r.Cluster.ServiceAccount, 253, "."))
	if r.CurrentPolicy != "" && r.Role == "" {
		p.add("role", "is required with a current trust policy: it is the policy of one role")
	}
	return p.err("the request")
}

// checkIssuer says what is wrong with the URL of an OpenID Connect provider.
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

// checkTokenIssuer says what is wrong with the issuer of service-account tokens,
// which need not be one that IAM can know.
func checkTokenIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s is not the https:// URL of an issuer, as in https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE", clipQuoted(issuer))
	case len(issuer) > 255:
		return fmt.Errorf("has %d characters; at most 255 are allowed", len(issuer))
	}
	return nil
}

// checkKubernetesName says what is wrong with the name of a namespace or of a
// service account, which may also have the bytes in also.
//
// Source: Kubernetes documentation, "Object Names and IDs".
func checkKubernetesName(name string, most int, also string) error {
	allowed := func(c byte) bool { return isLower(c) || isDigit(c) || c == '-' || strings.IndexByte(also, c) >= 0 }
	if name == "" || len(name) > most || !only(name, allowed) || strings.Trim(name, "-.") != name {
		return fmt.Errorf("%q is not a Kubernetes name: lower-case letters, digits and '-', at most %d", name, most)
	}
	return nil
}

// Setup is what has to be done in AWS so that roles can be assumed, ready to
// be pasted.
type Setup struct {
	Integration     string        // its name; empty when there is none yet
	IntegrationID   IntegrationID // empty when it is not saved
	Mode            AssumptionMode
	Principal       string // what the trust policies name; of the platform in platform mode
	ExternalIDs     []string
	TrustPolicy     string // of every role that is made new; empty when it is not the same for all
	Roles           []RoleSetup
	Text            string // all of it, for a person
	AWSCLI          string // commands for all the roles
	CloudFormation  string // a template, or one for each account
	Terraform       string // HCL
	PlatformProblem string // why the platform's identity is not known, and with it the principal; empty if it is
	// Notes are what a person should know of the current trust policy, in
	// sentences: what it says against us, or leaves open. They are in the texts
	// too. None when the current policy is not known.
	Notes []string
}

// RoleSetup is the part of a Setup that is one role's.
type RoleSetup struct {
	Role        Role
	Statement   string // to add to the trust policy of a role that exists
	TrustPolicy string // of a role that is made new
	Merged      string // the current trust policy with the statement in it; empty when the current one is not known
	Diff        string // from the current one to Merged, unified; empty when nothing has to change
}

// ModeAdvice is what speaks for and against an assumption mode.
type ModeAdvice struct {
	Mode          AssumptionMode
	Title         string
	Recommended   bool
	Advantages    []string
	Disadvantages []string
}

// Modes are the assumption modes, the recommended one first.
func Modes() []ModeAdvice {
	return []ModeAdvice{{
		Mode: ModePlatform, Title: "Give the platform permission to assume the roles", Recommended: true,
		Advantages: []string{"Simpler", "Secure", "The platform can validate role details", "The platform confirms that role assumption is working"},
	}, {
		Mode: ModeCluster, Title: "Give your cluster (or an entity within it, such as a namespace) permission to assume the roles",
		Advantages: []string{"Enables AWS integration for companies that need to manage role assumption using their own cluster"},
		Disadvantages: []string{"The platform cannot validate role details itself, nor that role assumption is working: a runner in your cluster tries it, and reports",
			"Requires setting up an EKS service account connected to your cluster"},
	}}
}
