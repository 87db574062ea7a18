package rolebroker

// Change says that the store committed something that may change what an agent may borrow. Caches drop what they
// keep of its subject. The zero Change concerns every subject.
type Change struct {
	Agent       AgentID       // this agent, its connections or its tokens changed
	Integration IntegrationID // this integration or its roles changed; with an Agent: only for that agent
	Role        RoleID        // of an ended Change: only this role of the integration
	// Ended says that lending ended: what was lent before is not handed out again, even if it is permitted again.
	Ended bool
	// Validate says that this runner is asked to try roles. Nothing that an agent may borrow changed, and the other
	// fields are empty.
	Validate RunnerID
}

// Ends reports whether the change ended what the agent was lent of a role.
func (c Change) Ends(agent AgentID, integration IntegrationID, role RoleID) bool {
	return c.Ended && (c.Agent == "" || c.Agent == agent) &&
		(c.Integration == "" || c.Integration == integration) && (c.Role == "" || c.Role == role)
}
