package rolebroker

import (
	"cmp"
	"time"
)

// Caller is the identity of a client, which internal/auth found from the token or key in its request. It is always an
// argument, never part of a context. The zero Caller may do nothing.
type Caller struct {
	Agent  AgentID   // set for an agent token
	Token  TokenID   // the agent token
	APIKey APIKeyID  // set for an API key
	User   UserID    // set for a person who signed in through the identity provider
	Name   string    // of the API key, the person or the runner, at that time
	Access KeyAccess // what the API key or the person's groups permit; empty for other callers

	Runner    RunnerID    // set for a runner's credential
	Joining   RunnerID    // set for a join token: the runner that it is for
	RunnerKey RunnerKeyID // the credential or join token

	// SignIn is that of the command line of a person, which shows it in place of an API key.
	SignIn SignInID

	// ConfirmedAt is when the identity provider answered for a person last, as far as the caller's sign-in says. What
	// follows from that sign-in inherits it.
	ConfirmedAt time.Time

	// Workload is the pod that showed the token of its service account to a runner; zero for other agents.
	Workload Workload

	// Address is the IP address of the request; empty for the server itself. A runner says that of an agent that asked it.
	Address string

	// Request is the request that the caller sent; empty for the server itself. It proves nothing.
	Request RequestID
}

// IsUnknown reports whether the caller was not identified.
func (c Caller) IsUnknown() bool { return c == Caller{Address: c.Address, Request: c.Request} }

// Principal returns who answers for what the caller does: the API key or the person. Empty for other callers.
func (c Caller) Principal() PrincipalID {
	if c.User != "" {
		return PrincipalID(c.User)
	}
	return PrincipalID(c.APIKey)
}

// May returns nil when the caller may do the action. Codes: denied, unauthenticated.
func (c Caller) May(action Action) error {
	switch action.permission() {
	case toRead:
		return c.MayRead()
	case toJoin:
		return c.needs(c.Joining != "", "a join token")
	case toRun:
		return c.needs(c.Runner != "", "a runner's credential")
	case toIdentify:
		return nil
	case toAsk:
		return c.mayAsk()
	case toDecide:
		return c.MayDecide()
	}
	return c.MayWrite()
}

// MayRead returns nil when the caller may read through the management API.
func (c Caller) MayRead() error {
	if c.Access == KeyAdmin || c.Access == KeyReadOnly || c.Access == KeyApprover {
		return nil
	}
	return c.mayNot("use the management API")
}

// MayDecide returns nil when the caller may decide access requests. Who owns the agent is another question.
func (c Caller) MayDecide() error {
	if c.Access == KeyAdmin || c.Access == KeyApprover {
		return nil
	}
	return c.mayNot("decide access requests")
}

// mayAsk returns nil for an agent.
func (c Caller) mayAsk() error {
	if c.Agent != "" && c.Token != "" {
		return nil
	}
	return Errorf(CodeDenied, "only agents ask for access").
		WithHint("use an agent token: rolebroker agent token create AGENT")
}

// MayWrite returns nil when the caller may make changes through the management API.
func (c Caller) MayWrite() error {
	if c.Access == KeyAdmin {
		return nil
	}
	return c.mayNot("change anything")
}

func (c Caller) mayNot(what string) error {
	switch {
	case c.User != "":
		is := string(c.Access)
		if c.Access == KeyApprover {
			is = "an approver"
		}
		return Errorf(CodeDenied, "%s is signed in as %s and may not %s", c.Name, cmp.Or(is, "nobody"), what).
			WithHint("the groups at the identity provider decide this: ask an administrator")
	case c.APIKey != "":
		is := string(c.Access)
		if c.Access == KeyApprover {
			is = "an approver key"
		}
		return Errorf(CodeDenied, "the API key %s is %s and may not %s", c.Name, is, what).
			WithHint("set ROLEBROKER_TOKEN to an admin API key")
	case c.Runner != "":
		return Errorf(CodeDenied, "a runner's credential may not %s", what).
			WithHint("use an API key in ROLEBROKER_TOKEN")
	case c.Joining != "":
		return Errorf(CodeDenied, "a join token may not %s", what).
			WithHint("use an API key in ROLEBROKER_TOKEN")
	case c.Agent != "":
		return Errorf(CodeDenied, "an agent token may not %s", what).
			WithHint("use an API key in ROLEBROKER_TOKEN")
	}
	return Errorf(CodeUnauthenticated, "an API key is required")
}

// needs returns nil if the caller has the credential, and denies the action otherwise.
func (c Caller) needs(has bool, credential string) error {
	if has {
		return nil
	}
	return Errorf(CodeDenied, "only runners may do this: it needs %s", credential)
}
