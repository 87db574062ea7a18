// Package setup writes down what has to be done in AWS so that roles can be
// assumed: the statement that a trust policy needs, and with it a guide for a
// person, commands for a shell, a CloudFormation template and Terraform's HCL.
// All of it is filled in and ready to be pasted, and the same input gives the
// same text.
//
// Of a role that exists it can be told the trust policy, and then writes that
// policy with our statement in it. What others may do stays as it is, to the
// letter, but for characters that nobody sees, which are escaped; statements of
// our own from earlier are replaced, not repeated, and let in no more than they
// did unless that is asked for; and what the policy says against us, or leaves
// open to everyone, is said.
//
// It refuses to do anything in AWS, and does no input or output at all. It
// refuses to write what would do harm when it is pasted: whatever a name, a
// path or a policy contains stays text in a shell, in HCL and in JSON; commands in which something has still to be filled in are comments, and
// all others are run in the account only that they are for. It does not find out
// whether AWS takes it, which is what validation is for.
//
//	s := setup.Subject{
//		Integration: "production", Mode: rolebroker.ModePlatform,
//		Platform:    identity, // of GetCallerIdentity
//		ExternalIDs: []string{"rb-7c1d…"},
//		Roles:       production.Roles,
//	}
//	done, err := setup.New(ctx, s)
//	fmt.Print(done.Text)                  // all of it, for a person
//	fmt.Print(s.Statement(s.Roles[0]))    // {"Effect": "Allow", "Principal": …
package setup
