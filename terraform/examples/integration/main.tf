terraform {
  required_version = ">= 1.11"

  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
  }
}

# ROLEBROKER_URL and ROLEBROKER_TOKEN say where the server is, and who asks.
provider "rolebroker" {}

# Add roles, and validate them: nothing is saved unless each can be assumed.
resource "rolebroker_aws_integration" "production" {
  name         = "production"
  description  = "Production accounts"
  default_role = "readonly"

  roles = {
    readonly = {
      arn    = "arn:aws:iam::444455556666:role/ReadOnly"
      region = "us-east-1"
    }
    deployer = {
      arn    = "arn:aws:iam::444455556666:role/Deployer"
      region = "eu-west-1"
    }
  }
}

# Let an agent borrow them.
resource "rolebroker_agent" "scout" {
  name        = "scout"
  description = "Looks after production"
}

resource "rolebroker_agent_connection" "scout" {
  agent       = rolebroker_agent.scout.id
  integration = rolebroker_aws_integration.production.id
}

output "roles" {
  description = "What validation says of each role."
  value       = { for name, role in rolebroker_aws_integration.production.roles : name => role.validation.code }
}
