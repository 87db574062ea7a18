package api

// The headers in which a room relays a request to the gateway: the path with the query, and the host, as the agent's SDK
// signed them.
const (
	GatewayTarget = "Rolebroker-Target"
	GatewayHost   = "Rolebroker-Host"
)
