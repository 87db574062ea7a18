// Package awssim is an AWS small enough to embed: the Security Token Service,
// enough of IAM to build users, roles, policies and OpenID Connect providers by
// hand, and a few calls of S3, DynamoDB and EC2 that show what a session may do,
// on the real wire protocols. Real SDKs and the real AWS command line work with
// it unchanged.
//
// It exists to demonstrate and test programs that assume roles, without an AWS
// account. It follows AWS's rules: it verifies signatures, evaluates trust and
// identity policies, refuses durations that are too long rather than shortening
// them, lets credentials expire, and answers the same for a role that does not
// exist as for one that denies access.
//
// It serves no other purpose. It keeps everything in memory, listens on loopback
// addresses only, and makes no connections unless it is given an HTTP client. It
// does not import the AWS SDK, so that the two cannot share a mistake. Permissions
// boundaries, groups, SAML, MFA devices, IAM's calls that make managed policies, resource
// policies, multipart uploads and DynamoDB's expressions are not simulated; a call
// that needs one is refused rather than answered without it.
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
