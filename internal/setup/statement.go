package setup

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// What stands where something is not known.
const (
	accountPlaceholder = "PLATFORM_ACCOUNT_ID"
	clusterPlaceholder = "CLUSTER_ID"
)

// The actions that trust policies speak of.
const (
	assumeRole        = "sts:AssumeRole"
	assumeRoleWithWeb = "sts:AssumeRoleWithWebIdentity"
	tagSession        = "sts:TagSession"
	setSourceIdentity = "sts:SetSourceIdentity"
)

// podIdentity is the service that assumes roles for pods.
const podIdentity = "pods.eks.amazonaws.com"

// audience is whom the tokens of service accounts are meant for.
const audience = "sts.amazonaws.com"

// want is the statement that a trust policy is to have, and how to recognize
// those that were written for the same purpose earlier.
type want struct {
	kind      string // of the principal: AWS, Federated or Service
	principal string
	ours      func(name string) bool   // whether a principal of that kind is who we are
	called    func(name string) string // what a principal that is ours is to be called
	me        string                   // aws:PrincipalArn of who assumes; empty when it is not known
	who       string                   // in words, as in "the platform"
	actions   []string                 // the first is the one that counts
	demands   []demand
}

// demand is a condition that a request has to meet: the key has one of the
// values.
type demand struct {
	key    string
	values []string
	stale  []string // values that were good earlier
	must   bool     // a statement without the condition was not written for us
	loose  bool     // a pattern that one of the values fits was written for us
}

// Statement is the statement that a role's trust policy needs, as JSON.
func (s Subject) Statement(role rolebroker.Role) string {
	return pretty(s.complete().want(role).fresh())
}

// TrustPolicy is a whole trust policy with that statement alone.
func (s Subject) TrustPolicy(role rolebroker.Role) string {
	return pretty(trusting(s.complete().want(role).fresh()))
}

// trusting is a trust policy of one statement.
func trusting(statement object) object {
	return object{{"Version", "2012-10-17"}, {"Statement", []any{statement}}}
}

// AllowPlatform is the statement that the platform's own policy needs in order
// to assume a role, as JSON.
func AllowPlatform(role rolebroker.RoleARN) string {
	// In a resource, unlike in a principal, ${…} is a policy variable; ${$} is
	// the dollar sign itself.
	resource := strings.ReplaceAll(role.String(), "${", "${$}{")
	return pretty(object{{"Effect", "Allow"}, {"Action", texts([]string{assumeRole, tagSession, setSourceIdentity})}, {"Resource", resource}})
}

// want is the statement for a role of the subject, which is complete.
func (s Subject) want(role rolebroker.Role) want {
	switch {
	case s.Mode != rolebroker.ModeCluster:
		return s.wantPlatform(role)
	case s.Request.Cluster.Variant == rolebroker.ClusterPodIdentity:
		return s.wantPodIdentity(role)
	case s.Request.Cluster.Variant == rolebroker.ClusterAssumeRole:
		return s.wantRunner(role)
	}
	return s.wantIRSA(role)
}

// wantPlatform trusts the platform. Session tags and source identity are
// allowed in advance, so that switching them on breaks nothing.
func (s Subject) wantPlatform(role rolebroker.Role) want {
	me, _ := s.Platform.Principal()
	principal := s.platformPrincipal(role)
	return want{
		kind: "AWS", principal: principal, ours: s.isPlatform, me: me, who: "the platform",
		called:  func(name string) string { return s.called(name, principal) },
		actions: []string{assumeRole, tagSession, setSourceIdentity},
		demands: []demand{{key: "sts:ExternalId", values: s.ExternalIDs, stale: s.Earlier, loose: true}},
	}
}

