package setup

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Subject is what a setup is written from: roles, and who assumes them.
type Subject struct {
	Integration string // its name; empty if it has none yet
	Draft       bool   // the integration is not saved: no command can name it
	Mode        rolebroker.AssumptionMode
	ExternalIDs []string // the current one, and the one it is being changed to, if any
	Earlier     []string // earlier external IDs of this integration
	Roles       []rolebroker.Role
	Request     rolebroker.SetupRequest
	Tags        bool // the integration asks for session tags
	Source      bool // the integration asks for a source identity, or will if all of its roles allow one

	Platform        rolebroker.Identity // the zero value if it is not known
	PlatformProblem string              // why it is not known

	Template rolebroker.TemplateURL // of GenericTemplate in S3; the zero value if it is not there

	Runner rolebroker.Identity // the runner's, for ClusterAssumeRole; the zero value if it is not known

	currentForm rolebroker.PrincipalForm // in the role's current policy; empty if that names the account, or not us
}

// New writes the setup. Codes: invalid (the request, or its current policy),
// not_found (no role of that name), unavailable (ctx ended).
func New(ctx context.Context, s Subject) (*rolebroker.Setup, error) {
	s = s.complete()
	if err := s.Request.Check(); err != nil {
		return nil, err
	}
	if s.Mode == rolebroker.ModeCluster && s.byIdentity() && s.Runner.ARN == "" {
		return nil, invalid("variant", "assume-role needs an integration whose runner has told its AWS identity: "+
			"rolebroker runner show RUNNER")
	}
	if err := s.checkCutOff(); err != nil {
		return nil, err
	}
	if err := s.choose(); err != nil {
		return nil, err
	}
	var current given
	if s.Request.CurrentPolicy != "" {
		var err error
		if current, err = read(s.Request.CurrentPolicy); err != nil {
			return nil, rolebroker.AsError(err).WithSteps(printPolicy(s.Roles[0].ARN))
		}
		s = s.withCurrent(current.policy, s.Roles[0])
	}
	b := newBlueprint(ctx, s)
	for _, c := range b.cutOffs() {
		if size(c.policy) > maxInlinePolicy {
			return nil, invalid("cut_off", "cannot be had: the policy for the roles in account %s has %d characters, and IAM "+
				"takes %d", c.account, size(c.policy), maxInlinePolicy)
		}
	}
	done := &rolebroker.Setup{
		Integration: s.Integration, Mode: s.Mode, Principal: b.principals(), ExternalIDs: s.ExternalIDs,
		TrustPolicy: b.commonPolicy(), PlatformProblem: s.platformProblem(),
	}
	for _, role := range until(ctx, s.Roles) {
		done.Roles = append(done.Roles, rolebroker.RoleSetup{Role: role, Statement: b.addition(role),
			TrustPolicy: b.newPolicy(role), Console: b.console(role), Obstacle: b.obstacle(role)})
	}
	if current.policy != nil {
		var err error
		if b.merged, err = merge(current.policy, s.desired(s.Roles[0])); err != nil {
			return nil, err
		}
		b.merged.notes = append(current.notes(s.Roles[0].ARN), b.merged.notes...)
		b.targets[0].policy = b.merged.text
		done.Notes = b.merged.notes
		done.Roles[0].Merged, done.Roles[0].Diff = b.merged.text, b.merged.diff
		done.Roles[0].Changes = b.merged.changes
	}
	if open := s.openness(); open != "" {
		done.Notes = append(done.Notes, open)
	}
	done.Text, done.AWSCLI = b.text(ctx), b.awsCLI(ctx)
	done.Stacks, done.Terraform = b.stacks(ctx), b.terraform(ctx)
	done.CloudFormation = b.cloudFormation(done.Stacks)
	done.StackSets, done.CreateRole = b.stackSets(ctx), b.createRole()
	done.CutOff = b.cutOffCLI(ctx)
	if err := ctx.Err(); err != nil { // the texts may be incomplete
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "writing the setup was broken off: %w", err).
			WithHint("ask again, for one role if there are many")
	}
	return done, nil
}

// until iterates over all, and stops when ctx ends.
func until[T any](ctx context.Context, all []T) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, one := range all {
			if ctx.Err() != nil || !yield(i, one) {
				return
			}
		}
	}
}

