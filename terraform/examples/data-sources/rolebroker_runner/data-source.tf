data "rolebroker_runner" "production" {
  name = "eks-production"
}

check "the_runner_is_there" {
  assert {
    condition     = data.rolebroker_runner.production.status == "connected"
    error_message = "The runner was last heard of at ${data.rolebroker_runner.production.seen_at}."
  }
}
