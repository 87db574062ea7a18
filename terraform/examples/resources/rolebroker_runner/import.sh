# By name or by ID.
terraform import rolebroker_runner.production eks-production
