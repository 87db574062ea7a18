terraform {
  required_version = ">= 1.11"

  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

# ROLEBROKER_URL is the URL of the server, and ROLEBROKER_TOKEN an API key.
provider "rolebroker" {}

provider "aws" {
  region = "us-east-1"
}

locals {
  # The permissions of each role.
  roles = {
    readonly = ["s3:Get*", "s3:List*"]
    deployer = ["s3:Get*", "s3:List*", "s3:Put*"]
  }
}

# The roles' trust policies require the external ID, so that nobody else can
# make the server assume them.
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

# The server tries to assume each role before it saves the integration.
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
