data "rolebroker_runner" "production" {
  name = "eks-production"
}

check "the_runner_is_connected" {
  assert {
    condition     = data.rolebroker_runner.production.status == "connected"
    error_message = "The last heartbeat of the runner was at ${data.rolebroker_runner.production.seen_at}."
  }
}
