// Package provider is rolebroker's Terraform provider: integrations with their
// roles, external IDs, runners, agents, connections, bindings to service accounts
// and agent tokens, as resources; and what has to be done in AWS, as a data
// source.
//
// It is a door like the command line: it speaks the management API through
// [github.com/rolebroker/rolebroker/client] and judges nothing that the server
// judges. What can be said of a configuration without asking anybody it says
// while Terraform plans, with the rules of package rolebroker itself.
//
// It refuses to write over what changed since the plan was made, to take an
// answer of something that is not rolebroker for the news that a thing is gone,
// and to put a token into Terraform's state.
//
//	resource "rolebroker_aws_integration" "production" {
//	  name         = "production"
//	  default_role = "readonly"
//	  roles = {
//	    readonly = { arn = aws_iam_role.readonly.arn, region = "us-east-1" }
//	  }
//	}
package provider
