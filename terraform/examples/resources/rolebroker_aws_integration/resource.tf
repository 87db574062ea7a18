# Existing roles that trust the server. The apply fails, and saves nothing, unless
# every enabled role can be assumed.
resource "rolebroker_aws_integration" "production" {
  name         = "production"
  description  = "Production accounts"
  default_role = "readonly"

  roles = {
    readonly = {
      arn    = "arn:aws:iam::444455556666:role/ReadOnly"
      region = "us-east-1"
    }
    deployer = {
      arn              = "arn:aws:iam::444455556666:role/Deployer"
      region           = "eu-west-1"
      session_duration = "30m"
    }
    auditor = {
      arn     = "arn:aws:iam::444455556666:role/Auditor"
      region  = "us-east-1"
      enabled = false # stays in the integration, but no agent gets it
    }
  }
}
