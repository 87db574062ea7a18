data "rolebroker_platform" "this" {}

# Whom IAM sees when roles are assumed.
output "platform" {
  value = data.rolebroker_platform.this.arn
}
