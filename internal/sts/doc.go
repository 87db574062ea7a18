// Package sts asks the AWS Security Token Service.
//
// It assumes roles from the operator's ambient AWS identity: whatever the
// SDK's default chain finds, be it environment variables, a profile, a
// web-identity token, a container or an instance role. Each role is asked for
// at the regional endpoint of its own region and partition, since tokens of
// the global endpoint are not good in every region.
//
// What STS answers is told apart by its error code, in [rolebroker.Refusal].
// The package refuses to guess an identity: when the chain finds none, that is
// the answer. It keeps no credentials; who asks for them does.
//
//	client := sts.New(sts.Options{})
//	assumed, err := client.Assume(ctx, rolebroker.Assumption{ARN: arn, Region: "eu-west-1", …})
package sts
