// Package api is the JSON of the management API: what a request to it says
// and what it answers. The server in internal/rest and the Go client in client
// share these types, so neither can drift from the other.
//
// A request type and a response type are two types even where they look alike:
// a request tells what was left out (a nil pointer) from what was emptied. To
// make a round trip easy (read, edit, write back) requests accept the fields
// that only the server sets; such an ID must be the one that is stored, and
// such a time or version is ignored.
//
// The package refuses to do anything: it checks nothing, fills in nothing and
// imports the standard library only. What is right is decided by the nouns in
// package rolebroker. The tags doc, example, pattern and so on describe the
// fields in the OpenAPI document.
//
//	request := api.IntegrationRequest{
//		Name:        "production",
//		DefaultRole: "readonly",
//		Roles: []api.RoleRequest{{
//			Name:   "readonly",
//			ARN:    "arn:aws:iam::444455556666:role/ReadOnly",
//			Region: "us-east-1",
//		}},
//	}
package api
