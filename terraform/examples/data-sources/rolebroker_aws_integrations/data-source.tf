data "rolebroker_aws_integrations" "all" {}

output "disabled" {
  value = [for name, it in data.rolebroker_aws_integrations.all.integrations : name if !it.enabled]
}
