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

// Subject is what a setup is for: roles, and who is to assume them.
type Subject struct {
	Integration string // its name; empty when there is none yet
	Draft       bool   // the integration is not saved, so that no command can name it
	Mode        rolebroker.AssumptionMode
	ExternalIDs []string // those that are good: the current one, and the one it is being changed to
	Earlier     []string // external IDs of this integration that are good no longer
	Roles       []rolebroker.Role
	Request     rolebroker.SetupRequest

	Platform        rolebroker.Identity // the zero value when it is not known
	PlatformProblem string              // why it is not known

	Runner rolebroker.Identity // of the runner that assumes the roles, for ClusterAssumeRole; the zero value when it is not known

	found rolebroker.PrincipalForm // in the role's current policy; empty when it names the account, or not us
}

// New writes the setup. Codes: invalid (the request is not good, or its current
// policy is none), not_found (there is no role of that name), unavailable (ctx
// has ended).
func New(ctx context.Context, s Subject) (*rolebroker.Setup, error) {
	s = s.complete()
	if err := s.Request.Check(); err != nil {
		return nil, err
	}
	if s.Mode == rolebroker.ModeCluster && s.byIdentity() && s.Runner.ARN == "" {
		return nil, invalid("variant", "assume-role needs an integration whose runner has told its AWS identity: rolebroker runner show RUNNER")
	}
	if err := s.choose(); err != nil {
		return nil, err
	}
	var current *policy
	if s.Request.CurrentPolicy != "" {
		var err error
		if current, err = read(s.Request.CurrentPolicy); err != nil {
			return nil, err
		}
		s = s.informed(current, s.Roles[0])
	}
	b := newBook(ctx, s)
	done := &rolebroker.Setup{Integration: s.Integration, Mode: s.Mode, Principal: b.principals(), ExternalIDs: s.ExternalIDs,
		TrustPolicy: b.commonPolicy(), PlatformProblem: s.platformProblem()}
	for _, role := range until(ctx, s.Roles) {
		done.Roles = append(done.Roles, rolebroker.RoleSetup{Role: role, Statement: b.addition(role), TrustPolicy: b.newPolicy(role)})
	}
	if current != nil {
		b.merged = merge(current, s.want(s.Roles[0]))
		b.targets[0].policy = b.merged.text
		done.Notes = b.merged.notes
		done.Roles[0].Merged, done.Roles[0].Diff = b.merged.text, b.merged.diff
	}
	done.Text, done.AWSCLI, done.CloudFormation, done.Terraform = b.text(ctx), b.awsCLI(ctx), b.cloudFormation(ctx), b.terraform(ctx)
	if err := ctx.Err(); err != nil { // and what is written may not be all of it
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "writing the setup was broken off: %w", err).WithHint("ask again, for one role if there are many")
	}
	return done, nil
}

// until is what is in all, as far as ctx has not ended.
func until[T any](ctx context.Context, all []T) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, one := range all {
			if ctx.Err() != nil || !yield(i, one) {
				return
			}
		}
	}
}

// complete fills in defaults, and leaves out external IDs where there are none.
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

// byIdentity says whether the roles are assumed from an AWS identity, which
// external IDs are for: the platform's or a runner's.
func (s Subject) byIdentity() bool {
	return s.Mode != rolebroker.ModeCluster || s.Request.Cluster.Variant == rolebroker.ClusterAssumeRole
}

// choose narrows the subject to the role that was asked for.
func (s *Subject) choose() error {
	name := s.Request.Role
	if name == "" {
		return nil
	}
	asked := func(r rolebroker.Role) bool { return r.Name == name || string(r.ID) == name }
	if i := slices.IndexFunc(s.Roles, asked); i >= 0 {
		s.Roles = s.Roles[i : i+1]
		return nil
	}
	if s.draft() {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no role %q in the integration", rolebroker.ShowReference(name))
	}
	return rolebroker.Errorf(rolebroker.CodeNotFound, "integration %s has no role %q", s.Integration, rolebroker.ShowReference(name)).
		WithSteps(rolebroker.Step{Command: rolebroker.ShellCommand("rolebroker", "integration", "show", s.Integration)})
}

func invalid(path, format string, args ...any) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid",
		Fields: []rolebroker.Field{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}

// unknown says that the principal is a placeholder.
func (s Subject) unknown() bool { return s.Mode != rolebroker.ModeCluster && s.Platform.ARN == "" }

