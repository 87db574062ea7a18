# Reserved before the integration exists, so that the trust policies of roles in
# the same plan can require it.
resource "rolebroker_external_id" "production" {}

data "rolebroker_aws_setup" "production" {
  external_id = rolebroker_external_id.production.external_id
}
