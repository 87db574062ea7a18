package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// person admits somebody with an e-mail address.
func (w *world) person(subject, email string) rolebroker.Caller {
	w.Helper()
	who, err := w.broker.Admit(w.ctx, rolebroker.Caller{}, &rolebroker.Person{Issuer: "https://login.invalid",
		Subject: subject, Email: email, Groups: []string{"admins"}})
	if err != nil {
		w.Fatal(err)
	}
	return who
}

// makes makes an API key as somebody, and returns its holder.
func (w *world) makes(who rolebroker.Caller, name, owner string) rolebroker.Caller {
	w.Helper()
	key, _, err := w.broker.CreateAPIKey(w.ctx, who, broker.APIKeySpec{Name: name, Access: rolebroker.KeyAdmin,
		Owner: owner})
	if err != nil {
		w.Fatal(err)
	}
	return rolebroker.Caller{APIKey: key.ID, Name: key.Name, Access: key.Access}
}

// withAdmins lets members of a group do everything.
func withAdmins(o *broker.Options) { o.Groups = rolebroker.GroupAccess{Admin: []string{"admins"}} }

// asksFor makes an agent as somebody, and has it ask for a role.
func (w *world) asksFor(who rolebroker.Caller, agentName string) *rolebroker.AccessRequest {
	w.Helper()
	agent, err := w.broker.CreateAgent(w.ctx, who, broker.AgentSpec{Name: agentName,
		Connections: &[]broker.ConnectionSpec{{Integration: "production",
			Limits: &broker.Limits{Approval: rolebroker.ApprovalBorrow}}}})
	if err != nil {
		w.Fatal(err)
	}
	token, _, err := w.broker.CreateToken(w.ctx, admin, agentName, broker.TokenSpec{Label: "x"})
	if err != nil {
		w.Fatal(err)
	}
	request, err := w.broker.RequestAccess(w.ctx, rolebroker.Caller{Agent: agent.ID, Token: token.ID},
		broker.AccessRequestSpec{Reason: "to see"})
	if err != nil {
		w.Fatal(err)
	}
	return request
}

// Who owns an agent does not approve its requests: not with a key, and not with one that a key of theirs made.
func TestNoKeyOfTheOwnerApproves(t *testing.T) {
	w := newWorld(t, withAdmins)
	ada := w.person("1", "ada@example.com")
	first := w.makes(ada, "first", "")
	second := w.makes(first, "second", "")
	third := w.makes(second, "third", "")
	handed := w.makes(admin, "handed", "third") // a key may own a key, as in earlier versions
	other := w.makes(admin, "other", "")
	requests := []*rolebroker.AccessRequest{w.asksFor(ada, "of-hers"), w.asksFor(second, "of-her-key")}
	refused := func(when string, deciders ...rolebroker.Caller) {
		t.Helper()
		for _, request := range requests {
			for _, who := range deciders {
				_, err := w.broker.ApproveRequest(w.ctx, who, request.ID, rolebroker.ApprovalTerms{})
				if rolebroker.CodeOf(err) != rolebroker.CodeDenied {
					t.Errorf("%s, %s approves a request of %s: %v", when, who.Name, request.AgentName, err)
				}
			}
		}
	}
	refused("at first", ada, first, second, third, handed)
	for _, key := range []rolebroker.Caller{first, second} {
		if err := w.broker.DeleteAPIKey(w.ctx, admin, key.APIKey); err != nil {
			t.Fatal(err)
		}
	}
	refused("without the keys between", ada, third, handed)
	for _, request := range requests {
		if _, err := w.broker.ApproveRequest(w.ctx, other, request.ID, rolebroker.ApprovalTerms{}); err != nil {
			t.Errorf("nobody approves a request of %s: %v", request.AgentName, err)
		}
	}
}

// An address of two people names neither of them.
func TestAnAddressOfTwoPeopleNamesNobody(t *testing.T) {
	w := newWorld(t, withAdmins)
	one, two := w.person("1", "ada@example.com"), w.person("2", "ada@example.com")
	spec := broker.AgentSpec{Name: "scribe", Owner: "ada@example.com"}
	_, err := w.broker.CreateAgent(w.ctx, admin, spec)
	e := rolebroker.AsError(err)
	if err == nil || e.Code != rolebroker.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Path != "owner" {
		t.Fatalf("it is %v", err)
	}
	if says := fmt.Sprint(e.Fields[0].Message, e.Fields[0].Hint); !strings.Contains(says, "2 people have the address") ||
		!strings.Contains(says, string(one.User)) || !strings.Contains(says, string(two.User)) {
		t.Errorf("it says %s", says)
	}
	spec.Owner = string(two.User)
	if agent, err := w.broker.CreateAgent(w.ctx, admin, spec); err != nil || agent.Owner !=
		rolebroker.PrincipalID(two.User) {
		t.Errorf("by ID: %+v, %v", agent, err)
	}
}
