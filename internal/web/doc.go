// Package web is the web app: pages for people, rendered by the server.
//
// Every action is a form that works without JavaScript. htmx and a small script of our own only update parts of a page
// in place. A page is a typed struct, a handler that returns an error, and a template of the same name in the folder
// pages. The folder parts has the templates that several pages share.
//
// A person signs in with an API key. The browser then has a cookie in place of the key, and the broker decides for each
// request what the key permits. The package does not keep keys, refuses posts and frames of other sites, runs no
// scripts but its own files, and does not answer API requests.
//
//	handler := web.New(web.Options{Broker: b, Auth: authenticator, Log: log, Version: version})
package web
