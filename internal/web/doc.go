// Package web is the web app: pages for people, rendered by the server.
//
// Every action is a form that works without JavaScript; htmx and a small script
// of our own only save people from waiting and from losing their place. A page is a typed struct, a
// handler that returns an error, and a template of the same name in pages; what
// several pages have is in parts.
//
// A person signs in with an API key and has a cookie from then on, which stands
// for the key: what the broker allows it is decided there, for each request
// anew. The package refuses to hold a key, to let another site post or frame
// anything, to run a script that is not its own file, and to answer API
// requests: those are another door.
//
//	handler := web.New(web.Options{Broker: b, Auth: authenticator, Log: log, Version: version})
package web
