package web

import (
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// ruleHead is what all pages of an approval rule have.
type ruleHead struct {
	object
	Rule ruleRow
}

// headOfRule makes the head of a page of the rule that the request is about.
func (s *server) headOfRule(r *http.Request, v *visit, chosen string) (h ruleHead, err error) {
	rule, err := s.Broker.ApprovalRule(r.Context(), v.who, r.PathValue("rule"))
	if err != nil {
		return h, err
	}
	h.object = object{base: s.base(r, v, rule.Name, "requests"), List: link{"Approval rules", rulesPath}, Name: rule.Name}
	h.Rule = rowOfRule(rule, h.Now)
	h.State = h.Rule.State
	h.Tabs = tabsOf(addressOfRule(rule), chosen,
		tab{link: link{"Overview", ""}}, tab{link: link{"Activity", "activity"}})
	return h, nil
}

func addressOfRule(r *rolebroker.ApprovalRule) string {
	return pageOf(rolebroker.KindApprovalRule, r.ID)
}

// rulePage is a rule to read.
type rulePage struct {
	ruleHead
	Created, Updated moment
}

func (s *server) showRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfRule(r, v, "")
	if err != nil {
		return err
	}
	page := rulePage{ruleHead: head, Created: when(head.Rule.CreatedAt, head.Now),
		Updated: when(head.Rule.UpdatedAt, head.Now)}
	return s.render(w, http.StatusOK, "rule", page)
}

// ruleActivityPage has the events about a rule, what it approved among them.
type ruleActivityPage struct {
	ruleHead
	Activity activity
}

func (s *server) showRuleActivity(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfRule(r, v, "activity")
	if err != nil {
		return err
	}
	page := ruleActivityPage{ruleHead: head}
	page.Activity, err = s.activityOf(r, v, string(page.Rule.ID), addressOfRule(&page.Rule.ApprovalRule)+"/activity")
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "rule-activity", page)
}

// enableRule has a rule approve again.
func (s *server) enableRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.turnRule(w, r, v, true)
}

// disableRule has a rule approve nothing.
func (s *server) disableRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.turnRule(w, r, v, false)
}

func (s *server) turnRule(w http.ResponseWriter, r *http.Request, v *visit, on bool) error {
	rule, err := s.Broker.ApprovalRule(r.Context(), v.who, r.PathValue("rule"))
	if err != nil {
		return err
	}
	spec := broker.ApprovalRuleSpec{Name: rule.Name, Reason: rule.Reason, Disabled: !on, Agent: string(rule.Agent),
		Integration: string(rule.Integration), Role: string(rule.Role), Access: rule.Access,
		MaxDuration: rule.MaxDuration, Until: rule.Until}
	if _, err := s.Broker.UpdateApprovalRule(r.Context(), v.who, string(rule.ID), spec, rule.Version); err != nil {
		return err
	}
	done := "ruleenabled"
	if !on {
		done = "ruledisabled"
	}
	return toDone(w, r, addressOfRule(rule), done)
}

func (s *server) deleteRule(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Broker.DeleteApprovalRule(r.Context(), v.who, r.PathValue("rule"), 0); err != nil {
		return err
	}
	return toDone(w, r, rulesPath, "ruledeleted")
}
