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

locals {
  # What each role may do.
  roles = {
    readonly = ["s3:Get*", "s3:List*"]
    deployer = ["s3:Get*", "s3:List*", "s3:Put*"]
  }
}

# What the roles' trust policies require, so that nobody else can have the
# server assume them.
resource "rolebroker_external_id" "production" {}

data "rolebroker_aws_setup" "production" {
  external_id = rolebroker_external_id.production.external_id
}

resource "aws_iam_role" "agents" {
  for_each = local.roles

  name               = "agents-${each.key}"
  path               = "/agents/"
  description        = "Lent to AI agents by rolebroker"
  assume_role_policy = data.rolebroker_aws_setup.production.trust_policy
}

resource "aws_iam_role_policy" "agents" {
  for_each = local.roles

  name = "agents"
  role = aws_iam_role.agents[each.key].name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = each.value, Resource = "*" }]
  })
}

# Each role is assumed before the integration is saved.
resource "rolebroker_aws_integration" "production" {
  name         = "production"
  external_id  = rolebroker_external_id.production.external_id
  default_role = "readonly"

  roles = {
    for name, role in aws_iam_role.agents : name => { arn = role.arn, region = "us-east-1" }
  }
}

resource "rolebroker_agent" "scout" {
  name = "scout"
}

resource "rolebroker_agent_connection" "scout" {
  agent       = rolebroker_agent.scout.id
  integration = rolebroker_aws_integration.production.id
}
