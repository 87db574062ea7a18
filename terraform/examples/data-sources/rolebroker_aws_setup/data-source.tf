# For roles that the platform assumes.
resource "rolebroker_external_id" "production" {}

data "rolebroker_aws_setup" "production" {
  external_id = rolebroker_external_id.production.external_id
}

# For roles that a cluster assumes.
data "rolebroker_aws_setup" "cluster" {
  account_id = "444455556666"

  cluster = {
    issuer          = "https://oidc.eks.us-east-1.amazonaws.com/id/B716A7BD2EF7"
    namespace       = "agents"
    service_account = "runner"
  }
}

# For the roles of an existing integration.
data "rolebroker_aws_setup" "staging" {
  integration = "staging"
}

output "trust_policy" {
  value = data.rolebroker_aws_setup.production.trust_policy
}
