// Package runner assumes roles inside a customer's cluster, with the cluster's
// own AWS identity, for a server that decides who may borrow what and never
// holds a credential.
//
// A runner is [github.com/rolebroker/rolebroker/internal/broker].Lender, as in a
// server, on records that are the server's: see record. It connects out, once, to
// hear of changes, and asks for everything else: see link. Agents in the
// cluster find it at the container-credentials endpoint, and show an agent token
// or the token of their own service account.
//
// While the server cannot be reached it goes on with what was authorised, for a
// grace; it writes down what it does meanwhile before it does it, and tells that
// afterwards. It refuses to begin anything new then, to lend what another
// identity than its own would have to assume, and to hand a credential to
// anybody but the agent that asked.
//
//	r, err := runner.Start(ctx, runner.Options{Server: client.Options{URL: url}, State: runner.Folder(folder), JoinToken: token, Direct: sts.New(sts.Options{}), Listen: "127.0.0.1:8485"})
package runner
