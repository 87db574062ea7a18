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
  # The roles of the integration, by their names there, with their names in IAM.
  roles = {
    readonly = "ReadOnly"
    deployer = "Deployer"
  }
}

import {
  to = rolebroker_aws_integration.production
  id = "production"
}

import {
  for_each = local.roles

  to = aws_iam_role.agents[each.key]
  id = each.value
}

# By its name, and not by the resource below: the trust policies come before the
# roles, and the roles before the integration. A reference would be a cycle.
data "rolebroker_aws_setup" "production" {
  integration = "production"
}

resource "aws_iam_role" "agents" {
  for_each = local.roles

  name               = each.value
  assume_role_policy = data.rolebroker_aws_setup.production.trust_policies[each.key]
}

# Without external_id: the integration keeps its own.
resource "rolebroker_aws_integration" "production" {
  name         = "production"
  default_role = "readonly"

  roles = {
    for name, role in aws_iam_role.agents : name => { arn = role.arn, region = "us-east-1" }
  }

  revalidate_triggers = { for name, role in aws_iam_role.agents : name => role.assume_role_policy }
}