// wantRunner trusts a runner's AWS identity as the platform's is trusted, but
// by itself and not by its account, unless that was asked for.
func (s Subject) wantRunner(role rolebroker.Role) want {
	s.Platform = s.Runner
	s.Request.Principal = cmp.Or(s.Request.Principal, rolebroker.PrincipalExact)
	w := s.wantPlatform(role)
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

// form is how what is new names the platform: as was asked for, or else as the
// role's current policy does.
func (s Subject) form() rolebroker.PrincipalForm {
	return cmp.Or(s.Request.Principal, s.found, rolebroker.PrincipalAccount)
}

// called is what one of the platform's principals is to be called: as was asked
// for, or else no more than it lets in now.
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

// informed is the subject with what a role's current policy tells of the
// platform: by what path it is there, since IAM keeps no principal that is not,
// and how our statements name it, or else those that others have for it.
func (s Subject) informed(p *policy, role rolebroker.Role) Subject {
	if s.Mode == rolebroker.ModeCluster || s.Platform.ARN == "" {
		return s
	}
	allowing := func(st *statement) bool { return !st.deny && !st.notPrincipal }
	for _, name := range p.names(allowing, s.isPlatform) {
		if breadth(name) == aRole && s.Platform.IsRoleSession() {
			s.Platform.RoleARN = cmp.Or(s.Platform.RoleARN, name)
		}
	}
	names := p.names(s.want(role).recognizes, s.isPlatform)
	if len(names) == 0 {
		names = p.names(allowing, s.isPlatform)
	}
	account := func(name string) bool { return breadth(name) == anAccount }
	if len(names) > 0 && !slices.ContainsFunc(names, account) {
		s.found = rolebroker.PrincipalExact
	}
	return s
}

// How much a principal of a trust policy lets in, the least first.
const (
	aSession = iota
	aRole    // or a user
	anAccount
)

func breadth(principal string) int {
	parts := strings.SplitN(principal, ":", 6) // arn:aws:iam::111122223333:role/name
	switch {
	case len(parts) < 6 || parts[5] == "root":
		return anAccount
	case parts[2] == "sts":
		return aSession
	}
	return aRole
}

func itself(name string) string { return name }

// isPlatform says whether a trust policy's principal names the platform. A
// role's name is unique in its account whatever its path, which may not be
// known to us.
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
	return err == nil && ownErr == nil && named.Partition == own.Partition && named.Account == own.Account && named.Name == own.Name
}

// wantIRSA trusts a service account by the cluster's issuer. Tags and source
// identity would have to be in the token, where EKS puts none, so that the
// one action is all there is to allow.
//
// Source: EKS User Guide, "Assign IAM roles to Kubernetes service accounts".
func (s Subject) wantIRSA(role rolebroker.Role) want {
	c := s.Request.Cluster
	issuer := s.issuer(role.ARN.Partition)
	provider := "arn:" + role.ARN.Partition + ":iam::" + role.ARN.Account + ":oidc-provider/" + issuer
	return want{
		kind: "Federated", principal: provider, ours: func(name string) bool { return name == provider }, called: itself, who: "the service account",
		actions: []string{assumeRoleWithWeb},
		demands: []demand{
			{key: issuer + ":sub", values: []string{"system:serviceaccount:" + c.Namespace + ":" + c.ServiceAccount}, must: true},
			{key: issuer + ":aud", values: []string{audience}},
		},
	}
}

// issuer is the cluster's issuer as IAM writes it, without its scheme.
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

// wantPodIdentity trusts a service account by the tags that EKS gives to the
// sessions of its pods.
//
// Source: EKS User Guide, "Create IAM role with trust policy required by EKS
// Pod Identity".
func (s Subject) wantPodIdentity(role rolebroker.Role) want {
	c := s.Request.Cluster
	return want{
		kind: "Service", principal: podIdentity, ours: func(name string) bool { return name == podIdentity }, called: itself, who: "the service account",
		actions: []string{assumeRole, tagSession},
		demands: []demand{
			{key: "aws:SourceAccount", values: []string{role.ARN.Account}},
			{key: "aws:RequestTag/kubernetes-namespace", values: []string{c.Namespace}, must: true},
			{key: "aws:RequestTag/kubernetes-service-account", values: []string{c.ServiceAccount}, must: true},
		},
	}
}

// placeholders are what has still to be filled in by hand.
func (s Subject) placeholders() []string {
	switch {
	case s.Mode != rolebroker.ModeCluster && s.Platform.ARN == "":
		return []string{accountPlaceholder}
	case s.needsIssuer():
		return []string{"REGION", clusterPlaceholder}
	}
	return nil
}

// needsIssuer says that the cluster's issuer has to be known and is not.
func (s Subject) needsIssuer() bool {
	return s.Mode == rolebroker.ModeCluster && s.Request.Cluster.Variant == rolebroker.ClusterIRSA && s.Request.Cluster.Issuer == ""
}

// fresh is the statement where there was none.
func (w want) fresh() object { return w.statement(grant{principal: w.principal}) }

// statement is the statement, with what others gave it besides our own.
func (w want) statement(g grant) object {
	st := object{{"Effect", "Allow"}, {"Principal", object{{w.kind, g.principal}}}, {"Action", texts(w.with(g.actions))}}
	if when := w.conditions(g.others); len(when) > 0 {
		st = append(st, member{"Condition", when})
	}
	return st
}

// with are our actions and more, each of them once.
func (w want) with(more []string) []string {
	among := func(action string) bool { return covered(action, more) }
	return append(slices.DeleteFunc(slices.Clone(w.actions), among), more...)
}

// conditions are ours under StringEquals, then those of others, an operator
// at a time.
func (w want) conditions(others []condition) object {
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
			put("StringEquals", d.key, texts(d.values))
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
