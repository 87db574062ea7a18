data "rolebroker_aws_integration" "production" {
  name = "production"
}

output "roles_that_cannot_be_assumed" {
  value = [
    for name, role in data.rolebroker_aws_integration.production.roles :
    "${name}: ${role.validation.message}" if try(role.validation.status == "failed", false)
  ]
}
