// Package provider is rolebroker's Terraform provider. Its resources are
// integrations with their roles, external IDs, runners, agents, connections,
// bindings to service accounts, and agent tokens. A data source has the trust
// policies and commands for setting up AWS.
//
// Like the command line, it calls the management API through
// [github.com/rolebroker/rolebroker/client] and leaves all decisions to the
// server. It checks a configuration with the rules of package rolebroker while
// Terraform plans, as far as that needs no request.
//
// It refuses to overwrite changes that were made since the plan, to take a
// not-found answer of anything but rolebroker as proof that an object is gone,
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
