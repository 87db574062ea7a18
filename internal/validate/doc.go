// Package validate finds out whether roles can be assumed, and if not, why.
//
// It assumes a role as lending would, and at the same time without the external
// ID and with a wrong one: if one of those works, anyone who can add roles to
// this deployment can have the role. It also tries a source identity, if lending
// sends none. If STS refuses, it changes one thing at a time (no session tags, no
// source identity, another external ID, a shorter duration) until a call succeeds,
// which names the cause. A trust policy can name agents, so a denied role is also tried
// in the names of some. IAM tells what our own policies allow, if we may ask. Where
// nothing tells causes apart, the hint lists what to check, in order.
//
// The result is a [rolebroker.Finding]. [Explain] puts it in words, also one that a
// runner sent.
//
// The credentials are good for nothing, since their session policy denies
// everything, and are dropped at once. A few roles are tried at the same time,
// within a rate of calls to STS that all validations share. A role that is denied
// is tried again for a while, since IAM takes that long to spread a change; other roles
// do not wait for it.
//
// The package refuses to call a role failed when STS could not be asked, and to
// read the words of an error where a call can decide.
//
//	v := validate.New(validate.Options{STS: client})
//	results := v.Roles(ctx, validate.Subject{Integration: production}, func(r rolebroker.RoleValidation) {
//		fmt.Println(r.Role.Name, r.Status)
//	})
package validate
