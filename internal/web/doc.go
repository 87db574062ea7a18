// Package web is the web app: pages for people, rendered by the server.
//
// Every action is a form that works without JavaScript. The scripts (htmx,
// app.js, form.js and roles.js) only save people from waiting and from losing their place. A page
// consists of a struct, a handler that returns an error, and a template in the
// folder pages. The folder parts has the templates that several pages share.
//
// A person signs in with an API key and gets a cookie that stands for the key. The
// broker decides for each request what the key may do.
//
// The package refuses to store a key, to accept a form from another site, to be
// framed, to run scripts other than its own files, and to answer API requests.
//
//	handler := web.New(web.Options{Broker: b, Auth: authenticator, Log: log, Version: version})
package web
