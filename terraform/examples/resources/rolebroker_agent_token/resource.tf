resource "rolebroker_agent" "scout" {
  name = "scout"
}

ephemeral "rolebroker_agent_token" "scout" {}

resource "rolebroker_agent_token" "scout" {
  agent    = rolebroker_agent.scout.id
  label    = "made by Terraform"
  token_wo = ephemeral.rolebroker_agent_token.scout.token
}

# Also give ephemeral.rolebroker_agent_token.scout.token to a write-only argument
# of a secret store. examples/agent-token is a complete example.
