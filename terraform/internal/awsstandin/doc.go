// Package awsstandin is a Terraform provider with the names and arguments of
// hashicorp/aws, as far as the examples of this repository use them, so that
// the examples run as they are written where there is no registry and no AWS.
//
// It speaks to IAM and STS over the AWS SDK, at AWS_ENDPOINT_URL. There is no
// Secrets Manager behind that: a secret is a file in the folder that
// [SecretsEnv] names, under the name of the secret.
//
// It is for tests only: no installed program imports it, and without
// AWS_ENDPOINT_URL it refuses to be configured, so that it never calls
// the real AWS.
//
//	providerserver.Serve(ctx, awsstandin.New(), providerserver.ServeOpts{Address: awsstandin.Address})
package awsstandin
