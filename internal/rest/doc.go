// Package rest is the management API: /api/v1, JSON, described by OpenAPI 3.1
// at /openapi.json.
//
// A request passes four stations. [New]'s handler finds out who asks, before a
// byte of the body is read. The body is decoded strictly: an unknown field, a
// field given twice and a value of the wrong type are each refused by name. The
// handler turns the request into nouns and calls one method of the broker, to
// which the caller is an argument. Whatever goes wrong on the way becomes a
// problem document (RFC 9457) in error.go, which has the only table of
// statuses.
//
// The package refuses to decide: who may do what, what a valid integration is
// and what happens to one are the business of the broker and the nouns. It also
// refuses agent tokens, form bodies, and paths that would have to be cleaned
// before they mean something.
//
//	handler := rest.New(rest.Options{Broker: b, Auth: authenticator, Log: log, Version: version})
//	http.ListenAndServe("127.0.0.1:8484", handler)
package rest
