// Package broker administers what lending reads: integrations, agents, connections, tokens, API keys and runners. It
// also serves what runners ask of a server. Lending itself is in package lend.
//
// Every method takes the [rolebroker.Caller] and asks [Broker.May] first, which permits the action, or refuses it and
// records the refusal. A change is recorded once the store has accepted it. The exceptions are listed in a test.
//
// The broker returns a secret only once, when it makes it. It knows no HTTP, no SQL and no AWS SDK: it has a [Store]
// and a [validate.STS].
//
//	lender := lend.New(lend.Options{Records: database, Assumer: sts})
//	b := broker.New(broker.Options{Store: database, STS: sts, Lender: lender})
//	in, err := b.Integration(ctx, caller, "production")
package broker
