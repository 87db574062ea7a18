package setup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Subject is what a setup is for: roles, and who is to assume them.
type Subject struct {
	Integration string // its name; empty when there is none yet
	Mode        rolebroker.AssumptionMode
	Platform    rolebroker.Identity // the zero value when it is not known
	ExternalIDs []string            // those that are good: the current one, and the one it is being changed to
	Earlier     []string            // external IDs of this integration that are good no longer
	Roles       []rolebroker.Role
	Request     rolebroker.SetupRequest // with its defaults
	Draft       bool                    // the integration is not saved, so that no command can name it
}

// New writes the setup. Codes: invalid (the request is not good, or its current
// policy is none), not_found (there is no role of that name).
func New(s Subject) (*rolebroker.Setup, error) {
	s = s.complete()
	if err := s.Request.Check(); err != nil {
		return nil, err
	}
	if err := s.choose(); err != nil {
		return nil, err
	}
	b := &book{Subject: s, targets: targets(s)}
	done := &rolebroker.Setup{Mode: s.Mode, Principal: s.named(), ExternalIDs: s.ExternalIDs, PlatformProblem: s.platformProblem()}
	for _, role := range s.Roles {
		done.Roles = append(done.Roles, rolebroker.RoleSetup{Role: role, Statement: s.Statement(role), TrustPolicy: s.TrustPolicy(role)})
	}
	if s.Request.CurrentPolicy != "" {
		merged, err := merge(s.Request.CurrentPolicy, s.want(s.Roles[0]))
		if err != nil {
			return nil, err
		}
		b.merged = merged
		b.targets[0].policy = merged.text
		done.Notes = merged.notes
		done.Roles[0].Merged, done.Roles[0].Diff = merged.text, merged.diff
	}
	done.Text, done.AWSCLI, done.CloudFormation, done.Terraform = b.text(), b.awsCLI(), b.cloudFormation(), b.terraform()
	return done, nil
}

// complete fills in defaults, and leaves out external IDs where there are none.
func (s Subject) complete() Subject {
	s.Mode = cmp.Or(s.Mode, rolebroker.ModePlatform)
	s.Request = s.Request.WithDefaults()
	var good []string
	for _, id := range s.ExternalIDs {
		if id != "" && s.Mode != rolebroker.ModeCluster && !slices.Contains(good, id) {
			good = append(good, id)
		}
	}
	s.ExternalIDs = good
	return s
}

// choose narrows the subject to the role that was asked for.
func (s *Subject) choose() error {
	if name := s.Request.Role; name != "" {
		asked := func(r rolebroker.Role) bool { return r.Name == name || string(r.ID) == name }
		i := slices.IndexFunc(s.Roles, asked)
		if i < 0 {
			return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no role %q in the integration", name)
		}
		s.Roles = s.Roles[i : i+1]
	}
	return nil
}

func invalid(path, format string, args ...any) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid",
		Fields: []rolebroker.Field{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}

// platformProblem is why the principal is a placeholder; "" if it is not.
func (s Subject) platformProblem() string {
	if s.Mode == rolebroker.ModeCluster || s.Platform.ARN != "" {
		return ""
	}
	return "the platform's AWS identity is not known, so " + accountPlaceholder + " stands for the ID of its account"
}

// named is what the trust policies name.
func (s Subject) named() string {
	var all []string
	for _, role := range s.Roles {
		if p := s.want(role).principal; !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return strings.Join(all, ", ")
}

// book is what the formats are written from.
type book struct {
	Subject
	targets []*target
	merged  *merged // nil when no current policy is known
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

// targets are the IAM roles of the subject, those of an account together, in
// the order in which they come.
func targets(s Subject) []*target {
	var all []*target
	var accounts []string
	for _, role := range s.Roles {
		same := func(t *target) bool { return t.arn == role.ARN }
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i].names = append(all[i].names, role.Name)
			all[i].duration = max(all[i].duration, role.Duration())
			continue
		}
		all = append(all, &target{arn: role.ARN, names: []string{role.Name}, duration: role.Duration(),
			policy: s.TrustPolicy(role), obstacle: s.obstacle(role)})
		accounts = append(accounts, role.ARN.Account)
	}
	slices.SortStableFunc(all, func(x, y *target) int {
		return slices.Index(accounts, x.arn.Account) - slices.Index(accounts, y.arn.Account)
	})
	return all
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

// byAccount are the targets that can be set up, an account at a time.
func (b *book) byAccount() (accounts [][]*target) {
	for _, t := range b.targets {
		if last := len(accounts) - 1; last >= 0 && accounts[last][0].arn.Account == t.arn.Account {
			accounts[last] = append(accounts[last], t)
			continue
		}
		accounts = append(accounts, []*target{t})
	}
	return accounts
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
func (b *book) draft() bool { return b.Draft || b.Integration == "" }

// integration is the integration as integration setup takes it: by its name or,
// while there is none, by the file that it will be made from.
func (b *book) integration() string {
	if b.draft() {
		return "-f FILE"
	}
	return Quote(b.Integration)
}
