// Package server assembles rolebroker: the store, STS, the broker, the
// credentials endpoint and the management API behind one listener, with
// health, metrics and what has to be done in the background.
//
// It is the only package that knows the store. It refuses to start on a
// configuration that would carry credentials over the network in the clear,
// and to stop before what is under way is done.
//
//	err := server.Run(ctx, cfg, server.Options{Log: log}) // until ctx ends
package server
