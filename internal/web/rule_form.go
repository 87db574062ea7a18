package web

import (
	"cmp"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// ruleForm is what people type of an approval rule.
type ruleForm struct {
	Typed    fieldValues // by field
	Accesses []accessChoice
	Errors   map[string]string // by field
}

// ruleFields are the fields of the form.
var ruleFields = []string{"name", "reason", "agent", "integration", "role", "access", "max_duration", "until"}

// usualGrant is what a rule approves at most, unless somebody types another duration.
var usualGrant = rolebroker.ShortDuration(rolebroker.DefaultGrant)

// typedRule reads what was typed.
func typedRule(r *http.Request) ruleForm {
	form := ruleForm{Typed: fieldValues{}}
	for _, field := range ruleFields {
		form.Typed[field] = formValue(r, field)
	}
	return form
}

// valuesOfRule are the fields of a rule. What was deleted since has its ID, so that the form names nothing else.
func valuesOfRule(r *rolebroker.ApprovalRule) fieldValues {
	values := fieldValues{"name": r.Name, "reason": r.Reason, "agent": cmp.Or(r.AgentName, string(r.Agent)),
		"integration": cmp.Or(r.IntegrationName, string(r.Integration)), "role": cmp.Or(r.RoleName, string(r.Role)),
		"access": string(r.Access), "max_duration": rolebroker.ShortDuration(r.MaxDuration), "until": ""}
	if !r.Until.IsZero() {
		values["until"] = r.Until.UTC().Format(time.DateOnly)
	}
	return values
}

// ofEveryRequest returns whether a rule with these fields is about every request of every agent.
func ofEveryRequest(values fieldValues) bool {
	return values["agent"]+values["integration"]+values["access"] == ""
}

// spec is what was typed. saved is the rule as it is; nil: it is new. A rule about every request of every agent is for
// the CLI and the API, where it is asked for explicitly.
func (f *ruleForm) spec(saved *rolebroker.ApprovalRule, now time.Time) (spec broker.ApprovalRuleSpec, ok bool) {
	typed, wrong := f.Typed, map[string]string{}
	spec = broker.ApprovalRuleSpec{Name: typed["name"], Reason: typed["reason"], Agent: typed["agent"],
		Integration: typed["integration"], Role: typed["role"], Access: rolebroker.Access(typed["access"])}
	before := fieldValues{"agent": "some"}
	if saved != nil {
		before, spec.Disabled = valuesOfRule(saved), !saved.Enabled
	}
	var err error
	if spec.MaxDuration, err = parseDuration(cmp.Or(typed["max_duration"], usualGrant)); err != nil {
		wrong["max_duration"] = "Write a duration, such as 5m or 1h."
	}
	switch until, err := time.Parse(time.DateOnly, typed["until"]); {
	case typed["until"] == "":
	case typed["until"] == before["until"]:
		spec.Until = saved.Until
	case err != nil || !until.After(now):
		wrong["until"] = "Choose a day to come, as in 2026-12-31. The rule ends as it begins, in UTC."
	default:
		spec.Until = until
	}
	if ofEveryRequest(typed) && !ofEveryRequest(before) {
		wrong["form"] = "This rule would approve every request of every agent: choose an agent, an integration or an access."
	}
	if len(wrong) > 0 {
		f.Errors = wrong
	}
	return spec, len(wrong) == 0
}

// newRulePage asks for a new rule, and keeps what was typed.
type newRulePage struct {
	base
	ruleForm
}

func (s *server) newRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderNewRule(w, r, v, http.StatusOK, ruleForm{Typed: fieldValues{"max_duration": usualGrant}})
}

func (s *server) renderNewRule(w http.ResponseWriter, r *http.Request, v *visit, status int, form ruleForm) error {
	form.Accesses = accessChoices(rolebroker.Access(form.Typed["access"]))
	return s.render(w, status, "new-rule", newRulePage{s.base(r, v, "New Rule", "requests"), form})
}

func (s *server) createRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	form := typedRule(r)
	spec, ok := form.spec(nil, s.Now())
	if !ok {
		return s.renderNewRule(w, r, v, http.StatusUnprocessableEntity, form)
	}
	rule, err := s.Broker.CreateApprovalRule(r.Context(), v.who, spec)
	if form.Errors = fieldErrors(err); form.Errors != nil {
		return s.renderNewRule(w, r, v, statusOf(err), form)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, addressOfRule(rule), "created")
}

// ruleEditPage is the form of a rule that there is.
type ruleEditPage struct {
	ruleHead
	ruleForm
	Version   int64 // the version that the form was made from
	Was       fieldValues
	Conflicts []conflict // what somebody else changed too; empty: nobody did
}

func (s *server) editRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderEditRule(w, r, v, http.StatusOK, &ruleEditPage{})
}

// renderEditRule adds to the page the rule as it is now, and shows it.
func (s *server) renderEditRule(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page *ruleEditPage,
) (err error) {
	if page.ruleHead, err = s.headOfRule(r, v, "edit"); err != nil {
		return err
	}
	page.Was = valuesOfRule(&page.Rule.ApprovalRule)
	if page.Version == 0 {
		page.Typed, page.Version = page.Was, page.Rule.Version
	}
	page.Accesses = accessChoices(rolebroker.Access(page.Typed["access"]))
	return s.render(w, status, "rule-edit", page)
}

// updateRule saves a rule. What somebody else changed meanwhile is kept, unless both changed the same.
func (s *server) updateRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	rule, err := s.Broker.ApprovalRule(r.Context(), v.who, r.PathValue("rule"))
	if err != nil {
		return err
	}
	page, done := &ruleEditPage{ruleForm: typedRule(r), Version: max(formVersion(r), 1)}, "ruleupdated"
	if page.Version != rule.Version {
		page.Conflicts = page.Typed.mergeInWords(readValues(r), valuesOfRule(rule))
		page.Version, done = rule.Version, "rulemerged"
	}
	if len(page.Conflicts) > 0 {
		return s.renderEditRule(w, r, v, http.StatusConflict, page)
	}
	spec, ok := page.spec(rule, s.Now())
	if !ok {
		return s.renderEditRule(w, r, v, http.StatusUnprocessableEntity, page)
	}
	_, err = s.Broker.UpdateApprovalRule(r.Context(), v.who, string(rule.ID), spec, page.Version)
	if page.Errors = fieldErrors(err); page.Errors != nil {
		return s.renderEditRule(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, addressOfRule(rule), done)
}