// complete fills in defaults, and drops external IDs if nothing checks them.
func (s Subject) complete() Subject {
	s.Mode = cmp.Or(s.Mode, rolebroker.ModePlatform)
	s.Request = s.Request.WithDefaults()
	var good []string
	for _, id := range s.ExternalIDs {
		if id != "" && s.byIdentity() && !slices.Contains(good, id) {
			good = append(good, id)
		}
	}
	s.ExternalIDs = good
	return s
}

// byIdentity reports whether the roles are assumed from an AWS identity, the platform's
// or a runner's. Only then external IDs are checked.
func (s Subject) byIdentity() bool {
	return s.Mode != rolebroker.ModeCluster || s.Request.Cluster.Variant == rolebroker.ClusterAssumeRole
}

// choose narrows the subject to the requested account and role.
func (s *Subject) choose() error {
	if err := s.chooseAccount(); err != nil {
		return err
	}
	name := s.Request.Role
	if name == "" {
		return nil
	}
	requested := func(r rolebroker.Role) bool { return r.Name == name || string(r.ID) == name }
	if i := slices.IndexFunc(s.Roles, requested); i >= 0 {
		s.Roles = s.Roles[i : i+1]
		return nil
	}
	if s.draft() {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no role %q in the integration",
			rolebroker.ShowReference(name))
	}
	return rolebroker.Errorf(rolebroker.CodeNotFound, "integration %s has no role %q", s.Integration,
		rolebroker.ShowReference(name)).
		WithSteps(rolebroker.Step{Command: rolebroker.ShellCommand("rolebroker", "integration", "show", s.Integration)})
}

// chooseAccount narrows the subject to the roles of the requested account.
func (s *Subject) chooseAccount() error {
	if s.Request.Account == "" {
		return nil
	}
	elsewhere := func(r rolebroker.Role) bool { return r.ARN.Account != s.Request.Account }
	s.Roles = slices.DeleteFunc(slices.Clone(s.Roles), elsewhere)
	if len(s.Roles) > 0 {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeNotFound, "the integration has no role in account %s", s.Request.Account)
}

func invalid(path, format string, args ...any) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid",
		Fields: []rolebroker.Field{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}

// unknown reports whether the principal is a placeholder.
func (s Subject) unknown() bool { return s.Mode != rolebroker.ModeCluster && s.Platform.ARN == "" }

// platformProblem is why the principal is a placeholder; empty if it is not.
func (s Subject) platformProblem() string {
	if !s.unknown() {
		return ""
	}
	return cmp.Or(s.PlatformProblem, "the platform's AWS identity is not known")
}

// blueprint is what every format is written from.
type blueprint struct {
	Subject
	targets  []*target
	accounts [][]*target // the targets by account
	merged   *merged     // nil if no current policy is known
	trusts   map[place]*trust
}

// place is the part of a role's ARN on which its trust policy depends.
type place struct{ partition, account string }

// trust is a trust policy, written once for all roles that have the same one.
type trust struct {
	principal         string
	statement, policy string // JSON
}

// target is an IAM role. Several roles of an integration can be the same IAM role, in
// different regions.
type target struct {
	arn      rolebroker.RoleARN
	names    []string // what users call it
	duration time.Duration
	policy   string // its new trust policy, JSON
	obstacle string // why it cannot be set up, in sentences; empty if it can
}

// newBlueprint collects the IAM roles of the subject by account, in their order.
func newBlueprint(ctx context.Context, s Subject) *blueprint {
	b := &blueprint{Subject: s, trusts: map[place]*trust{}}
	known, accounts := map[rolebroker.RoleARN]*target{}, map[string]int{}
	for _, role := range until(ctx, s.Roles) {
		if t := known[role.ARN]; t != nil {
			t.names = append(t.names, role.Name)
			t.duration = max(t.duration, role.Duration())
			continue
		}
		trust := b.trust(role)
		t := &target{arn: role.ARN, names: []string{role.Name}, duration: role.Duration(),
			policy: trust.policy, obstacle: s.obstacle(role)}
		known[role.ARN] = t
		i, found := accounts[role.ARN.Account]
		if !found {
			i = len(b.accounts)
			accounts[role.ARN.Account] = i
			b.accounts = append(b.accounts, nil)
		}
		b.accounts[i] = append(b.accounts[i], t)
	}
	b.targets = slices.Concat(b.accounts...)
	return b
}

