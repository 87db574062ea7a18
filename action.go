package rolebroker

// Action is what a caller does: a noun, a dot and a verb.
type Action string

// The actions of the management API and the web app. An action that reads needs an API key; any other action needs
// an admin API key.
const (
	ActionIntegrationList      Action = "integration.list"
	ActionIntegrationGet       Action = "integration.get"
	ActionIntegrationSetup     Action = "integration.setup"
	ActionIntegrationPostSetup Action = "integration.post-setup" // of a draft or a policy that is sent to the API
	ActionIntegrationCreate    Action = "integration.create"
	ActionIntegrationUpdate    Action = "integration.update"
	ActionIntegrationDelete    Action = "integration.delete"
	ActionIntegrationValidate  Action = "integration.validate" // or a draft of one
	ActionIntegrationDisable   Action = "integration.disable"
	ActionIntegrationEnable    Action = "integration.enable"
	ActionIntegrationRotate    Action = "integration.rotate-external-id"

	ActionExternalIDGet     Action = "external-id.get"
	ActionExternalIDReserve Action = "external-id.reserve"
	ActionExternalIDRelease Action = "external-id.release"

	ActionAgentList       Action = "agent.list"
	ActionAgentGet        Action = "agent.get"
	ActionAgentGrants     Action = "agent.grants"
	ActionAgentCreate     Action = "agent.create"
	ActionAgentUpdate     Action = "agent.update"
	ActionAgentDelete     Action = "agent.delete"
	ActionAgentConnect    Action = "agent.connect"
	ActionAgentDisconnect Action = "agent.disconnect"
	ActionAgentDefault    Action = "agent.set-default"
	ActionAgentDisable    Action = "agent.disable"
	ActionAgentEnable     Action = "agent.enable"
	ActionAgentCutOff     Action = "agent.cut-off"
	ActionAgentGetCutOff  Action = "agent.get-cut-off"

	// Of the deny policies of a cut-off, or of a session that was ended, by the server.
	ActionDenyPolicyApply  Action = "deny-policy.apply"
	ActionDenyPolicyRemove Action = "deny-policy.remove"

	ActionTokenList   Action = "token.list"
	ActionTokenGet    Action = "token.get"
	ActionTokenCreate Action = "token.create"
	ActionTokenUpdate Action = "token.update"
	ActionTokenRevoke Action = "token.revoke"

	ActionBindingList   Action = "binding.list"
	ActionBindingCreate Action = "binding.create"
	ActionBindingDelete Action = "binding.delete"

	ActionRunnerList   Action = "runner.list"
	ActionRunnerGet    Action = "runner.get"
	ActionRunnerCreate Action = "runner.create"
	ActionRunnerUpdate Action = "runner.update"
	ActionRunnerDelete Action = "runner.delete"
	ActionJoinToken    Action = "runner.create-join-token"

	ActionAPIKeyList   Action = "api-key.list"
	ActionAPIKeyCreate Action = "api-key.create"
	ActionAPIKeyDelete Action = "api-key.delete"
	ActionAPIKeyUse    Action = "api-key.use" // of the first admin key, where people sign in through a provider

	ActionAccessRequestList    Action = "access-request.list"
	ActionAccessRequestGet     Action = "access-request.get"
	ActionAccessRequestCreate  Action = "access-request.create" // by an agent
	ActionAccessRequestApprove Action = "access-request.approve"
	ActionAccessRequestDeny    Action = "access-request.deny"
	ActionAccessRequestEnd     Action = "access-request.end"

	ActionApprovalRuleList   Action = "approval-rule.list"
	ActionApprovalRuleGet    Action = "approval-rule.get"
	ActionApprovalRuleCreate Action = "approval-rule.create"
	ActionApprovalRuleUpdate Action = "approval-rule.update"
	ActionApprovalRuleDelete Action = "approval-rule.delete"

	ActionAuditList   Action = "audit.list"
	ActionAuditExport Action = "audit.export"
	ActionAuditForget Action = "audit.forget" // by the server, after --audit-retention
	ActionSessionList Action = "session.list"
	ActionSessionGet  Action = "session.get"
	ActionSessionEnd  Action = "session.end"

	ActionSessionGetCutOff Action = "session.get-cut-off"

	ActionCallList    Action = "call.list"
	ActionCallListOwn Action = "call.list-own" // by an agent
	ActionCallDigest  Action = "call.digest"   // by the server: the hash of the calls of an hour

	ActionPlatformGet   Action = "platform.get"
	ActionPlatformCount Action = "platform.count"
	ActionSearch        Action = "platform.search"
	ActionOverview      Action = "platform.overview"

	ActionSignIn     Action = "sign-in.create"
	ActionSignInLink Action = "sign-in.create-link"
	ActionSignInEnd  Action = "sign-in.end" // by the server: the identity provider no longer answers for the person

	ActionUserList   Action = "user.list"
	ActionUserUpdate Action = "user.update" // by the server: the person's groups give another access
)

