package setup

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// Placeholders for values that are not known.
const (
	accountPlaceholder = "PLATFORM_ACCOUNT_ID"
	clusterPlaceholder = "CLUSTER_ID"
)

// The actions of trust policies.
const (
	assumeRole        = "sts:AssumeRole"
	assumeRoleWithWeb = "sts:AssumeRoleWithWebIdentity"
	tagSession        = "sts:TagSession"
	setSourceIdentity = "sts:SetSourceIdentity"
)

// podIdentity is the service principal of EKS Pod Identity.
const podIdentity = "pods.eks.amazonaws.com"

// audience is the audience of the service-account tokens that STS accepts.
const audience = "sts.amazonaws.com"

// desired is the statement that a trust policy has to have, and how to recognize
// statements that were written for the same purpose earlier.
type desired struct {
	kind      string // of the principal: AWS, Federated or Service
	principal string
	ours      func(name string) bool   // whether a principal of that kind is us
	called    func(name string) string // the name that the new statement has for a principal that is us
	me        string                   // our aws:PrincipalArn; empty if it is not known
	who       string                   // what people call us, as in "the platform"
	actions   []string                 // the first one assumes the role
	demands   []demand
}

// demand is a condition of the desired statement: the key has one of the values.
type demand struct {
	key    string
	values []string
	stale  []string // earlier values
	must   bool     // a statement without the condition was not written for us
	loose  bool     // a statement with a pattern that one of the values fits was written for us
	like   bool     // the values are patterns
}

// operator is the condition operator of the demand.
func (d demand) operator() string {
	if d.like {
		return "StringLike"
	}
	return "StringEquals"
}

// Statement is the statement that the role's trust policy needs, as JSON.
func (s Subject) Statement(role rolebroker.Role) string {
	return pretty(s.complete().desired(role).fresh())
}

// TrustPolicy is a trust policy with only that statement, as JSON.
func (s Subject) TrustPolicy(role rolebroker.Role) string {
	return pretty(trusting(s.complete().desired(role).fresh()))
}

// trusting is a trust policy of one statement.
func trusting(statement object) object {
	return object{{"Version", "2012-10-17"}, {"Statement", []any{statement}}}
}

// AllowPlatform is the statement that a policy of the platform's own identity needs to
// assume the role, as JSON.
func AllowPlatform(role rolebroker.RoleARN) string {
	return pretty(object{{"Effect", "Allow"}, {"Action", texts([]string{assumeRole, tagSession, setSourceIdentity})},
		{"Resource", resourceOf(role)}})
}

// resourceOf is a role as the resource of a policy. There, unlike in a principal, ${…} is a policy variable, and ${$} is
// the dollar sign itself.
func resourceOf(role rolebroker.RoleARN) string {
	return strings.ReplaceAll(role.String(), "${", "${$}{")
}

// desired is the statement for a role. The subject has its defaults.
func (s Subject) desired(role rolebroker.Role) desired {
	switch {
	case s.Mode != rolebroker.ModeCluster:
		return s.byPlatform(role)
	case s.Request.Cluster.Variant == rolebroker.ClusterPodIdentity:
		return s.byPodIdentity(role)
	case s.Request.Cluster.Variant == rolebroker.ClusterAssumeRole:
		return s.byRunner(role)
	}
	return s.byIRSA(role)
}

// byPlatform is the statement that trusts the platform. It allows session tags and
// source identity in advance, so that an integration can switch them on later.
func (s Subject) byPlatform(role rolebroker.Role) desired {
	me, _ := s.Platform.Principal()
	principal := s.platformPrincipal(role)
	return desired{
		kind: "AWS", principal: principal, ours: s.isPlatform, me: me, who: "the platform",
		called:  func(name string) string { return s.called(name, principal) },
		actions: []string{assumeRole, tagSession, setSourceIdentity},
		demands: []demand{{key: "sts:ExternalId", values: s.ExternalIDs, stale: s.Earlier, loose: true}},
	}
}

// byRunner is the statement that trusts the AWS identity of a runner. It names the
// identity itself unless the request asks for its account.
func (s Subject) byRunner(role rolebroker.Role) desired {
	s.Platform = s.Runner
	s.Request.Principal = cmp.Or(s.Request.Principal, rolebroker.PrincipalExact)
	w := s.byPlatform(role)
	w.who = "the runner"
	return w
}

