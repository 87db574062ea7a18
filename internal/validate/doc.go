// Package validate finds out whether roles can be assumed, and why not.
//
// A role is assumed as an agent's loan would assume it, and at the same time
// without our external ID and with a wrong one: if that works too, anyone who
// can talk the platform into trying can have the role. When AWS says no, more
// is tried, each time with one thing changed, until it is clear what the no is
// about: an earlier external ID, no session tags, a shorter duration. What
// AWS does not tell apart is not told apart here either: the hint then lists
// what to check, in order.
//
// Nothing of it is lent. The credentials are good for nothing, since their
// session policy denies everything, and are forgotten at once. Roles are
// validated several at a time and within a rate of calls to STS that all
// validations share; a role that is denied is tried again for a while, since
// IAM takes seconds to spread what was just changed, and holds up nobody
// meanwhile.
//
// The package refuses to call a role failed because STS could not be asked,
// and to go by the words of an error where a call can decide.
//
//	v := validate.New(validate.Options{STS: client})
//	results := v.Roles(ctx, validate.Subject{Integration: production}, func(r rolebroker.RoleValidation) {
//		fmt.Println(r.Role.Name, r.Status)
//	})
package validate
