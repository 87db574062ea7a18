// Package runner assumes roles inside a customer's cluster, with the cluster's
// own AWS identity, for a server that decides who may borrow what and never
// holds a credential.
//
// A runner lends by the same code as a server, lend.Lender; its records are the
// server's. It opens one connection to the server for the events that say what
// changed, and asks the server for everything else. Agents in the cluster borrow
// at the container-credentials endpoint, with an agent token or the token of
// their own service account. Roles that the platform assumes are borrowed from
// the server.
//
// While the server cannot be reached, the runner goes on with the sessions that
// the server authorised, for a grace period. For that it keeps its knowledge of
// every agent that asked lately: after a change it forgets what the change concerns,
// and asks the server about it at once. It spools the record of each session
// before it asks STS, and sends the record when the server is back. During that
// time it refuses to begin a session that the server has not authorised. It never
// assumes the roles of another runner, and never gives a credential to anyone but
// the agent that asked.
//
//	r, err := runner.Start(ctx, runner.Options{
//		Server: client.Options{URL: url}, State: runner.Folder(folder), JoinToken: token,
//		Direct: sts.New(sts.Options{}), Grace: time.Hour, Listen: "127.0.0.1:8485",
//	})
package runner
