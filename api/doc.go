// Package api is the JSON of the management API and, in runner_*.go, of the API
// for runners. Server and client share these types, so that they cannot differ.
//
// Requests and answers have separate types, even where they look alike: a request
// distinguishes a field that is left out (a nil pointer) from an empty one. To read
// something, edit it and write it back, requests accept the fields that only the
// server sets. An ID must then be the stored one; a time or a version is ignored.
//
// The package has no behaviour: it checks nothing, sets no defaults and imports the
// standard library only. The nouns in package rolebroker decide what is valid, and
// internal/convert converts between the two. The tags doc, example, pattern and so
// on describe the fields in the OpenAPI document.
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
