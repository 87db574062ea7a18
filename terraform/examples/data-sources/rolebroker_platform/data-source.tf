data "rolebroker_platform" "this" {}

# The identity that assumes the roles.
output "platform" {
  value = data.rolebroker_platform.this.arn
}
