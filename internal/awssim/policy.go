package awssim

import (
	"slices"
	"strings"
)

// request is the request that policies are evaluated for.
type request struct {
	caller   *caller
	action   string // as it is spelled in the documentation: "sts:AssumeRole"
	resource string
	facts    facts
	lower    string // the action in lower case, for comparisons
}

func ask(c *caller, action, resource string, known facts) *request {
	return &request{c, action, resource, known, strings.ToLower(action)}
}

// applies reports whether a statement matches the request, apart from its
// principal.
func (s *statement) applies(r *request) bool {
	act := slices.ContainsFunc(s.actions, func(p pattern) bool { return p.match(r.lower) })
	return act != s.notAction && s.concerns(r) && s.conditionsHold(r)
}

func (s *statement) concerns(r *request) bool {
	if len(s.resources) == 0 {
		return true // a trust policy, whose resource is its role
	}
	found := slices.ContainsFunc(s.resources, func(text string) bool {
		p, ok := expand(text, r.facts, s.variables)
		return ok && p.matchARN(r.resource)
	})
	return found != s.notResource
}

func (s *statement) conditionsHold(r *request) bool {
	return !slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(r.facts, s.variables) })
}

// names returns how specifically a trust statement names the caller. NotPrincipal
// names everyone that it does not list.
func (s *statement) names(c *caller) grant {
	best := grantNone
	for _, p := range s.principals {
		best = max(best, p.matches(c))
	}
	if s.notPrincipal {
		return when(best == grantNone, grantDirect)
	}
	return best
}

// denies reports whether a policy of the caller or of its organization explicitly
// denies the request.
func (p *policy) denies(r *request) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool { return s.deny && s.applies(r) })
}

func (p *policy) allows(r *request) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool { return !s.deny && s.applies(r) })
}

func anyDenies(ps []*policy, r *request) bool {
	return slices.ContainsFunc(ps, func(p *policy) bool { return p.denies(r) })
}

func anyAllows(ps []*policy, r *request) bool {
	return slices.ContainsFunc(ps, func(p *policy) bool { return p.allows(r) })
}

// trust evaluates a trust policy: it returns whether it explicitly denies the
// request, and how specifically it grants it. A nil policy grants nothing.
func (p *policy) trust(r *request) (granted grant, denied bool) {
	if p == nil {
		return grantNone, false
	}
	for i := range p.statements {
		s := &p.statements[i]
		named := s.names(r.caller)
		if named == grantNone || !s.applies(r) {
			continue
		}
		if s.deny {
			return grantNone, true
		}
		granted = max(granted, named)
	}
	return granted, false
}