func (s Subject) platformPrincipal(role rolebroker.Role) string {
	switch exact, _ := s.Platform.Principal(); {
	case s.Platform.ARN == "":
		return "arn:" + cmp.Or(role.ARN.Partition, "aws") + ":iam::" + accountPlaceholder + ":root"
	case s.form() == rolebroker.PrincipalExact:
		return exact
	}
	return s.Platform.AccountPrincipal()
}

// form is how a new statement names the platform: as requested, else as the role's
// current policy does.
func (s Subject) form() rolebroker.PrincipalForm {
	return cmp.Or(s.Request.Principal, s.currentForm, rolebroker.PrincipalAccount)
}

// called is the new name for one of the platform's principals: as requested, else one
// that lets in no more than the current one.
func (s Subject) called(name, principal string) string {
	exact, _ := s.Platform.Principal()
	switch {
	case s.Request.Principal != "" || exact == "":
		return principal
	case breadth(name) == aRole:
		return exact
	case breadth(name) == anAccount:
		return s.Platform.AccountPrincipal()
	}
	return name
}

// withCurrent is the subject with what a role's current policy tells about the
// platform: the path of its role, since IAM stores only principals that exist, and how
// our statements, or else those of others, name it.
func (s Subject) withCurrent(p *policy, role rolebroker.Role) Subject {
	if s.Mode == rolebroker.ModeCluster || s.Platform.ARN == "" {
		return s
	}
	allowing := func(st *statement) bool { return !st.deny && !st.notPrincipal }
	mine := func(*statement) func(string) bool { return s.isPlatform }
	for _, name := range p.names(allowing, mine) {
		if breadth(name) == aRole && s.Platform.IsRoleSession() {
			s.Platform.RoleARN = cmp.Or(s.Platform.RoleARN, name)
		}
	}
	w := s.desired(role)
	names := p.names(func(st *statement) bool { return w.of(st).recognizes(st) },
		func(st *statement) func(string) bool { return w.of(st).ours })
	if len(names) == 0 {
		names = p.names(allowing, mine)
	}
	account := func(name string) bool { return breadth(name) == anAccount }
	if len(names) > 0 && !slices.ContainsFunc(names, account) {
		s.currentForm = rolebroker.PrincipalExact
	}
	return s
}

// How much a principal of a trust policy lets in, from the least.
const (
	aSession = iota
	aRole    // or a user
	anAccount
)

func breadth(principal string) int {
	parts := strings.SplitN(principal, ":", 6) // arn:aws:iam::111122223333:role/name
	switch {
	case deleted(principal):
		return aRole
	case len(parts) < 6 || parts[5] == "root":
		return anAccount
	case parts[2] == "sts":
		return aSession
	}
	return aRole
}

func itself(name string) string { return name }

// isPlatform reports whether a principal of a trust policy names the platform. The path
// of the platform's role, which may not be known, does not matter: the name of a role is
// unique in its account.
func (s Subject) isPlatform(principal string) bool {
	id := s.Platform
	if id.ARN == "" {
		return strings.Contains(principal, accountPlaceholder)
	}
	exact, _ := id.Principal()
	if slices.Contains([]string{id.AccountPrincipal(), id.Account, id.ARN, exact}, principal) {
		return true
	}
	named, err := rolebroker.ParseRoleARN(principal)
	own, ownErr := rolebroker.ParseRoleARN(exact)
	return err == nil && ownErr == nil && named.Partition == own.Partition && named.Account == own.Account &&
		named.Name == own.Name
}

// byIRSA is the statement that trusts a service account by the cluster's issuer. Session
// tags and source identity would come from the token, and EKS puts none into it.
//
// Source: EKS User Guide, "Assign IAM roles to Kubernetes service accounts".
func (s Subject) byIRSA(role rolebroker.Role) desired {
	c := s.Request.Cluster
	issuer := s.issuer(role.ARN.Partition)
	provider := "arn:" + role.ARN.Partition + ":iam::" + role.ARN.Account + ":oidc-provider/" + issuer
	return desired{
		kind: "Federated", principal: provider, ours: func(name string) bool { return name == provider },
		called: itself, who: clusterWho(c),
		actions: []string{assumeRoleWithWeb},
		demands: []demand{
			{key: issuer + ":sub", values: []string{"system:serviceaccount:" + c.Namespace + ":" + c.ServiceAccount},
				must: true, like: c.ServiceAccount == rolebroker.AnyAccount},
			{key: issuer + ":aud", values: []string{audience}},
		},
	}
}

