package web

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// approvalRules is the part of the broker that has approval rules.
type approvalRules interface {
	ApprovalRules(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.ApprovalRule, error)
	CreateApprovalRule(ctx context.Context, who rolebroker.Caller, spec broker.ApprovalRuleSpec) (
		*rolebroker.ApprovalRule, error)
	DeleteApprovalRule(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
}

// rulesPage lists the rules that approve access requests, and has the form of a new one.
type rulesPage struct {
	list
	Rows     []ruleRow
	Typed    map[string]string // by field
	Accesses []accessChoice
	Errors   map[string]string
}

// ruleRow is one approval rule.
type ruleRow struct {
	rolebroker.ApprovalRule
	State state
	Ends  moment
}

func (s *server) listRules(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderRules(w, r, v, http.StatusOK, &rulesPage{Typed: map[string]string{"max_duration": "1h"}})
}

func (s *server) renderRules(w http.ResponseWriter, r *http.Request, v *visit, status int, page *rulesPage) error {
	page.base, page.Path = s.base(r, v, "Approval rules", "requests"), "/approval-rules"
	page.Noun, page.Plural = "rule", "rules"
	page.Accesses = accessChoices(rolebroker.Access(page.Typed["access"]))
	found, err := readList(r, v, &page.list, func(rule *rolebroker.ApprovalRule) string { return rule.Name },
		s.Broker.ApprovalRules)
	if err != nil {
		return err
	}
	for i := range found {
		page.Rows = append(page.Rows, ruleRow{found[i], stateOfRule(&found[i], page.Now), when(found[i].Until, page.Now)})
	}
	return s.render(w, status, "rules", page)
}

// stateOfRule says whether a rule approves anything.
func stateOfRule(r *rolebroker.ApprovalRule, now time.Time) state {
	switch {
	case !r.Enabled:
		return state{Tone: "off", Word: "disabled"}
	case !r.Until.IsZero() && !now.Before(r.Until):
		return state{Tone: "off", Word: "over"}
	case r.Agent != "" && r.AgentName == "" || r.Integration != "" && r.IntegrationName == "" ||
		r.Role != "" && r.RoleName == "":
		return state{Tone: "off", Word: "idle"} // what it is about was deleted
	}
	return state{Tone: "good", Word: "active"}
}

// createRule makes a rule. One about every request of every agent is for the CLI and the API, where it is asked for
// explicitly.
func (s *server) createRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &rulesPage{Typed: map[string]string{}, Errors: map[string]string{}}
	for _, field := range []string{"name", "reason", "agent", "integration", "role", "access", "max_duration", "until"} {
		page.Typed[field] = formValue(r, field)
	}
	typed := page.Typed
	spec := broker.ApprovalRuleSpec{Name: typed["name"], Reason: typed["reason"], Agent: typed["agent"],
		Integration: typed["integration"], Role: typed["role"], Access: rolebroker.Access(typed["access"])}
	var err error
	if spec.MaxDuration, err = time.ParseDuration(cmp.Or(typed["max_duration"], "1h")); err != nil {
		page.Errors["max_duration"] = "Write a duration, such as 30m or 1h."
	}
	if typed["until"] != "" {
		if spec.Until, err = time.Parse(time.DateOnly, typed["until"]); err != nil || !spec.Until.After(s.Now()) {
			page.Errors["until"] = "Choose a day to come, as in 2026-12-31. The rule ends as it begins, in UTC."
		}
	}
	if typed["agent"]+typed["integration"]+typed["access"] == "" {
		page.Errors["form"] = "This rule would approve every request of every agent: choose an agent, an integration or an access."
	}
	if len(page.Errors) == 0 {
		_, err = s.Broker.CreateApprovalRule(r.Context(), v.who, spec)
		if page.Errors = fieldErrors(err); page.Errors == nil {
			if err != nil {
				return err
			}
			return toDone(w, r, "/approval-rules", "created")
		}
		return s.renderRules(w, r, v, statusOf(err), page)
	}
	return s.renderRules(w, r, v, http.StatusUnprocessableEntity, page)
}

func (s *server) deleteRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Broker.DeleteApprovalRule(r.Context(), v.who, r.PathValue("rule"), 0); err != nil {
		return err
	}
	return toDone(w, r, "/approval-rules", "ruledeleted")
}