// trust is the trust policy of a new role.
func (b *blueprint) trust(role rolebroker.Role) *trust {
	at := place{role.ARN.Partition, role.ARN.Account}
	if b.byIdentity() {
		at.account = "" // the policy is the same in all accounts
	}
	if b.trusts[at] == nil {
		w := b.desired(role)
		b.trusts[at] = &trust{principal: w.principal, statement: pretty(w.fresh()), policy: pretty(trusting(w.fresh()))}
	}
	return b.trusts[at]
}

// addition is the statement to add to the trust policy of a role that exists.
func (b *blueprint) addition(role rolebroker.Role) string { return b.trust(role).statement }

// newPolicy is the trust policy of a new role.
func (b *blueprint) newPolicy(role rolebroker.Role) string { return b.trust(role).policy }

// principals are the principals of the trust policies. Without roles it is the one
// that they will have, where that does not depend on the role.
func (b *blueprint) principals() string {
	if len(b.Roles) == 0 && b.byIdentity() {
		return b.trust(rolebroker.Role{}).principal
	}
	var all []string
	seen := map[string]bool{}
	for _, role := range b.Roles {
		if p := b.trust(role).principal; !seen[p] {
			seen[p] = true
			all = append(all, p)
		}
	}
	return strings.Join(all, ", ")
}

// commonPolicy is the trust policy of new roles if it is the same for all of them;
// else it is empty.
func (b *blueprint) commonPolicy() string {
	if len(b.Roles) == 0 && b.byIdentity() {
		return b.trust(rolebroker.Role{}).policy
	}
	common := ""
	for _, role := range b.Roles {
		policy := b.trust(role).policy
		if common != "" && policy != common {
			return ""
		}
		common = policy
	}
	return common
}

// obstacle is why the role can never be assumed, in sentences; empty if it can.
func (s Subject) obstacle(role rolebroker.Role) string {
	own := s.Platform.Partition()
	switch {
	case role.ARN.NeverTrusts() == rolebroker.ValidServiceLinked:
		return "It is a service-linked role: AWS alone says who may assume it. Make a role of your " +
			"own, and give its ARN."
	case role.ARN.NeverTrusts() == rolebroker.ValidIdentityCenter:
		return "It is a role of IAM Identity Center, whose trust policy cannot be changed. Make a role of your " +
			"own, and give its ARN."
	case s.Mode != rolebroker.ModeCluster && own != "" && own != role.ARN.Partition:
		return fmt.Sprintf("It is in the partition %s and the platform is in %s: no role is assumed across partitions.",
			role.ARN.Partition, own)
	}
	return ""
}

// notes are what a person should know about the current policy, in sentences.
func (b *blueprint) notes() []string {
	if b.merged == nil {
		return nil
	}
	return b.merged.notes
}

// exists reports whether the one target exists already, with a policy that is known.
func (b *blueprint) exists() bool { return b.merged != nil }

// seconds is the maximum session duration that the target needs; 0 for IAM's default
// of an hour.
func (t *target) seconds() int {
	if t.duration <= time.Hour {
		return 0
	}
	return int(t.duration / time.Second)
}

// label is the target's names, for a person.
func (t *target) label() string {
	names := t.names
	if len(names) > 5 {
		names = append(slices.Clone(names[:5]), "…")
	}
	return strings.Join(names, ", ")
}

// description is the description of the IAM role.
func (b *blueprint) description(t *target) string {
	name := t.names[0]
	if b.Integration != "" {
		name = b.Integration + "/" + name
	}
	return "Lent to AI agents by rolebroker as " + name
}

// draft reports whether there is no integration that a command could name.
func (s Subject) draft() bool { return s.Draft || s.Integration == "" }

// integration is the argument of integration setup: the integration's name or, while
// it is a draft, the file that it will be made from.
func (b *blueprint) integration() string {
	if b.draft() {
		return "-f FILE"
	}
	return rolebroker.ShellWord(b.Integration)
}
