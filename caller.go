package rolebroker

// Caller is who asks, as found out from the token or key that came with the
// request. It is always an argument and never ambient. The zero value may do
// nothing.
type Caller struct {
	Agent  AgentID  // set for an agent's token
	Token  TokenID  // the token it showed
	APIKey APIKeyID // set for an API key
	Name   string   // of the agent or the key, for logs
	Access Access   // what the API key opens; empty for an agent

	Runner    RunnerID    // set for a runner's credential
	RunnerKey RunnerKeyID // the credential it showed
}

// MayRead is nil when the caller may read what the management API shows.
func (c Caller) MayRead() error {
	if c.Access == AccessAdmin || c.Access == AccessReadOnly {
		return nil
	}
	return c.mayNot("use the management API")
}

// MayWrite is nil when the caller may change things.
func (c Caller) MayWrite() error {
	if c.Access == AccessAdmin {
		return nil
	}
	return c.mayNot("change anything")
}

func (c Caller) mayNot(what string) error {
	switch {
	case c.APIKey != "":
		return Errorf(CodeDenied, "the API key %s is %s and may not %s", c.Name, c.Access, what).
			WithHint("use an admin API key in ROLEBROKER_TOKEN")
	case c.Runner != "":
		return Errorf(CodeDenied, "a runner's credential may not %s", what).
			WithHint("use an API key in ROLEBROKER_TOKEN")
	case c.Agent != "":
		return Errorf(CodeDenied, "an agent token may not %s", what).
			WithHint("use an API key in ROLEBROKER_TOKEN")
	}
	return Errorf(CodeUnauthenticated, "an API key is required")
}
