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

variable "issuer" {
  description = "The cluster's OpenID Connect issuer: aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer"
  type        = string
}

# ROLEBROKER_URL and ROLEBROKER_TOKEN say where the server is, and who asks.
provider "rolebroker" {}

provider "aws" {
  region = "us-east-1"
}

data "aws_caller_identity" "current" {}

# Once for each account and cluster. Where it is there already, leave it out.
resource "aws_iam_openid_connect_provider" "cluster" {
  url            = var.issuer
  client_id_list = ["sts.amazonaws.com"]
}

data "rolebroker_aws_setup" "cluster" {
  account_id = data.aws_caller_identity.current.account_id

  cluster = {
    issuer          = var.issuer
    namespace       = "agents"
    service_account = "runner"
  }
}

resource "aws_iam_role" "readonly" {
  name               = "agents-readonly"
  description        = "Lent to AI agents by the runner in the cluster"
  assume_role_policy = data.rolebroker_aws_setup.cluster.trust_policy

  depends_on = [aws_iam_openid_connect_provider.cluster]
}

# The platform cannot validate these roles; the runner finds out.
resource "rolebroker_aws_integration" "cluster" {
  name            = "cluster"
  assumption_mode = "cluster"
  default_role    = "readonly"

  roles = {
    readonly = {
      arn    = aws_iam_role.readonly.arn
      region = "us-east-1"
    }
  }
}