// issuer is the cluster's issuer as IAM writes it: without the scheme.
func (s Subject) issuer(partition string) string {
	if s.Request.Cluster.Issuer != "" {
		return strings.TrimPrefix(s.Request.Cluster.Issuer, "https://")
	}
	suffix := "amazonaws.com"
	if partition == "aws-cn" {
		suffix = "amazonaws.com.cn"
	}
	return "oidc.eks.REGION." + suffix + "/id/" + clusterPlaceholder
}

// byPodIdentity is the statement that trusts a service account by the session tags that
// EKS sets for its pods.
//
// Source: EKS User Guide, "Create IAM role with trust policy required by EKS
// Pod Identity".
func (s Subject) byPodIdentity(role rolebroker.Role) desired {
	c := s.Request.Cluster
	w := desired{
		kind: "Service", principal: podIdentity, ours: func(name string) bool { return name == podIdentity },
		called: itself, who: clusterWho(c),
		actions: []string{assumeRole, tagSession},
		demands: []demand{
			{key: "aws:SourceAccount", values: []string{role.ARN.Account}},
			{key: "aws:RequestTag/kubernetes-namespace", values: []string{c.Namespace}, must: true},
			{key: "aws:RequestTag/kubernetes-service-account", values: []string{c.ServiceAccount}, must: true},
		},
	}
	if c.ServiceAccount == rolebroker.AnyAccount {
		w.demands[2].values, w.demands[2].must = nil, false
	}
	return w
}

// clusterWho names who assumes the roles in a cluster, as people call it.
func clusterWho(c rolebroker.ClusterIdentity) string {
	switch {
	case c.Namespace == rolebroker.AnyAccount:
		return "every service account of the cluster"
	case c.ServiceAccount == rolebroker.AnyAccount:
		return "every service account of the namespace " + c.Namespace
	}
	return "the service account"
}

// openness is what a person should know before roles trust more than one service account; empty if they do not.
func (s Subject) openness() string {
	c := s.Request.Cluster
	if s.Mode != rolebroker.ModeCluster || c.ServiceAccount != rolebroker.AnyAccount ||
		c.Variant == rolebroker.ClusterAssumeRole {
		return ""
	}
	return "The trust policies let in " + clusterWho(c) + ", also those that are made later: its pods can assume the " +
		"roles from AWS by themselves, without rolebroker and its records."
}

// placeholders are those that the texts contain.
func (s Subject) placeholders() []string {
	switch {
	case s.Mode != rolebroker.ModeCluster && s.Platform.ARN == "":
		return []string{accountPlaceholder}
	case s.needsIssuer():
		return []string{"REGION", clusterPlaceholder}
	}
	return nil
}

// needsIssuer reports whether the cluster's issuer is needed and not known.
func (s Subject) needsIssuer() bool {
	return s.Mode == rolebroker.ModeCluster && s.Request.Cluster.Variant == rolebroker.ClusterIRSA &&
		s.Request.Cluster.Issuer == ""
}

// fresh is the statement for a policy that has none of ours.
func (w desired) fresh() object { return w.statement(grant{principal: w.principal}) }

// statement is the statement with the actions and conditions of a grant.
func (w desired) statement(g grant) object {
	st := object{{"Effect", "Allow"}, {"Principal", object{{w.kind, g.principal}}},
		{"Action", texts(w.with(g.actions))}}
	if when := w.conditions(g.others); len(when) > 0 {
		st = append(st, member{"Condition", when})
	}
	return st
}

// with is our actions and more, without duplicates.
func (w desired) with(more []string) []string {
	among := func(action string) bool { return covered(action, more) }
	return append(slices.DeleteFunc(slices.Clone(w.actions), among), more...)
}

// conditions are our demands, then those of others, by operator.
func (w desired) conditions(others []condition) object {
	var operators []string
	byOperator := map[string]object{}
	put := func(operator, key string, value any) {
		if byOperator[operator] == nil {
			operators = append(operators, operator)
		}
		byOperator[operator] = append(byOperator[operator], member{key, value})
	}
	for _, d := range w.demands {
		if len(d.values) > 0 {
			put(d.operator(), d.key, texts(d.values))
		}
	}
	for _, c := range others {
		put(c.operator, c.key, c.raw)
	}
	var when object
	for _, operator := range operators {
		when = append(when, member{operator, byOperator[operator]})
	}
	return when
}
