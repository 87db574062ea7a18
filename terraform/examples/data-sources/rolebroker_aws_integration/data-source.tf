data "rolebroker_aws_integration" "production" {
  name = "production"
}

output "roles_that_cannot_be_assumed" {
  value = [
    for name, role in data.rolebroker_aws_integration.production.roles :
    "${name}: ${role.state.message}" if role.state.status == "failed"
  ]
}
