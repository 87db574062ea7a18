// Package broker lends AWS roles to agents.
//
// [Broker.Lend] is the whole of it: find out what the agent may borrow now,
// resolve the reference it names, record the session, have STS asked once for
// all who wait, and hand out the credentials. Renewal happens in the
// background, at half of the credentials' life, while they are still used.
//
// The rest of the package administers what Lend reads: integrations, agents,
// connections, tokens, API keys. Each of those methods takes the
// [rolebroker.Caller] who asks, checks that it may and records that it did.
//
// The broker refuses to lend anything whose session is not in the record, to
// hand out what has expired, and to use another role or another identity than
// the one that was resolved. It knows no HTTP, no SQL and no AWS SDK: it has a
// [Store] and an [Assumer].
//
//	loan, err := b.Lend(ctx, caller, rolebroker.Request{Role: "deployer"})
//	if err != nil {
//		return err // an *rolebroker.Error that says why, and what is available
//	}
//	use(loan.Credentials)
package broker
