ephemeral "rolebroker_agent_token" "scout" {}

# The token is worthless until this registers it.
resource "rolebroker_agent_token" "scout" {
  agent    = "scout"
  token_wo = ephemeral.rolebroker_agent_token.scout.token
}
