package awssim

// Authorization follows the tables of the IAM User Guide's "Policy evaluation
// logic" and "Cross-account policy evaluation".

// verdict is the result of evaluating one action, with the clause that explains a
// denial to callers that may see it.
type verdict struct {
	allowed bool
	reason  string
	byTrust bool // the trust policy decided
}

// sentence explains a denial in AWS's words. on names the resource, or is empty.
func (v verdict) sentence(who *caller, action, on string) string {
	return "User: " + who.arn + " is not authorized to perform: " + action + on + v.reason
}

func explicit(where string) verdict { return verdict{reason: " with an explicit deny in " + where} }

// evaluateAssume evaluates one action on a role: sts:AssumeRole, or one that tags
// or a source identity require in addition. owner is the role's account. trust is
// nil if the role does not exist.
func evaluateAssume(r *request, trust *policy, owner string) verdict {
	granted, refused := trust.trust(r)
	if refused {
		v := explicit("the role trust policy")
		v.byTrust = true
		return v
	}
	if v, refused := callerDenies(r); refused {
		return v
	}
	if granted == grantNone {
		return verdict{reason: " because no role trust policy allows the " + r.action + " action", byTrust: true}
	}
	c := r.caller
	switch {
	case c.service != "" || c.provider != "":
		return verdict{allowed: true}
	case c.account != owner, granted == grantAccount:
		return callerAllows(r)
	case granted == grantRole:
		return sessionAllows(r)
	}
	return verdict{allowed: true}
}

// evaluateIdentity evaluates an action on a resource without a policy of its own.
func evaluateIdentity(r *request) verdict {
	if v, refused := callerDenies(r); refused {
		return v
	}
	if r.caller.root {
		return sessionAllows(r)
	}
	return callerAllows(r)
}

// callerDenies looks for an explicit denial in the policies of the caller and of
// its organization.
func callerDenies(r *request) (verdict, bool) {
	switch c := r.caller; {
	case anyDenies(c.scps, r):
		return explicit("a service control policy"), true
	case anyDenies(c.policies, r):
		return explicit("an identity-based policy"), true
	case anyDenies(c.sessionPolicies, r):
		return explicit("a session policy"), true
	}
	return verdict{}, false
}

// callerAllows evaluates the caller's identity policies, then its session
// policies.
func callerAllows(r *request) verdict {
	if !anyAllows(r.caller.policies, r) {
		return verdict{reason: " because no identity-based policy allows the " + r.action + " action"}
	}
	return sessionAllows(r)
}

func sessionAllows(r *request) verdict {
	if len(r.caller.sessionPolicies) > 0 && !anyAllows(r.caller.sessionPolicies, r) {
		return verdict{reason: " because no session policy allows the " + r.action + " action"}
	}
	return verdict{allowed: true}
}
