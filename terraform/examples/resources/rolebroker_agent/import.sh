# By name or by ID.
terraform import rolebroker_agent.scout scout
