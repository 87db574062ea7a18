data "rolebroker_aws_integration" "production" {
  name = "production"
}

resource "rolebroker_agent" "scout" {
  name = "scout"
}

resource "rolebroker_agent_connection" "scout_production" {
  agent       = rolebroker_agent.scout.id
  integration = data.rolebroker_aws_integration.production.id
  default     = true # scout gets its default role when it names no role
}

# Ranger only reads, with one role, without AWS keys, and a person approves that.
resource "rolebroker_agent_connection" "ranger_production" {
  agent       = "ranger"
  integration = data.rolebroker_aws_integration.production.id
  access      = "read-only"
  roles       = ["readonly"]
  keys        = "withheld"
  approval    = "borrow"
}

# Analyst reads one bucket. A person approves every other call.
resource "rolebroker_agent_connection" "analyst_production" {
  agent       = "analyst"
  integration = data.rolebroker_aws_integration.production.id
  keys        = "withheld"
  approval    = "call"
  exempt_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::reports" },
      { Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::reports/*" },
    ]
  })
}