// The actions of agents. The lender decides about them, and May is not asked.
const (
	ActionSessionBegin  Action = "session.begin"  // borrow a role: a session begins, before STS is asked
	ActionSessionAssume Action = "session.assume" // what STS answered
	ActionRoleList      Action = "role.list"      // which roles it may borrow; recorded when it is refused
)

// The actions of a runner. Joining needs a join token, the others need the runner's credential.
const (
	ActionRunnerJoin     Action = "runner.join"
	ActionRunnerRenew    Action = "runner.renew-credential"
	ActionRunnerReport   Action = "runner.report"   // its heartbeat: its version, identity and method
	ActionRunnerWatch    Action = "runner.watch"    // the stream of changes
	ActionRunnerIdentify Action = "runner.identify" // which agent a process is
	ActionRunnerGrants   Action = "runner.grants"   // what an agent may borrow, and what the runner serves
	ActionRunnerLend     Action = "runner.lend"     // borrow a role that the platform assumes, or keys for its gateway
	ActionRunnerRecord   Action = "runner.record"   // sessions, calls, how often it handed out what, and validations
)

// The actions of callers whom nobody has identified yet. They are recorded when they are refused.
const (
	ActionAPIKeyAuthenticate Action = "api-key.authenticate"
	ActionSignInAuthenticate Action = "sign-in.authenticate"
	ActionRunnerAuthenticate Action = "runner.authenticate"

	// ActionUserAuthenticate is a person's signing in through the identity provider.
	ActionUserAuthenticate Action = "user.authenticate"
)

// permission is what a Caller needs for an action.
type permission int

const (
	toWrite    permission = iota // an admin API key; the permission of every action that is not named in permission()
	toRead                       // an API key
	toJoin                       // a join token
	toRun                        // a runner's credential
	toAsk                        // an agent token
	toDecide                     // an admin or approver API key
	toIdentify                   // nothing: it is how a caller is identified
)

// permission says what the action needs.
func (a Action) permission() permission {
	switch a {
	case ActionIntegrationList, ActionIntegrationGet, ActionIntegrationSetup, ActionExternalIDGet,
		ActionAgentList, ActionAgentGet, ActionAgentGrants, ActionAgentGetCutOff, ActionSessionGetCutOff, ActionTokenList, ActionTokenGet, ActionBindingList,
		ActionRunnerList, ActionRunnerGet, ActionAPIKeyList, ActionAuditList, ActionAuditExport, ActionSessionList, ActionSessionGet, ActionCallList, ActionPlatformGet, ActionPlatformCount,
		ActionSearch, ActionOverview,
		ActionAccessRequestList, ActionAccessRequestGet, ActionApprovalRuleList, ActionApprovalRuleGet,
		ActionSignIn, ActionSignInLink, ActionUserList:
		return toRead
	case ActionUserAuthenticate:
		return toIdentify
	case ActionAccessRequestApprove, ActionAccessRequestDeny, ActionAccessRequestEnd:
		return toDecide
	case ActionAccessRequestCreate, ActionCallListOwn:
		return toAsk
	case ActionRunnerJoin:
		return toJoin
	case ActionRunnerAuthenticate, ActionRunnerRenew, ActionRunnerReport, ActionRunnerWatch, ActionRunnerIdentify,
		ActionRunnerGrants, ActionRunnerLend, ActionRunnerRecord:
		return toRun
	}
	return toWrite
}
