package rolebroker

import "time"

// Runner is the part of this program that runs in a customer's cluster and
// assumes roles there, for the integrations in cluster mode that name it.
type Runner struct {
	ID          RunnerID
	Name        string // unique in a deployment
	Description string
	Issuer      string // of the service-account tokens about which it is believed: those of its cluster, as people say; empty: none. No two runners have the same
	Version     int64  // counts the changes that people made; 1 when new
	CreatedAt   time.Time
	UpdatedAt   time.Time

	JoinedAt time.Time // when it first came; zero: not yet
	SeenAt   time.Time // when it was last heard of; zero: never
	Report   RunnerReport
}

// RunnerReport is what a runner says of itself.
type RunnerReport struct {
	Program       string       // the version of the program
	Method        AssumeMethod // how it assumes roles, as configured or found out
	Identity      Identity     // who it is in AWS; zero with MethodWebIdentity, which is nobody before it assumes a role
	IdentityError string       // why it has none; empty if it has
	Issuer        string       // of the service-account tokens that it verifies; empty: none
	Pending       int          // sessions that it has not told yet
}

// Check says everything that is wrong with it: it is shown to people.
func (r RunnerReport) Check() error {
	var p problems
	for field, text := range map[string]string{"program": r.Program, "arn": r.Identity.ARN, "account": r.Identity.Account, "user_id": r.Identity.UserID, "identity_error": r.IdentityError} {
		p.check(field, checkDescription(text))
	}
	if r.Method != "" && r.Method != MethodWebIdentity && r.Method != MethodAssumeRole {
		p.add("method", "%s is not one of web-identity, assume-role", clipQuoted(string(r.Method)))
	}
	if r.Issuer != "" {
		p.check("issuer", checkTokenIssuer(r.Issuer))
	}
	if r.Pending < 0 {
		p.add("pending", "is less than none")
	}
	return p.err("the report")
}

// AssumeMethod is how a runner assumes a role.
type AssumeMethod string

const (
	MethodWebIdentity AssumeMethod = "web-identity" // AssumeRoleWithWebIdentity with the token of its service account
	MethodAssumeRole  AssumeMethod = "assume-role"  // AssumeRole from whatever identity the SDK's chain finds
)

// Check says everything that is wrong with what a person says of a runner.
func (r *Runner) Check() error {
	var p problems
	p.check("name", CheckName(r.Name))
	p.check("description", checkDescription(r.Description))
	if r.Issuer != "" {
		p.check("issuer", checkTokenIssuer(r.Issuer))
	}
	return p.err("the runner")
}

// silence is after how long a runner that was not heard of is taken to be away:
// three of its heartbeats.
const silence = 15 * time.Second

// Connected says whether the runner was heard of just now.
func (r *Runner) Connected(now time.Time) bool {
	return !r.SeenAt.IsZero() && now.Sub(r.SeenAt) < silence
}

// RunnerKey is what the server remembers of a runner's credential, or of the
// token with which it joins: never the secret.
type RunnerKey struct {
	ID         RunnerKeyID
	Runner     RunnerID
	RunnerName string // as it is now
	Join       bool   // it is good for joining, once, and for nothing else
	Hash       []byte // SHA-256
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time // of a credential: when it was first used, which ends those before it; zero: not yet
}

// Usable is nil while the key may be used.
func (k *RunnerKey) Usable(now time.Time) error {
	if !now.Before(k.ExpiresAt) {
		return Errorf(CodeExpired, "the runner's %s expired at %s", k.kind(), k.ExpiresAt.UTC().Format(time.RFC3339)).
			WithHint("have it join again: rolebroker runner join-token RUNNER")
	}
	return nil
}

func (k *RunnerKey) kind() string {
	if k.Join {
		return "join token"
	}
	return "credential"
}

// ServiceAccount is a Kubernetes service account: the issuer of its tokens, its
// namespace and its name.
type ServiceAccount struct {
	Issuer    string // as the tokens' claim iss has it
	Namespace string
	Name      string
}

// Check says everything that is wrong with it.
func (s ServiceAccount) Check() error {
	var p problems
	p.check("issuer", checkTokenIssuer(s.Issuer))
	p.check("namespace", checkKubernetesName(s.Namespace, 63, ""))
	p.check("service_account", checkKubernetesName(s.Name, 253, "."))
	return p.err("the service account")
}

// String is the subject of its tokens.
//
// Source: Kubernetes documentation, "Authenticating", service account tokens.
func (s ServiceAccount) String() string {
	return "system:serviceaccount:" + s.Namespace + ":" + s.Name
}
