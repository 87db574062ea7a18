# Connects every agent whose name contains "ci-" to an integration.
data "rolebroker_agents" "ci" {
  search = "ci-"
}

resource "rolebroker_agent_connection" "artifacts" {
  for_each = data.rolebroker_agents.ci.agents

  agent       = each.value.id
  integration = "artifacts"
  default     = false
}
