package rolebroker

import "time"

// GatewayKey is what a key for the gateway says: who signs with it, and for which role. AWS does not know the key.
type GatewayKey struct {
	Agent       AgentID
	Token       TokenID // that the agent borrowed with
	Integration IntegrationID
	Role        RoleID
	Task        string
	Access      Access // what the process asked for, see Request.Access
	Generation  int64  // the KeyGeneration of the role when the key was made
	Expires     time.Time
}

// Reference returns the reference of the role, by IDs.
func (k *GatewayKey) Reference() string { return string(k.Integration) + "/" + string(k.Role) }
