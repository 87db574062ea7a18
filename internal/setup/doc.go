// Package setup writes what has to be done in AWS so that roles can be assumed:
// the statement for a trust policy, a guide for a person, commands for a shell, a
// CloudFormation template and Terraform configuration. All of it is filled in and
// ready to be pasted. The same input gives the same text.
//
// Given the current trust policy of a role, it writes that policy with our
// statement merged in. It keeps the statements of others to the letter, except
// that it escapes invisible characters. It replaces earlier statements of ours,
// and lets in no more than they did unless that is requested. It reports what in
// the policy denies us access or lets in everyone, and which principals were
// deleted, so that IAM would refuse the policy.
//
// The package refuses to do input or output, let alone call AWS. It refuses to
// write text that does harm when it is pasted: whatever a name, a path or a policy
// contains stays text in a shell, in HCL and in JSON; commands with placeholders
// are comments; and all other commands run only in the account that they are for.
// Whether AWS accepts the setup is for validation to find out.
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
