package rolebroker

// Change says that the store committed something that may change what an agent may borrow. Caches drop what they
// keep of its subject. The zero Change concerns every subject.
type Change struct {
	Agent       AgentID       // this agent, its connections or its tokens changed
	Integration IntegrationID // this integration or its roles changed
}
