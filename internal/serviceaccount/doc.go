// Package serviceaccount verifies the projected token of a pod, and so finds out
// as which Kubernetes service account the pod runs.
//
// A token is valid if the cluster issued it for our audience, one of the issuer's
// keys signed it, and it has not expired. The keys come from the cluster's API
// server, unless the options say otherwise. They are fetched again when a token
// names an unknown key, so that keys rotate without a restart; a flood of forged
// tokens costs the API server one request in five seconds.
//
// The package refuses tokens that contain their key or have no signature,
// symmetric algorithms, and tokens that never expire. Once a minute it asks the API
// server whether the token still counts (TokenReview): it does not once its pod or
// its service account is deleted. Where it cannot ask, it refuses tokens that live
// for more than an hour. Other packages decide what a service account may do.
//
//	verifier := serviceaccount.New(serviceaccount.Options{}) // of the cluster that this pod is in
//	said, err := verifier.Verify(ctx, token)                 // said.Account: system:serviceaccount:agents:scout
//
// Source: Kubernetes documentation, "Managing Service Accounts", "Bound service
// account tokens"; RFC 7519; RFC 8725.
package serviceaccount
