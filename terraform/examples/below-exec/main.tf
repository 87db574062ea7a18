terraform {
  required_version = ">= 1.11"

  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
  }

  # The state is in S3. The backend finds the credentials of the role that
  # rolebroker exec lends to Terraform, as every program with an AWS SDK does.
  backend "s3" {
    bucket = "terraform-states"
    key    = "rolebroker.tfstate"
    region = "us-east-1"
  }
}

variable "rolebroker_url" {
  description = "The URL of the rolebroker server."
  type        = string
}

variable "rolebroker_key" {
  description = "An API key of the server."
  type        = string
  sensitive   = true
  ephemeral   = true # in no plan
}

# Below rolebroker exec, ROLEBROKER_URL and ROLEBROKER_TOKEN are those of the
# room, which has no management API.
provider "rolebroker" {
  url   = var.rolebroker_url
  token = var.rolebroker_key
}

resource "rolebroker_agent" "ranger" {
  name        = "ranger"
  description = "Made by Terraform below rolebroker exec"
}
