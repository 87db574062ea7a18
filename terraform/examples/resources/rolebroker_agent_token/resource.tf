resource "rolebroker_agent" "scout" {
  name = "scout"
}

ephemeral "rolebroker_agent_token" "scout" {}

resource "rolebroker_agent_token" "scout" {
  agent    = rolebroker_agent.scout.id
  label    = "made by Terraform"
  token_wo = ephemeral.rolebroker_agent_token.scout.token
}

# Give ephemeral.rolebroker_agent_token.scout.token to a secret store too, by a
# write-only argument: the whole of it is in examples/agent-token.
