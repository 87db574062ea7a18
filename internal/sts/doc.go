// Package sts calls the AWS Security Token Service.
//
// It assumes roles from the AWS identity that the SDK's default chain finds in
// the operator's environment: variables, a profile, a web-identity token, a
// container or an instance role. It calls the regional endpoint of each role's
// region and partition, since tokens of the global endpoint are not valid in
// every region.
//
// Its errors are [rolebroker.Refusal], by AWS's error code. The package refuses
// to fall back to another identity when the chain finds none, and keeps no
// credentials of roles.
//
//	client := sts.New(sts.Options{})
//	assumed, err := client.Assume(ctx, rolebroker.Assumption{ARN: arn, Region: "eu-west-1", …})
package sts
