package web

import (
	"context"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// approvalRules is the part of the broker that has approval rules.
type approvalRules interface {
	ApprovalRule(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.ApprovalRule, error)
	ApprovalRules(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.ApprovalRule, error)
	CreateApprovalRule(ctx context.Context, who rolebroker.Caller, spec broker.ApprovalRuleSpec) (
		*rolebroker.ApprovalRule, error)
	UpdateApprovalRule(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.ApprovalRuleSpec,
		ifVersion int64) (*rolebroker.ApprovalRule, error)
	DeleteApprovalRule(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
}

// rulesPath is the address of the approval rules.
const rulesPath = "/approval-rules"

// rulesPage lists the rules that approve access requests.
type rulesPage struct {
	list
	Rows []ruleRow
}

// ruleRow is one approval rule.
type ruleRow struct {
	rolebroker.ApprovalRule
	State state
	Says  string // what it approves
	Ends  moment
}

func rowOfRule(r *rolebroker.ApprovalRule, now time.Time) ruleRow {
	return ruleRow{*r, stateOfRule(r, now), wordsOfRule(r), when(r.Until, now)}
}

func (s *server) listRules(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := rulesPage{list: list{base: s.base(r, v, "Approval rules", "requests"), Path: rulesPath,
		Noun: "rule", Plural: "rules"}}
	found, err := readList(r, v, &page.list, func(rule *rolebroker.ApprovalRule) string { return rule.Name },
		s.Broker.ApprovalRules)
	for i := range found {
		page.Rows = append(page.Rows, rowOfRule(&found[i], page.Now))
	}
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "rules", page)
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

// wordsOfRule says what a rule approves.
func wordsOfRule(r *rolebroker.ApprovalRule) string {
	named := func(id, name, any, gone string) string {
		switch {
		case id == "":
			return any
		case name == "":
			return gone
		}
		return name
	}
	role := named(string(r.Role), r.RoleName, "any role", "a removed role")
	if r.Integration != "" {
		role += " of " + named(string(r.Integration), r.IntegrationName, "", "a deleted integration")
	}
	access := "any access"
	if r.Access != "" {
		access = string(r.Access) + " access or less"
	}
	return "Requests of " + named(string(r.Agent), r.AgentName, "any agent", "a deleted agent") + " for " + role +
		", with " + access + ", for at most " + rolebroker.ShortDuration(r.MaxDuration)
}
