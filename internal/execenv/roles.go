package execenv

import (
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// roles are the roles of a room from the start of its command to the end: the one
// that --role names, or all that the agent may borrow at the start. The room
// answers for nothing else, whatever is connected, renamed or replaced meanwhile.
type roles struct {
	offers []rolebroker.Offer // the role in use comes first, and is the only default
	named  string             // the reference that --role gave; empty: none
}

// chooseRoles chooses the roles of the room from what the agent may borrow. The
// role in use is the one that was lent.
func (o Options) chooseRoles(loan *rolebroker.Loan, offers []rolebroker.Offer) (roles, error) {
	inUse, err := o.offerOf(loan, offers)
	if err != nil {
		return roles{}, err
	}
	inUse.Default = true
	chosen := roles{offers: []rolebroker.Offer{inUse}, named: o.Role}
	if o.Role != "" {
		return chosen, nil
	}
	for _, offer := range offers {
		if qualified(offer) != qualified(inUse) {
			offer.Default = false
			chosen.offers = append(chosen.offers, offer)
		}
	}
	return chosen, nil
}

// offerOf finds the offer of the role that was lent: the one with its ARN that the
// reference names. Codes: conflict (none has it), invalid (several have).
func (o Options) offerOf(loan *rolebroker.Loan, offers []rolebroker.Offer) (rolebroker.Offer, error) {
	var named []rolebroker.Offer
	for _, offer := range offers {
		if offer.ARN != loan.Role.ARN || !canMean(o.Role, offer) {
			continue
		}
		if o.Role == "" && offer.Default {
			return offer, nil
		}
		named = append(named, offer)
	}
	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		return rolebroker.Offer{}, rolebroker.Errorf(rolebroker.CodeConflict,
			"the server lent %s but does not list it: what this agent may borrow changed just now", loan.Role.ARN).
			WithHint("run the command again; rolebroker roles lists what this agent may borrow")
	}
	return rolebroker.Offer{}, rolebroker.Errorf(rolebroker.CodeInvalid,
		"the server lent %s, which could be %s or %s", loan.Role.ARN, qualified(named[0]), qualified(named[1])).
		WithHint("name one of them, as in --role %s", qualified(named[0]))
}

// canMean reports whether a reference can mean the role. An ID in place of a name
// can mean any role, since offers have no ID.
func canMean(reference string, offer rolebroker.Offer) bool {
	integration, name, both := strings.Cut(reference, "/")
	if !both {
		integration, name = "", reference
	}
	is := func(name, part string) bool { return part == "" || part == name || rolebroker.IsID(part) }
	return reference == offer.ARN.String() || is(offer.Integration, integration) && is(offer.Name, name)
}

// qualified is a reference that never becomes ambiguous.
func qualified(o rolebroker.Offer) string { return o.Integration + "/" + o.Name }

// inUse is the role that a request without a reference gets.
func (r roles) inUse() rolebroker.Offer { return r.offers[0] }

// isOne reports whether the room has one role only.
func (r roles) isOne() bool { return len(r.offers) == 1 }

// find finds the role that a reference of the command's means, among those of the
// room. Codes: denied, not_found, invalid (ambiguous).
func (r roles) find(reference string) (rolebroker.Offer, error) {
	if reference == "" || reference == r.named {
		return r.inUse(), nil
	}
	var found []string
	var offer rolebroker.Offer
	for _, o := range r.offers {
		if reference == o.Name || reference == qualified(o) || reference == o.ARN.String() {
			found, offer = append(found, qualified(o)), o
		}
	}
	switch len(found) {
	case 1:
		return offer, nil
	case 0:
		return offer, r.refuse(reference)
	}
	return offer, rolebroker.Errorf(rolebroker.CodeInvalid, "role %s is ambiguous; it could be %s",
		quote(reference), strings.Join(found, ", ")).WithHint("name one of them, as in --role %s", found[0])
}

// refuse explains why a reference means no role of the room.
func (r roles) refuse(reference string) error {
	if r.named != "" {
		return rolebroker.Errorf(rolebroker.CodeDenied, "this rolebroker exec is bound to role %s; it does not lend %s",
			qualified(r.inUse()), quote(reference)).
			WithHint("a command that needs another role needs a rolebroker exec of its own, started outside of this one")
	}
	var names []string
	for _, o := range r.offers {
		names = append(names, o.Reference)
	}
	names[0] += " (default)"
	return rolebroker.Errorf(rolebroker.CodeNotFound, "this rolebroker exec has no role %s; available are %s",
		quote(reference), strings.Join(names, ", ")).
		WithHint("it has the roles that the agent could borrow when it started; the next exec has those of today")
}

// check refuses a loan of another IAM role than the one that the room had under
// this reference at the start. Codes: conflict.
func (r roles) check(reference string, loan *rolebroker.Loan) error {
	i := slices.IndexFunc(r.offers, func(o rolebroker.Offer) bool { return qualified(o) == reference })
	if i < 0 || r.offers[i].ARN == loan.Role.ARN {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeConflict,
		"role %s is %s now; this rolebroker exec started with %s, and lends no other", reference, loan.Role.ARN,
		r.offers[i].ARN).WithHint("start it again to use the role as it is now")
}
