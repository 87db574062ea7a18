package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// newAgentPage asks for a new agent, and keeps what was typed.
type newAgentPage struct {
	base
	NewName        string
	NewDescription string
	NameOffer      string // a name that would be valid in place of the one that was typed; empty: none
	Chosen         []chosenIntegration
	Another        string   // the name of an integration that is not chosen yet, as it was typed
	Names          []string // of integrations that can be added
	None           bool     // there is no integration at all
	Adding         bool     // somebody is choosing integrations
	Unapproved     bool     // no other API key than that of the person may approve
	Errors         map[string]string
}

// chosenIntegration is an integration that the new agent will be connected to.
type chosenIntegration struct {
	rolebroker.Integration
	Presets []presetChoice
	Buckets string // that the agent reads without an approval, as they were typed
	Says    string // what the agent may do
	Error   string
	Unknown string // what is wrong with the buckets; empty: nothing, or nobody has to know yet
	limits  broker.Limits
	wrong   error // with the buckets
}

// Asks reports whether the agent will have to ask a person.
func (c chosenIntegration) Asks() bool { return c.limits.Approval != rolebroker.ApprovalNone }

// newAgent shows the form. The integrations that the address has are chosen; if there is only one, it is.
func (s *server) newAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &newAgentPage{Another: strings.TrimSpace(r.URL.Query().Get("another"))}
	wanted := r.URL.Query()["integration"]
	if wanted == nil && page.Another == "" {
		only, err := s.Broker.Integrations(r.Context(), v.who, rolebroker.Page{Limit: 2})
		if err != nil {
			return err
		}
		if len(only) == 1 {
			wanted = []string{string(only[0].ID)}
		}
	}
	if err := s.choose(r, v, page, wanted); err != nil {
		return err
	}
	return s.askForAgent(w, r, v, http.StatusOK, page)
}

// choose adds integrations by names or IDs, with the presets of the form. One that was deleted since is left out.
func (s *server) choose(r *http.Request, v *visit, page *newAgentPage, integrations []string) error {
	for _, nameOrID := range integrations {
		in, err := s.Broker.Integration(r.Context(), v.who, nameOrID)
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		if page.index(in.ID) >= 0 || len(page.Chosen) == maxNames {
			continue
		}
		one := chosenIntegration{Integration: *in, Buckets: formValue(r, "buckets."+string(in.ID))}
		preset := presetOf(formValue(r, "preset."+string(in.ID)))
		if preset.set(&one.limits); preset.HasBuckets() {
			one.wrong = exemptBuckets(&one.limits, in, one.Buckets)
		}
		page.Chosen = append(page.Chosen, one)
	}
	return nil
}

// index is the place of an integration among the chosen ones; -1: it is not chosen.
func (p *newAgentPage) index(id rolebroker.IntegrationID) int {
	return slices.IndexFunc(p.Chosen, func(c chosenIntegration) bool { return c.ID == id })
}

// askForAgent shows the form.
func (s *server) askForAgent(w http.ResponseWriter, r *http.Request, v *visit, status int, page *newAgentPage) error {
	var err error
	page.base = s.base(r, v, "New Agent", "agents")
	if page.Unapproved, err = s.onlyApprover(r.Context(), v, v.who.Principal()); err != nil {
		return err
	}
	for i := range page.Chosen {
		c := &page.Chosen[i]
		c.Presets = presetChoices(&c.limits)
		c.Says = summaryOf(cmp.Or(page.NewName, "the agent"), &c.Integration, &c.limits)
		c.Error = connectionError(page.Errors, i)
	}
	found, err := s.Broker.Integrations(r.Context(), v.who,
		rolebroker.Page{Limit: maxNames + len(page.Chosen), Search: page.Another})
	if err != nil {
		return err
	}
	page.None = len(found) == 0 && page.Another == "" && len(page.Chosen) == 0
	found = slices.DeleteFunc(found, func(in rolebroker.Integration) bool { return page.index(in.ID) >= 0 })
	page.Names, _ = cut(names(found, integrationName), maxNames)
	if r.Header.Get("HX-Request") != "" {
		status = http.StatusOK // htmx leaves the page as it is otherwise
	}
	return s.render(w, status, "new-agent", page)
}

// connectionError is what is wrong with the integration with an index; empty: nothing.
func connectionError(errors map[string]string, i int) string {
	for path, message := range errors {
		if strings.HasPrefix(path, "connections["+strconv.Itoa(i)+"]") {
			return message
		}
	}
	return ""
}

