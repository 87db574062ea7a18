// Package lend lends AWS roles to agents.
//
// [Lender.Lend] is the whole of it: find out what the agent may borrow now,
// resolve the role that it names, record the session, ask STS, and hand out
// the credentials. Requests for the same credentials share one call to STS. A
// lease renews its credentials in the background, at half of their lifetime,
// while agents still use them.
//
// A server lends, and so does a runner. They differ in their [Records], in
// their [Assumer] and in the integrations that they serve.
//
// The package refuses to lend anything whose session is not in the record, to
// hand out expired credentials, and to use another role or another identity
// than the one it resolved. It knows no HTTP, no SQL and no AWS SDK.
//
//	lender := lend.New(lend.Options{Records: database, Assumer: sts})
//	loan, err := lender.Lend(ctx, caller, rolebroker.Request{Role: "deployer"})
//	if err != nil {
//		return err // an *rolebroker.Error that says why, and what is available
//	}
//	use(loan.Credentials)
package lend
