ephemeral "rolebroker_agent_token" "scout" {}

# It opens nothing until it is registered.
resource "rolebroker_agent_token" "scout" {
  agent    = "scout"
  token_wo = ephemeral.rolebroker_agent_token.scout.token
}
