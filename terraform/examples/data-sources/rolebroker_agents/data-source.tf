# Connects every agent whose name begins with "ci-". The search finds more: it compares descriptions too.
data "rolebroker_agents" "ci" {
  search = "ci-"
}

resource "rolebroker_agent_connection" "artifacts" {
  for_each = { for name, agent in data.rolebroker_agents.ci.agents : name => agent if startswith(name, "ci-") }

  agent       = each.value.id
  integration = "artifacts"
  default     = false
}
