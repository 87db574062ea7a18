terraform {
  required_version = ">= 1.11"

  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
    aws = {
      source = "hashicorp/aws"
    }
  }
}

# ROLEBROKER_URL and ROLEBROKER_TOKEN say where the server is, and who asks.
provider "rolebroker" {}

provider "aws" {
  region = "us-east-1"
}

data "rolebroker_aws_integration" "production" {
  name = "production"
}

resource "rolebroker_agent" "scout" {
  name = "scout"
}

resource "rolebroker_agent_connection" "scout" {
  agent       = rolebroker_agent.scout.id
  integration = data.rolebroker_aws_integration.production.id
}

# The token is made here, at every run, and is in no state and in no plan.
ephemeral "rolebroker_agent_token" "scout" {}

# The server remembers its hash, when this is created and at no other time.
resource "rolebroker_agent_token" "scout" {
  agent    = rolebroker_agent.scout.id
  label    = "in Secrets Manager"
  token_wo = ephemeral.rolebroker_agent_token.scout.token

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_secretsmanager_secret" "scout" {
  name        = "rolebroker/scout"
  description = "The token of the agent scout"
}

# This is another one whenever the token is: replaced, expired or revoked.
resource "aws_secretsmanager_secret_version" "scout" {
  secret_id                = aws_secretsmanager_secret.scout.id
  secret_string_wo         = ephemeral.rolebroker_agent_token.scout.token
  secret_string_wo_version = 1

  lifecycle {
    create_before_destroy = true
    replace_triggered_by  = [rolebroker_agent_token.scout.id]
  }
}
