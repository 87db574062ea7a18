data "rolebroker_runner" "production" {
  name = "eks-production"
}

resource "rolebroker_agent" "scout" {
  name = "scout"
}

resource "rolebroker_agent_binding" "scout" {
  agent           = rolebroker_agent.scout.id
  issuer          = data.rolebroker_runner.production.issuer
  namespace       = "agents"
  service_account = "scout"
}
