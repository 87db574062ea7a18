# By name or by ID.
terraform import rolebroker_aws_integration.production production
