// Package awssim is an AWS small enough to embed: the Security Token Service
// and enough of IAM to build users, roles, policies and OpenID Connect
// providers by hand, on the real wire protocol. Real SDKs and the real AWS
// command line talk to it; they cannot tell it from AWS by the calls it
// knows.
//
// It exists so that a program which assumes roles can be shown and tested
// whole, without an account. It therefore decides for itself, and by AWS's
// rules: signatures are verified, trust and identity policies are evaluated,
// durations are refused rather than clamped, credentials expire, and a role
// that does not exist answers exactly as one that refuses.
//
// It refuses to be useful for anything else. It keeps everything in memory,
// listens on loopback addresses only, makes no connection of its own unless
// given an HTTP client, knows no service but STS and IAM, and does not import
// the AWS SDK, whose mistakes it could otherwise share. Permissions
// boundaries, groups, SAML, MFA devices and IAM's managed-policy calls are not
// simulated.
//
//	aws := awssim.New(awssim.Options{})
//	vendor, customer := aws.Account("111122223333"), aws.Account("444455556666")
//	broker := vendor.CreateUser("broker", awssim.AllowAll)
//	role := customer.CreateRole(awssim.Role{
//		Name:        "readonly",
//		TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
//			"Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`,
//	})
//	srv, err := awssim.Start(aws) // or aws.HTTPClient(), with no sockets
//
// and then, with any SDK pointed at srv.URL and signing with broker.Key,
// AssumeRole of role.ARN.
package awssim
