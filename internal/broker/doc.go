// Package broker administers what lending reads: integrations, agents,
// connections, tokens, API keys and runners. Lending itself is in package lend.
//
// Each method takes the [rolebroker.Caller] who asks, checks that it may and
// records that it did.
//
// The broker refuses whatever the caller may not do, and never returns a secret
// a second time. It knows no HTTP, no SQL and no AWS SDK: it has a [Store]
// and a [validate.STS].
//
//	lender := lend.New(lend.Options{Records: database, Assumer: sts})
//	b := broker.New(broker.Options{Store: database, STS: sts, Lender: lender})
//	in, err := b.Integration(ctx, caller, "production")
package broker
