data "rolebroker_agent" "scout" {
  name = "scout"
}

output "integrations_of_scout" {
  value = data.rolebroker_agent.scout.integrations
}
