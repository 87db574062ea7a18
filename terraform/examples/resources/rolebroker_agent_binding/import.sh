# AGENT/ID, the agent by name or by ID; rolebroker agent bindings AGENT lists the
# IDs of its bindings.
terraform import rolebroker_agent_binding.scout scout/bnd_2mzq7k4vprb5xw3tdn6hjc8ysa