// createAgent creates the agent, or does what the pressed button says to the form.
func (s *server) createAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	offered := takeOffer(r)
	page := &newAgentPage{NewName: formValue(r, "name"), NewDescription: formValue(r, "description"),
		Another: formValue(r, "another")}
	action, id, _ := strings.Cut(formValue(r, "action"), ".")
	chosen := slices.DeleteFunc(slices.Clone(r.PostForm["integration"]), func(in string) bool {
		return action == "remove" && in == id
	})
	if err := s.choose(r, v, page, chosen); err != nil {
		return err
	}
	adds := action == "add" || page.Another != "" && action != "remove" && action != "say" && !offered
	if adds {
		page.Adding = true
		if err := s.addTyped(r, v, page); err != nil {
			return err
		}
	}
	creates := !offered && (!adds || action == "create") && action != "remove" && action != "say"
	switch {
	case creates && page.check(), page.Errors != nil:
		return s.askForAgent(w, r, v, http.StatusUnprocessableEntity, page)
	case !creates:
		return s.askForAgent(w, r, v, http.StatusOK, page)
	}
	return s.create(w, r, v, page)
}

// check finds all that is wrong with what was typed, and reports whether anything is.
func (p *newAgentPage) check() (wrong bool) {
	agent := rolebroker.Agent{Name: p.NewName, Description: p.NewDescription}
	if found := agentErrors(agent.Check()); found != nil {
		p.NameOffer = offer(p.NewName)
		maps.Copy(found, p.Errors)
		p.Errors = found
	}
	for i := range p.Chosen {
		if c := &p.Chosen[i]; c.wrong != nil {
			c.Unknown, wrong = bucketsError(c.wrong), true
		}
	}
	return wrong || p.Errors != nil
}

// addTyped adds the integration whose name was typed.
func (s *server) addTyped(r *http.Request, v *visit, page *newAgentPage) error {
	in, err := s.Broker.Integration(r.Context(), v.who, page.Another)
	wrong := ""
	switch {
	case page.Another == "":
		wrong = "Enter the name of an integration."
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		wrong = sentence(rolebroker.AsError(err).Message)
	case err != nil:
		return err
	case page.index(in.ID) >= 0:
		wrong = "The integration " + in.Name + " is chosen already."
	case len(page.Chosen) == maxNames:
		wrong = fmt.Sprintf("The form takes %d integrations. Connect more on the agent’s page.", maxNames)
	}
	if wrong != "" {
		page.Errors = map[string]string{"another": wrong}
		return nil
	}
	page.Another = ""
	return s.choose(r, v, page, []string{string(in.ID)})
}

// create creates the agent.
func (s *server) create(w http.ResponseWriter, r *http.Request, v *visit, page *newAgentPage) error {
	connections := []broker.ConnectionSpec{}
	for i := range page.Chosen {
		c := &page.Chosen[i]
		connections = append(connections, broker.ConnectionSpec{Integration: string(c.ID), Limits: &c.limits})
	}
	agent, err := s.Broker.CreateAgent(r.Context(), v.who, broker.AgentSpec{Name: page.NewName,
		Description: page.NewDescription, Connections: &connections})
	if page.Errors = agentErrors(err); page.Errors != nil {
		if page.NameOffer = offer(page.NewName); rolebroker.CodeOf(err) == rolebroker.CodeConflict {
			page.NameOffer = s.freeAgentName(r.Context(), v, page.NewName)
		}
		return s.askForAgent(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, pageOf(rolebroker.KindAgent, agent.ID), "created")
}

// agentErrors are fieldErrors, which name the fields.
func agentErrors(err error) map[string]string {
	found := fieldErrors(err)
	labels := map[string]string{"name": "Name", "description": "Description"}
	for _, f := range rolebroker.AsError(err).Fields {
		if found != nil && labels[f.Path] != "" {
			found[f.Path] = atField(labels[f.Path], f.Message)
		}
	}
	return found
}

// freeAgentName is a name like another that no agent has; empty: none of the first few.
func (s *server) freeAgentName(ctx context.Context, v *visit, like string) string {
	for i := 1; i < 10; i++ {
		name := fmt.Sprintf("%s-%d", like, i)
		if rolebroker.CheckName(name) != nil {
			return ""
		}
		if _, err := s.Broker.Agent(ctx, v.who, name); rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			return name
		}
	}
	return ""
}

// Faults are the errors of the form, in the order of its fields.
func (p *newAgentPage) Faults() []fault {
	all := faultsOf(p.Errors, formField{"name", "Name", "name"}, formField{"description", "Description", "description"})
	for _, c := range p.Chosen {
		if c.Unknown != "" {
			all = append(all, fault{"Buckets of " + c.Name, "buckets-" + string(c.ID), c.Unknown})
		}
		if c.Error != "" {
			all = append(all, fault{c.Name, "chosen-" + string(c.ID), c.Error})
		}
	}
	return append(all, faultsOf(p.Errors, formField{"another", "Integration", "another"})...)
}
