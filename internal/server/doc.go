// Package server assembles the control plane. It serves the credentials endpoint,
// the management API, the endpoints for runners, the web app, health and metrics on
// one listener, and does the background work.
//
// It is the only package that imports the store. It refuses to start with settings
// that would send credentials over the network unencrypted, and to stop before it
// has finished the requests it has begun.
//
//	err := server.Run(ctx, cfg, server.Options{Log: log}) // until ctx ends
package server
