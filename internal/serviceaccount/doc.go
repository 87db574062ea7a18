// Package serviceaccount finds out which Kubernetes service account a pod runs
// as, from the projected token that the pod shows.
//
// A token is believed when its issuer is the cluster's, it has not expired, it
// was made for our audience, and one of the issuer's keys signed it. The keys
// are fetched from the cluster's API server unless told otherwise, and again
// when a token names one that is not known: they rotate without a restart, and
// a flood of forged tokens costs the API server one request in five seconds.
//
// The package refuses tokens that name their own key or none, symmetric
// algorithms, and tokens that never expire. It does not ask the API server
// whether the pod is still there: a token is good until it expires, which is why
// pods ask for short ones. What a service account may do is decided elsewhere.
//
//	verifier := serviceaccount.New(serviceaccount.Options{}) // of the cluster that this pod is in
//	account, expires, err := verifier.Verify(ctx, token)     // system:serviceaccount:agents:scout
//
// Source: Kubernetes documentation, "Managing Service Accounts", "Bound service
// account tokens"; RFC 7519; RFC 8725.
package serviceaccount
