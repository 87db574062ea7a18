resource "rolebroker_agent" "scout" {
  name        = "scout"
  description = "Looks after the staging environment"
}
