terraform {
  required_version = ">= 1.11"

  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.81" # thumbprint_list is optional
    }
  }
}

variable "issuer" {
  description = "The cluster's OpenID Connect issuer: aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer"
  type        = string
}

# ROLEBROKER_URL is the URL of the server, and ROLEBROKER_TOKEN an API key.
provider "rolebroker" {}

provider "aws" {
  region = "us-east-1"
}

data "aws_caller_identity" "current" {}

# Once for each account and cluster. Leave it out if it exists already.
resource "aws_iam_openid_connect_provider" "cluster" {
  url            = var.issuer
  client_id_list = ["sts.amazonaws.com"]
}

# The roles trust the service account that the chart of the runner creates.
data "rolebroker_aws_setup" "cluster" {
  account_id = data.aws_caller_identity.current.account_id

  cluster = {
    issuer          = var.issuer
    namespace       = "rolebroker"
    service_account = "rolebroker-runner"
  }
}

resource "aws_iam_role" "readonly" {
  name               = "agents-readonly"
  description        = "Lent to AI agents by the runner in the cluster"
  assume_role_policy = data.rolebroker_aws_setup.cluster.trust_policy

  depends_on = [aws_iam_openid_connect_provider.cluster]
}

# The runner in the cluster. The server believes it about the service accounts of
# its own cluster, and about no others.
resource "rolebroker_runner" "cluster" {
  name   = "eks"
  issuer = var.issuer

  lifecycle {
    create_before_destroy = true # so that one apply can remove it, or replace it under another name
  }
}

# The platform cannot validate these roles; the runner does, once it is connected.
resource "rolebroker_aws_integration" "cluster" {
  name            = "cluster"
  assumption_mode = "cluster"
  runner          = rolebroker_runner.cluster.id
  default_role    = "readonly"

  roles = {
    readonly = {
      arn    = aws_iam_role.readonly.arn
      region = "us-east-1"
    }
  }
}

# The pods of this agent need no rolebroker token: they use the token of their
# service account.
resource "rolebroker_agent" "scout" {
  name = "scout"
}

resource "rolebroker_agent_connection" "scout" {
  agent       = rolebroker_agent.scout.id
  integration = rolebroker_aws_integration.cluster.id
}

resource "rolebroker_agent_binding" "scout" {
  agent           = rolebroker_agent.scout.id
  issuer          = rolebroker_runner.cluster.issuer
  namespace       = "agents"
  service_account = "scout"
}
