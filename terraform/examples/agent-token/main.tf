terraform {
  required_version = ">= 1.11"

  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88" # secret_string_wo
    }
  }
}

# ROLEBROKER_URL is the URL of the server, and ROLEBROKER_TOKEN an API key.
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

# Makes a new token at every run. The token is in no state and no plan.
ephemeral "rolebroker_agent_token" "scout" {}

# Registers the token when Terraform creates this resource, and at no other time.
# The server keeps its hash.
resource "rolebroker_agent_token" "scout" {
  agent      = rolebroker_agent.scout.id
  label      = "in Secrets Manager"
  expires_in = "2160h" # an apply in the last third of it makes another one
  token_wo   = ephemeral.rolebroker_agent_token.scout.token

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_secretsmanager_secret" "scout" {
  name        = "rolebroker/scout"
  description = "The token of the agent scout"
}

# Terraform replaces the secret whenever it replaces the token.
resource "aws_secretsmanager_secret_version" "scout" {
  secret_id                = aws_secretsmanager_secret.scout.id
  secret_string_wo         = ephemeral.rolebroker_agent_token.scout.token
  secret_string_wo_version = 1

  lifecycle {
    create_before_destroy = true
    replace_triggered_by  = [rolebroker_agent_token.scout.id]
  }
}
