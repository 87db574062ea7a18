package rolebroker

// Change says that something was committed which may change what an agent
// may borrow. Whoever remembers an answer forgets it when a Change of its
// subject arrives; the zero Change concerns everything.
type Change struct {
	Agent       AgentID       // this agent, its connections or its tokens changed
	Integration IntegrationID // this integration or its roles changed
}
