// Package rest is the management API: /api/v1, JSON, described by OpenAPI 3.1
// at /openapi.json.
//
// A request is handled in four steps. The handler that [New] returns identifies
// the caller before it reads the body. The body is decoded strictly: an unknown
// field, a field given twice and a value of the wrong type are each refused by
// name. The operation converts the request to nouns (internal/convert) and calls
// one method of the broker with the caller as an argument. An error becomes a
// problem document (internal/problem).
//
// The package makes no decisions: the broker and the nouns decide who may do
// what, and what is valid. It refuses agent tokens, form bodies, and paths that
// are not clean.
//
//	handler := rest.New(rest.Options{Broker: b, Auth: authenticator, Log: log, Version: version})
//	http.ListenAndServe("127.0.0.1:8484", handler)
package rest
