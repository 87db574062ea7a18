terraform {
  required_version = ">= 1.11"

  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
  }
}

# ROLEBROKER_URL is the URL of the server, and ROLEBROKER_TOKEN an API key.
provider "rolebroker" {}

# Adds and validates roles. Nothing is saved unless each of them can be assumed.
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

# Lets an agent borrow them.
resource "rolebroker_agent" "scout" {
  name        = "scout"
  description = "Looks after production"
}

resource "rolebroker_agent_connection" "scout" {
  agent       = rolebroker_agent.scout.id
  integration = rolebroker_aws_integration.production.id
}

output "roles" {
  description = "The result of validating each role."
  value       = { for name, role in rolebroker_aws_integration.production.roles : name => role.validation.code }
}