// platformProblem is why the principal is a placeholder; "" if it is not.
func (s Subject) platformProblem() string {
	if !s.unknown() {
		return ""
	}
	return cmp.Or(s.PlatformProblem, "the platform's AWS identity is not known")
}

// book is what the formats are written from.
type book struct {
	Subject
	targets  []*target
	accounts [][]*target // the same, an account at a time
	merged   *merged     // nil when no current policy is known
	trusts   map[place]*trust
}

// place is what of a role its trust policy depends on.
type place struct{ partition, account string }

// trust is a trust policy, written once for all roles that have the same.
type trust struct {
	principal         string
	statement, policy string // JSON
}

// target is an IAM role. Several roles of an integration can be the same one,
// in different regions.
type target struct {
	arn      rolebroker.RoleARN
	names    []string // what users call it
	duration time.Duration
	policy   string // the trust policy it is to have, JSON
	obstacle string // why it cannot be set up, as a sentence; empty if it can
}

// newBook has the IAM roles of the subject, those of an account together, in the
// order in which they come.
func newBook(ctx context.Context, s Subject) *book {
	b := &book{Subject: s, trusts: map[place]*trust{}}
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
func (b *book) trust(role rolebroker.Role) *trust {
	at := place{role.ARN.Partition, role.ARN.Account}
	if b.byIdentity() {
		at.account = "" // it is the same in all of them
	}
	if b.trusts[at] == nil {
		w := b.want(role)
		b.trusts[at] = &trust{principal: w.principal, statement: pretty(w.fresh()), policy: pretty(trusting(w.fresh()))}
	}
	return b.trusts[at]
}

// addition is the statement that a role's trust policy needs.
func (b *book) addition(role rolebroker.Role) string { return b.trust(role).statement }

// newPolicy is the trust policy of a role that is made new.
func (b *book) newPolicy(role rolebroker.Role) string { return b.trust(role).policy }

// principals are what the trust policies name. While there is no role it is
// known already whom those that the platform assumes will name.
func (b *book) principals() string {
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

// commonPolicy is the trust policy that all new roles have alike; empty when
// they have not.
func (b *book) commonPolicy() string {
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

// obstacle says why the role can never be assumed by who is to assume it.
func (s Subject) obstacle(role rolebroker.Role) string {
	own := s.Platform.Partition()
	switch {
	case role.ARN.NeverTrusts() == rolebroker.ValidServiceLinked:
		return "It is a service-linked role: AWS alone says who may assume it. Make a role of your own, and give its ARN."
	case role.ARN.NeverTrusts() == rolebroker.ValidIdentityCenter:
		return "It is a role of IAM Identity Center, whose trust policy cannot be changed. Make a role of your own, and give its ARN."
	case s.Mode != rolebroker.ModeCluster && own != "" && own != role.ARN.Partition:
		return fmt.Sprintf("It is in the partition %s and the platform is in %s: no role is assumed across partitions.", role.ARN.Partition, own)
	}
	return ""
}

// notes are what a person should know of the current policy, in sentences.
func (b *book) notes() []string {
	if b.merged == nil {
		return nil
	}
	return b.merged.notes
}

// exists says whether the targets are there already: then there is one.
func (b *book) exists() bool { return b.merged != nil }

// seconds is the maximum session duration that the target needs, 0 for IAM's
// own of an hour.
func (t *target) seconds() int {
	if t.duration <= time.Hour {
		return 0
	}
	return int(t.duration / time.Second)
}

// label is the target by its names, for a person.
func (t *target) label() string {
	names := t.names
	if len(names) > 5 {
		names = append(slices.Clone(names[:5]), "…")
	}
	return strings.Join(names, ", ")
}

// description is what the IAM role says of itself.
func (b *book) description(t *target) string {
	name := t.names[0]
	if b.Integration != "" {
		name = b.Integration + "/" + name
	}
	return "Lent to AI agents by rolebroker as " + name
}

// draft says that there is no integration which a command could name.
func (s Subject) draft() bool { return s.Draft || s.Integration == "" }

// integration is the integration as integration setup takes it: by its name or,
// while there is none, by the file that it will be made from.
func (b *book) integration() string {
	if b.draft() {
		return "-f FILE"
	}
	return rolebroker.ShellWord(b.Integration)
}
