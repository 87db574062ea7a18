# Warns at every plan and apply about roles that cannot be assumed.
check "roles" {
  data "rolebroker_aws_validation" "production" {
    integration = "production"
  }

  assert {
    condition = data.rolebroker_aws_validation.production.ok
    error_message = join("\n", [
      for name, role in data.rolebroker_aws_validation.production.roles : "${name}: ${role.message}"
      if role.status == "failed"
    ])
  }
}
