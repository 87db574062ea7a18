data "rolebroker_runners" "all" {}

check "runners" {
  assert {
    condition     = alltrue([for name, runner in data.rolebroker_runners.all.runners : runner.status == "connected"])
    error_message = "A runner is not connected."
  }
}
