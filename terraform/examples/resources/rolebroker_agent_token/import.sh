# AGENT/ID, the agent by name or by ID; rolebroker agent token list AGENT lists
# the IDs of its tokens. Nobody can read the token itself.
terraform import rolebroker_agent_token.scout scout/tok_2mzq7k4vprb5xw3tdn6hjc8ysa
