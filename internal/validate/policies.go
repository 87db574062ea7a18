package validate

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// size is what decides whether STS takes session policies: AWS does not publish how it measures them and the session
// tags together, but measures the same for every role.
type size struct {
	policy, policyARN string
	tags              rolebroker.Tags
}

// sizes are what STS said of session policies in one validation, so that roles with the same policies and tags cost one
// call. The zero value is ready to use.
type sizes struct {
	mu    sync.Mutex
	known map[size]answer
}

func (s *sizes) get(of size) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.known[of]
	return a, ok
}

func (s *sizes) set(of size, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[size]answer{}
	}
	s.known[of] = a
}

// isTooLarge reports whether STS said that session policies and session tags are too large together.
func (a answer) isTooLarge() bool { return a.refusal != nil && a.refusal.IsTooLarge() }

// withPolicies adds to the finding about a role that was assumed which agents get no session of it, because their
// session policy is too large. Of the agents that have a policy, those with the longest names are tried until one gets
// a session: shorter names make shorter tags. It is not certain if STS did not answer every call.
func (p *probe) withPolicies(ctx context.Context, f rolebroker.Finding) (_ rolebroker.Finding, certain bool) {
	tried := 0
	for _, policy := range p.Policies {
		if !policy.Includes(p.role.ID) {
			continue
		}
		if tried++; tried > maxOfRole {
			break
		}
		for _, agent := range policy.Agents {
			call, err := p.lending(policy, agent)
			if err != nil { // of an access that a newer server knows, or a policy that saving refuses
				break
			}
			a := p.measure(ctx, call)
			if a.temporary() || a.ended {
				return p.assumedButUnclear(a.as(rolebroker.ProbeSessionPolicy)), false
			}
			if !a.isTooLarge() { // a role that is denied now says nothing of the size
				break
			}
			if f.Code == rolebroker.ValidAssumable && len(f.TooLarge) == 0 {
				f.Probe, f.Refusal, f.RequestID = rolebroker.ProbeSessionPolicy, a.refusal, a.requestID
			}
			if !slices.Contains(f.TooLarge, agent) {
				f.TooLarge = append(f.TooLarge, agent)
			}
		}
	}
	return f, true
}

// lending is the call under which the role was assumed, with the session policy and the session tags of a loan to an
// agent. Codes: denied.
func (p *probe) lending(policy rolebroker.TriedPolicy, agent string) (rolebroker.Assumption, error) {
	call := p.assumption()
	call.Policy = ""
	loan, err := p.Integration.Assumption(&p.role, agent, "")
	if err != nil {
		return call, err
	}
	if call.Tags = loan.Tags; p.byToken { // whose call has none
		call.Tags = rolebroker.Tags{}
	}
	return call, policy.Restrict(&call)
}

// measure asks STS whether the session policies and the session tags of a call fit, unless it is known.
func (p *probe) measure(ctx context.Context, call rolebroker.Assumption) answer {
	of := size{call.Policy, call.PolicyARN, call.Tags}
	if a, ok := p.sizes.get(of); ok {
		return a
	}
	a := p.try(ctx, permitNothing(call))
	if a.ok() || a.isTooLarge() {
		p.sizes.set(of, a)
	}
	return a
}

// permitNothing makes the session policies of a call deny everything, and leaves their length: each Allow becomes a
// Deny, and the first of the actions that the policy beside a managed one denies becomes all.
func permitNothing(call rolebroker.Assumption) rolebroker.Assumption {
	call.Duration = rolebroker.MinSessionDuration
	call.Policy = strings.ReplaceAll(call.Policy, `"Effect":"Allow"`, `"Effect":"Deny" `)
	if call.PolicyARN != "" {
		const list = `"Action":["`
		before, after, _ := strings.Cut(call.Policy, list)
		first, rest, _ := strings.Cut(after, `"`)
		call.Policy = before + list + `*"` + strings.Repeat(" ", len(first)-1) + rest
	}
	return call
}
