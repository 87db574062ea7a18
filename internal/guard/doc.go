// Package guard bounds what strangers can cost: callers who have no credential, or a wrong one.
//
//   - A [Listener] bounds the open connections, in all and for each address. It closes the connection of a client that
//     sends nothing, sends a request too slowly, or does not read the answer. When it is full, it closes the oldest
//     connection that is doing nothing, so that a new client is served.
//   - [Failures] bounds how often an address may show a wrong credential. It never refuses a right one, because many
//     clients may share an address.
//   - [Sampled] bounds the lines that strangers cause in the log, or one agent.
//
// The memory of each is constant, and a request that succeeds takes no lock. The package does not know credentials.
//
//	listener := guard.Listen(l, guard.Options{Log: log})
//	server := &http.Server{Handler: handler, ConnState: guard.NoteState, ErrorLog: guard.ErrorLog(log)}
//	err := server.Serve(listener)
package guard
