package rolebroker

import "time"

// Runner is a rolebroker process in a customer's cluster. It assumes the roles of the integrations in cluster mode that
// name it.
type Runner struct {
	ID          RunnerID
	Name        string // unique in a deployment
	Description string
	// Issuer is the issuer of the service-account tokens of its cluster, as an administrator set it. The server
	// believes the runner about service accounts of this issuer only. Empty: none. No two runners have the same.
	Issuer    string
	Version   int64 // 1 for a new runner; each change by a person adds 1
	CreatedAt time.Time
	UpdatedAt time.Time

	JoinedAt time.Time // when it first joined; zero: not yet
	SeenAt   time.Time // when its last heartbeat came; zero: never
	Replicas int       // how many of its processes were seen within a minute before SeenAt
	Report   RunnerReport
}

// RunnerReport is what a runner says of itself.
type RunnerReport struct {
	Program       string       // the version of the program
	Method        AssumeMethod // how it assumes roles, as configured or detected
	Identity      Identity     // its AWS identity; zero with MethodWebIdentity, which has none before it assumes a role
	IdentityError string       // why it has no AWS identity; empty if it has one
	Issuer        string       // of the service-account tokens that it verifies; empty: none
	Pending       int          // sessions that it has not reported yet
}

// Check returns every field that is wrong, because people see the report. Codes: invalid.
func (r RunnerReport) Check() error {
	var p problems
	for field, text := range map[string]string{
		"program": r.Program, "identity_error": r.IdentityError,
	} {
		p.check(field, checkDescription(text))
	}
	p.check("identity", r.Identity.Check())
	if r.Method != "" && r.Method != MethodWebIdentity && r.Method != MethodAssumeRole {
		p.add("method", "%s is not one of web-identity, assume-role", Quote(string(r.Method)))
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

// The methods.
const (
	MethodWebIdentity AssumeMethod = "web-identity" // AssumeRoleWithWebIdentity with the token of its service account
	MethodAssumeRole  AssumeMethod = "assume-role"  // AssumeRole from the identity that the SDK's chain finds
)

// Check returns every field that is wrong. Codes: invalid.
func (r *Runner) Check() error {
	var p problems
	p.check("name", CheckName(r.Name))
	p.check("description", checkDescription(r.Description))
	if r.Issuer != "" {
		p.check("issuer", checkTokenIssuer(r.Issuer))
	}
	return p.err("the runner")
}

// silence is how long a connected runner may be silent: three heartbeats.
const silence = 15 * time.Second

// Connected reports whether the runner sent a heartbeat recently.
func (r *Runner) Connected(now time.Time) bool {
	return !r.SeenAt.IsZero() && r.SeenAt.After(SilentSince(now))
}

// SilentSince is when runners were seen last, or before, that are not connected now.
func SilentSince(now time.Time) time.Time { return now.Add(-silence) }

// RunnerKey is the record of a runner's credential or of a join token. It does not hold the secret.
type RunnerKey struct {
	ID         RunnerKeyID
	Runner     RunnerID
	RunnerName string // its current name
	Join       bool   // it is a join token
	Hash       []byte // SHA-256
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     time.Time // when a credential was first used, which ended the runner's earlier ones; zero: not yet
}

// Usable returns nil until the key expires. Codes: expired.
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

// ServiceAccount is a Kubernetes service account.
type ServiceAccount struct {
	Issuer    string // of its tokens, as in the claim iss
	Namespace string
	Name      string
}

// Check returns every field that is wrong. Codes: invalid.
func (s ServiceAccount) Check() error {
	var p problems
	p.check("issuer", checkTokenIssuer(s.Issuer))
	p.check("namespace", checkKubernetesName(s.Namespace, 63, ""))
	p.check("service_account", checkKubernetesName(s.Name, 253, "."))
	return p.err("the service account")
}

// ServiceAccountToken is what a verified token of a Kubernetes service account says.
type ServiceAccountToken struct {
	Account ServiceAccount
	Pod     string // the name of the pod that the token is bound to; empty: none
	Expires time.Time
	Labels  Labels // of the service account; nil: they cannot be read
}

// Workload is the Kubernetes pod of an agent, as the token of its service account says. The zero value is an agent that
// showed no such token.
type Workload struct {
	Namespace      string
	ServiceAccount string
	Pod            string // empty: the token is bound to no pod
}

// Workload returns the pod that showed the token.
func (t ServiceAccountToken) Workload() Workload {
	return Workload{Namespace: t.Account.Namespace, ServiceAccount: t.Account.Name, Pod: t.Pod}
}

// Check returns every field that is wrong, because people see them and a runner sends them. Codes: invalid.
func (w Workload) Check() error {
	if w == (Workload{}) {
		return nil
	}
	var p problems
	p.check("namespace", checkKubernetesName(w.Namespace, 63, ""))
	p.check("service_account", checkKubernetesName(w.ServiceAccount, 253, "."))
	if w.Pod != "" {
		p.check("pod", checkKubernetesName(w.Pod, 253, "."))
	}
	return p.err("the pod")
}

// Account returns namespace/service account; empty for the zero value.
func (w Workload) Account() string {
	if w == (Workload{}) {
		return ""
	}
	return w.Namespace + "/" + w.ServiceAccount
}

// String returns namespace/service account, and the pod if it is known; empty for the zero value.
func (w Workload) String() string {
	if w.Pod == "" {
		return w.Account()
	}
	return w.Account() + " (pod " + w.Pod + ")"
}

// String returns the subject of its tokens.
//
// Source: Kubernetes documentation, "Authenticating", service account tokens.
func (s ServiceAccount) String() string {
	return "system:serviceaccount:" + s.Namespace + ":" + s.Name
}
