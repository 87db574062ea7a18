package rolebroker

import (
	"strconv"
	"strings"
	"time"
)

// AssumptionMode says who calls STS for the roles of an integration.
type AssumptionMode string

// The assumption modes.
const (
	ModePlatform AssumptionMode = "platform" // this deployment; recommended
	ModeCluster  AssumptionMode = "cluster"  // a runner in the customer's cluster
)

// Integration is a named group of AWS roles that is granted to agents as one.
type Integration struct {
	ID             IntegrationID
	Name           string // unique in a deployment
	Description    string
	Enabled        bool // the roles of a disabled integration are lent to nobody; they can still be validated
	EnabledOpen    bool // an update leaves Enabled as it is; never stored
	AssumptionMode AssumptionMode
	// Runner assumes the roles in cluster mode; empty if no runner is chosen yet. RunnerName is its current name.
	Runner     RunnerID
	RunnerName string
	// ExternalID is sent with every AssumeRole. The server makes it; it cannot be guessed. It is not a secret.
	//
	// Source: IAM User Guide, "Access to AWS accounts owned by third parties".
	ExternalID string
	// NextExternalID replaces ExternalID when the rotation is finished; empty if there is no rotation. During the
	// rotation a trust policy may require either.
	NextExternalID string
	// SessionTags and SourceIdentity name the borrower in every AssumeRole. The trust policies must then allow
	// sts:TagSession and sts:SetSourceIdentity.
	SessionTags    bool
	SourceIdentity bool
	// SourceIdentityOpen leaves SourceIdentity to the server, and is never stored. In a new integration it is on,
	// unless validation finds a role that works only without it. In an update it stays as it is.
	SourceIdentityOpen bool

	DefaultRole string // the name of the role that an agent gets when it names none
	Roles       []Role // in the order that a person gave them
	Version     int64  // 1 for a new integration; each change adds 1
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Role finds a role by name or by ID; nil if there is none.
func (in *Integration) Role(nameOrID string) *Role {
	for i := range in.Roles {
		if r := &in.Roles[i]; r.Name == nameOrID || string(r.ID) == nameOrID {
			return r
		}
	}
	return nil
}

// Check returns every field that is wrong: names, ARNs and regions, two roles with the same name, and a default role
// that does not exist. The default role may be disabled: an agent that names no role then gets none. Codes: invalid.
func (in *Integration) Check() error {
	var p problems
	p.check("name", CheckName(in.Name))
	p.check("description", checkDescription(in.Description))
	if in.AssumptionMode != ModePlatform && in.AssumptionMode != ModeCluster {
		p.add("assumption_mode", "%q is not one of platform, cluster", string(in.AssumptionMode))
	}
	if in.Runner != "" && in.AssumptionMode != ModeCluster {
		p.add("runner", "is for the assumption mode cluster only")
	}
	seen := map[string]int{}
	for i, role := range in.Roles {
		path := rolePath(i)
		role.check(path, &p)
		if first, ok := seen[role.Name]; ok && role.Name != "" {
			p.breaks(RuleRoleNameUnique, path+".name",
				"%q is the name of %s already; names are unique in an integration", role.Name, rolePath(first))
			continue
		}
		seen[role.Name] = i
	}
	in.checkDefault(&p)
	return p.err("the integration")
}

func (in *Integration) checkDefault(p *problems) {
	switch {
	case len(in.Roles) == 0:
		p.add("roles", "at least one role is required; the default role is one of them")
	case in.DefaultRole == "":
		p.breaks(RuleDefaultChosen, "default_role",
			"is required: the name of the role to use when none is named, one of %s", in.DefaultChoices())
	case in.Role(in.DefaultRole) == nil:
		p.add("default_role", "%q is not a role of this integration; choose one of %s", in.DefaultRole,
			in.DefaultChoices())
	}
}

// DefaultChoices lists the names of the roles for a message, because the default must be one of them.
func (in *Integration) DefaultChoices() string {
	var names []string
	seen := map[string]bool{}
	for _, role := range in.Roles {
		if role.Name != "" && !seen[role.Name] {
			seen[role.Name] = true
			names = append(names, role.Name)
		}
	}
	if len(names) > maxListed {
		names = append(names[:maxListed], "…")
	}
	return strings.Join(names, ", ")
}

func rolePath(i int) string { return "roles[" + strconv.Itoa(i) + "]" }
