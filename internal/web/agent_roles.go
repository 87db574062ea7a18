package web

import (
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// agentRoles are the roles that an agent may borrow now.
type agentRoles struct {
	Roles     []roleOffer
	Nothing   string      // why there are none; empty if there are
	Notes     []string    // what else people have to know about them
	Ambiguous []ambiguous // names that more than one role has

	First    string            // a reference to the first role
	Region   rolebroker.Region // of the first role
	MustName bool              // there is no default role, so instructions have to name one
}

// offersPage are those of an agent's roles that a page shows.
type offersPage struct {
	paging
	Groups []offerGroup
}

// offerGroup are roles that the agent has from one integration.
type offerGroup struct {
	In          rolebroker.IntegrationID
	Integration string
	Words       limitWords // what its connection lets the agent do
	Roles       []roleOffer
}

// groupsOf groups roles by their integrations, in the order in which these come first.
func groupsOf(offers []roleOffer) (all []offerGroup) {
	for _, offer := range offers {
		i := slices.IndexFunc(all, func(g offerGroup) bool { return g.In == offer.In })
		if i < 0 {
			i = len(all)
			all = append(all, offerGroup{In: offer.In, Integration: offer.Integration, Words: offer.Words})
		}
		all[i].Roles = append(all[i].Roles, offer)
	}
	return all
}

// offers is the page of the roles that begins with the role of a number, counted from 1.
func (a *agentRoles) offers(address, number string) offersPage {
	p := offersPage{paging: paging{Of: "roles"}}
	at := func(from string) string { return addressOf(address, "roles", from) }
	p.Groups = groupsOf(partOf(&p.paging, pageSize, at, a.Roles, number, "roles"))
	return p
}

// roleOffer is a role that the agent may borrow now.
type roleOffer struct {
	rolebroker.Offer
	In         rolebroker.IntegrationID
	Runner     rolebroker.RunnerID // that lends the role; empty: this server does
	RunnerName string
	Where      string // its account and its name in AWS
	Words      limitWords
	Left       string // how long credentials that the agent has are valid; empty: it has none
	State      state  // of the role
	Evidence   string // what State was found out from
	ID         rolebroker.RoleID
	Why        string // why the role fails; empty: it works, or nobody has tried it
}

// ambiguous is a name that more than one role has.
type ambiguous struct {
	Name       string
	References []string // that the agent uses instead
}

// rolesOfAgent lists the roles that an agent may borrow. Live are its live sessions.
func rolesOfAgent(g *rolebroker.Grants, live []rolebroker.Session, now time.Time) agentRoles {
	all := agentRoles{Region: "us-east-1"}
	until := expiryByRole(live)
	for i, offer := range asOneServer(g).Offers() {
		if i == 0 { // the default comes first
			all.First, all.Region, all.MustName = offer.Reference, offer.Region, !offer.Default
		}
		in := integrationNamed(g, offer.Integration)
		role := roleOffer{
			Offer: offer, In: in.ID, Runner: in.Runner, RunnerName: in.RunnerName, Where: accountAndName(offer.ARN),
		}
		if c := g.Agent.Connection(in.ID); c != nil {
			role.Words = wordsOfLimits(c)
		}
		role.setState(in.StateOf(in.Role(offer.Name)), now)
		role.ID = in.Role(offer.Name).ID
		if ends, ok := until[in.Role(offer.Name).ID]; ok {
			role.Left = rolebroker.DurationInWords(max(ends.Sub(now), 0)) + " left"
		}
		all.Roles = append(all.Roles, role)
	}
	if len(all.Roles) == 0 {
		all.Nothing = whyNothing(g)
		return all
	}
	all.Notes, all.Ambiguous = notes(g), ambiguousNames(all.Roles)
	return all
}

// setState shows the state of the role.
func (r *roleOffer) setState(s rolebroker.RoleState, now time.Time) {
	if s.CheckedAt.IsZero() {
		r.State = state{Tone: "off", Word: "not tried"}
		return
	}
	r.State, r.Evidence = state{tone(s.Status), word(s.Validation), when(s.CheckedAt, now)}, evidence(s)
	if s.Status == rolebroker.StatusFailed {
		r.Why = headline(s.Message)[0]
	}
}

// LentHere returns whether this server lends some of the roles itself.
func (a agentRoles) LentHere() bool {
	return slices.ContainsFunc(a.Roles, func(r roleOffer) bool { return r.Runner == "" })
}

// expiryByRole is when the last active session of each role ends.
func expiryByRole(sessions []rolebroker.Session) map[rolebroker.RoleID]time.Time {
	until := map[rolebroker.RoleID]time.Time{}
	for _, session := range sessions {
		if session.State == rolebroker.SessionActive && session.ExpiresAt.After(until[session.Role]) {
			until[session.Role] = session.ExpiresAt
		}
	}
	return until
}

// asOneServer are the grants as if this server lent the roles of runners too, so
// that Offers has all of them.
func asOneServer(g *rolebroker.Grants) *rolebroker.Grants {
	all := &rolebroker.Grants{Agent: g.Agent, Integrations: slices.Clone(g.Integrations)}
	for i := range all.Integrations {
		if in := &all.Integrations[i]; in.Runner != "" {
			in.AssumptionMode = rolebroker.ModePlatform
		}
	}
	return all
}

// accountAndName is the account of a role, and its name there with its path.
func accountAndName(arn rolebroker.RoleARN) string {
	return arn.Account + " · " + strings.TrimPrefix(arn.Path, "/") + arn.Name
}

func integrationNamed(g *rolebroker.Grants, name string) *rolebroker.Integration {
	i := slices.IndexFunc(g.Integrations, func(in rolebroker.Integration) bool { return in.Name == name })
	return &g.Integrations[i] // every offer is from one of them
}

// whyNothing says why an agent may borrow nothing, and what to do.
func whyNothing(g *rolebroker.Grants) string {
	switch idle := withoutRunner(g); {
	case g.Agent.CutOff.IsSet():
		return "It is cut off. It gets no roles until an administrator enables it."
	case g.Agent.Disabled:
		return "It is disabled. It gets no roles until an administrator enables it."
	case len(g.Integrations) == 0:
		return "It is not connected to an integration yet. Connect one to give it the roles that are selected there."
	case len(paused(g)) == len(g.Integrations):
		return "Its integrations are disabled: " + strings.Join(paused(g), ", ") +
			". It gets no roles until an administrator enables one."
	case len(idle) == len(g.Integrations):
		return "No runner assumes the roles of " + strings.Join(idle, ", ") + " yet: choose a runner there."
	}
	return "No role is selected in the integrations that it is connected to."
}

// paused names the integrations that are disabled.
func paused(g *rolebroker.Grants) (names []string) {
	for _, in := range g.Integrations {
		if !in.Enabled {
			names = append(names, in.Name)
		}
	}
	return names
}

// withoutRunner names the integrations in cluster mode that have no runner.
func withoutRunner(g *rolebroker.Grants) (names []string) {
	for _, in := range g.Integrations {
		if in.AssumptionMode != rolebroker.ModePlatform && in.Runner == "" {
			names = append(names, in.Name)
		}
	}
	return names
}

// runnerNames names the runners that lend some of the roles.
func runnerNames(g *rolebroker.Grants) (names []string) {
	for _, in := range g.Integrations {
		if in.Runner != "" && !slices.Contains(names, in.RunnerName) {
			names = append(names, in.RunnerName)
		}
	}
	return names
}

// notes say what people have to know about the roles of an agent that has some.
func notes(g *rolebroker.Grants) (all []string) {
	const refused = ": instructions that name no role are refused."
	switch in := defaultIntegration(g); {
	case in == nil:
		all = append(all, "It has no default integration"+refused+" Choose one in its connections.")
	case !in.Enabled:
		all = append(all, "Its default integration, "+in.Name+", is disabled"+refused)
	case in.AssumptionMode != rolebroker.ModePlatform && in.Runner == "":
		all = append(all, "Its default integration, "+in.Name+", has no runner yet"+refused)
	case in.Role(in.DefaultRole) == nil || !in.Role(in.DefaultRole).Enabled:
		all = append(all, "The default role of "+in.Name+", "+in.DefaultRole+", is not selected there"+refused)
	}
	if names := paused(g); len(names) > 0 {
		all = append(all, "The roles of "+strings.Join(names, ", ")+" are missing here: disabled.")
	}
	if names := withoutRunner(g); len(names) > 0 {
		all = append(all, "The roles of "+strings.Join(names, ", ")+" are missing here: no runner assumes them yet.")
	}
	if names := runnerNames(g); len(names) > 0 && len(g.Offers()) > 0 {
		all = append(all, "Pods get the roles of a runner from the runner, not from this server: from "+
			strings.Join(names, ", ")+".")
	}
	return all
}

// defaultIntegration is the agent's default integration; nil: it has none.
func defaultIntegration(g *rolebroker.Grants) *rolebroker.Integration {
	for i := range g.Integrations {
		if g.Integrations[i].ID == g.Agent.DefaultIntegration {
			return &g.Integrations[i]
		}
	}
	return nil
}

// ambiguousNames are the names that are no references, because more than one role
// has them.
func ambiguousNames(offers []roleOffer) (all []ambiguous) {
	for _, offer := range offers {
		if offer.Reference == offer.Name {
			continue
		}
		i := slices.IndexFunc(all, func(a ambiguous) bool { return a.Name == offer.Name })
		if i < 0 {
			all, i = append(all, ambiguous{Name: offer.Name}), len(all)
		}
		all[i].References = append(all[i].References, offer.Reference)
	}
	return all
}
