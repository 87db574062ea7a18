# AGENT/INTEGRATION, each a name or an ID.
terraform import rolebroker_agent_connection.scout_production scout/production
