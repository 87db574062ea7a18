package rolebroker

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// AssumptionMode says who calls STS for the roles of an integration.
type AssumptionMode string

const (
	ModePlatform AssumptionMode = "platform" // this deployment does; recommended
	ModeCluster  AssumptionMode = "cluster"  // a runner in the customer's cluster does
)

// Integration is a named group of AWS roles that is granted to agents as one.
type Integration struct {
	ID             IntegrationID
	Name           string // unique in a deployment
	Description    string
	AssumptionMode AssumptionMode
	// Runner is who assumes the roles in cluster mode, and RunnerName what it is
	// called now. Empty: nobody does, yet.
	Runner     RunnerID
	RunnerName string
	// ExternalID is sent with every AssumeRole. It is made by the server and
	// unguessable; it is not a secret (IAM User Guide, "access to AWS
	// accounts owned by third parties").
	ExternalID string
	// NextExternalID is what ExternalID is being changed to; empty when it is
	// not. Until the change is finished both are good in a trust policy.
	NextExternalID string
	// SessionTags and SourceIdentity have every AssumeRole say who borrows in
	// those ways too. The trust policies then have to allow sts:TagSession and
	// sts:SetSourceIdentity.
	SessionTags    bool
	SourceIdentity bool

	DefaultRole string // the name of the role that is used when none is named
	Roles       []Role // in the order their owner gave them
	Version     int64  // counts the changes; 1 when new
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

// Check says everything that is wrong with the integration: names, ARNs and
// regions, roles that share a name, and that exactly one role is the default
// and enabled.
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
			p.breaks(RuleRoleNameUnique, path+".name", "%q is the name of %s already; names are unique in an integration", role.Name, rolePath(first))
			continue
		}
		seen[role.Name] = i
	}
	in.checkDefault(&p)
	return p.err("the integration")
}

func (in *Integration) checkDefault(p *problems) {
	choices := cmp.Or(in.DefaultChoices(), "the roles, after enabling one")
	switch role := in.Role(in.DefaultRole); {
	case len(in.Roles) == 0:
		p.add("roles", "at least one role is required; the default role is one of them")
	case in.DefaultRole == "":
		p.breaks(RuleDefaultChosen, "default_role", "is required: the name of the role to use when none is named, one of %s", choices)
	case role == nil:
		p.add("default_role", "%q is not a role of this integration; choose one of %s", in.DefaultRole, choices)
	case !role.Enabled:
		p.breaks(RuleDefaultEnabled, "default_role", "%q is disabled; the default role must be enabled: choose one of %s", in.DefaultRole, choices)
	}
}

// DefaultChoices lists the roles that may be the default, for a message: the
// names of the enabled ones. It is empty when none is enabled.
func (in *Integration) DefaultChoices() string {
	var names []string
	seen := map[string]bool{}
	for _, role := range in.Roles {
		if role.Enabled && !seen[role.Name] {
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
