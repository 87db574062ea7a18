package rest

// about is the description of the API in the OpenAPI document.
const about = "rolebroker lends AWS roles to AI agents. People and programs manage it with this API.\n\n" +
	"**Names and IDs.** A path that has a name can have the ID instead. Names can change, IDs never do.\n\n" +
	"**Lists** answer `{\"items\": […], \"next_cursor\": \"…\"}`. Request the next page with `?cursor=`; " +
	"the last page has an empty `next_cursor`.\n\n" +
	"**Changes** can be conditional: send the `ETag` of the version that a change was made from as `If-Match`. " +
	"If someone else changed it meanwhile, the answer is 412. Without `If-Match` the change is made to any version.\n\n" +
	"**Refusals** are problem documents (RFC 9457) with a `code` for programs, a `detail` and a `hint` for people, " +
	"and `errors` that point at each wrong field. Unknown fields, fields given twice and unknown query parameters " +
	"are refused."

// words describe each operation.
var words = map[string]struct{ summary, description string }{
	"list-integrations": {"List integrations", "By name."},
	"create-integration": {"Create an integration",
		"The server makes its external ID, unless the request has a reserved one. The parameter validate says how its " +
			"roles are validated; the answer has the outcomes."},
	"get-integration": {"Show an integration", "With its roles."},
	"update-integration": {"Replace an integration",
		"A field that the request leaves out becomes empty or gets its default. A role keeps its ID, and so its " +
			"history, if the request has its ID, or else its name. Roles that are disabled or removed can no longer be " +
			"borrowed; credentials that were lent before work until they expire. The parameter validate says how " +
			"the roles are validated; the answer has the outcomes."},
	"delete-integration": {"Delete an integration",
		"Also deletes its roles and its connections. An agent that had it as its default has none then. Credentials " +
			"that were lent before work until they expire."},
	"validate-integration": {"Validate an integration",
		"Tries to assume every role, with and without its external ID, and keeps the outcomes. The credentials permit " +
			"nothing, and are discarded. With Accept: application/x-ndjson the answer has a line for each role as " +
			"soon as its outcome is known, a line with again for a role that is denied and tried again, and a last " +
			"line with all outcomes. Otherwise roles that were not tried within 45 seconds and the wait are unknown. If the client disconnects, the validation ends, and the outcomes so far " +
			"are kept."},
	"validate-draft": {"Validate a draft",
		"Validates an integration that is not saved or, if it has an ID, the next version of an integration. A role " +
			"with a wrong field fails. No outcome is kept. If the draft has no external ID, one is reserved; the " +
			"answer has it."},
	"get-setup": {"Show the setup",
		"The steps to take in AWS so that the roles can be assumed, as text to paste."},
	"merge-setup": {"Merge the setup",
		"The same for a role that has a trust policy: with the statement merged into it, and the difference."},
	"draft-setup": {"Show the setup of a draft",
		"The same for an integration that does not exist yet, with a reserved external ID. If an integration has that " +
			"external ID, or had it before a change, the answer is the setup of that integration, with the roles of " +
			"the draft."},
	"rotate-external-id": {"Change the external ID",
		"In steps. start makes a new external ID, and the roles can be changed one by one to accept it. finish sends " +
			"the new one from then on; it is refused while an enabled role does not accept it. cancel keeps the old " +
			"one."},
	"reserve-external-id": {"Reserve an external ID",
		"A role's trust policy can then require it before the integration is created with it. One integration can be " +
			"created with it. Paths have its ID instead of the external ID."},
	"get-external-id": {"Show an external ID",
		"As it was reserved, until an integration is created with it; from then on, the external IDs that this " +
			"integration's roles must require. It is deleted with the integration."},
	"release-external-id": {"Give an external ID back",
		"Only one that no integration has used. No integration can be created with it any more."},
	"list-agents": {"List agents", "By name."},
	"create-agent": {"Create an agent",
		"With its connections. The first of them becomes the default unless the request has another one."},
	"get-agent": {"Show an agent", "With its connections."},
	"update-agent": {"Replace an agent",
		"Connections and default integration stay unchanged if the request leaves them out. Credentials that were lent " +
			"before work until they expire."},
	"delete-agent": {"Delete an agent",
		"Also deletes its connections and its tokens. Credentials that were lent before work until they expire."},
	"connect-agent": {"Connect an agent to an integration",
		"The agent may then borrow its roles, within the limits in the body. The body replaces all limits; a field that " +
			"it leaves out limits nothing. Without a body, a connection that is there stays as it is, and a new one limits " +
			"nothing. If the limits change, what was lent before is not handed out again, on any server or runner; where it " +
			"was handed out, it works until it expires. The first connection becomes the default."},
	"disconnect-agent": {"Disconnect an agent from an integration",
		"The agent can no longer borrow its roles; credentials that were lent before work until they expire. If it was " +
			"the default, the agent has none until someone chooses one."},
	"list-tokens": {"List an agent's tokens",
		"By ID, including expired and revoked ones. The tokens themselves are not shown."},
	"create-token": {"Make an agent token",
		"No other answer has the token: the server stores its hash. Or registers a token that the client made, which " +
			"no answer has; its ID must be unused."},
	"get-token":    {"Show an agent token", "The token itself is not shown."},
	"update-token": {"Label an agent token", "The token itself stays as it is."},
	"revoke-token": {"Revoke an agent token",
		"It stops working at once; credentials that were lent before work until they expire. Revoking it again changes " +
			"nothing."},
	"list-bindings": {"List the service accounts of an agent", "By ID."},
	"create-binding": {"Bind an agent to a service account",
		"Pods that run as the service account are then the agent. They need no agent token: they show a token of the " +
			"service account to the runner of their cluster. A service account can be bound to one agent."},
	"delete-binding": {"Unbind an agent from a service account",
		"Its pods are no longer the agent; credentials that were lent before work until they expire."},
	"list-runners":  {"List runners", "By name."},
	"create-runner": {"Create a runner", "It then joins with a join token."},
	"get-runner":    {"Show a runner", "With its last report."},
	"update-runner": {"Replace a runner",
		"A field that the request leaves out becomes empty. The runner stays joined."},
	"delete-runner": {"Delete a runner",
		"Also ends its credential. It is refused while an integration names the runner. Credentials that were lent " +
			"before work until they expire."},
	"create-join-token": {"Make a join token",
		"A runner joins with it, once. No other answer has the token: the server stores its hash. An unused join token " +
			"that was made before stops working."},
	"cut-off-agent": {"Cut an agent off",
		"At once, on every server and runner: nothing is lent to it, its sessions end, and so do its access requests. With " +
			"a role, only that role is taken out of its connections. Keys that it was lent before work in AWS until they " +
			"expire: the answer has deny policies for this agent's sessions, and the commands that put them on the roles. " +
			"Cutting off again is safe; the policies then reach to that time. With apply, the server puts the policies on the " +
			"roles itself, where the setup has a cut-off role for it; the answer says for each role how that went. All " +
			"else is stored by then, whatever AWS answers. Enabling the agent never gives it an old key."},
	"get-cut-off": {"Show the last cut-off of an agent",
		"As cutting off answered it, with what is still open now. It changes nothing."},
	"enable-agent": {"Enable an agent",
		"It borrows again, and gets new keys, never old ones. Nothing else ends a cut-off. With apply, the server removes " +
			"the deny policies from their roles that it put there and that deny nothing any more; the others stay."},
	"list-sessions": {"List sessions",
		"The newest first: who borrowed what, until when. Names are those at the time. Filters find what was deleted, " +
			"as long as it is on record; an agent, integration or role that never was is not_found."},
	"get-session": {"Show a session",
		"With what explains it: the approval that it is under, the last change of the connection before it began, its " +
			"newest calls through the gateway, and the newest events about it."},
	"list-calls": {"List calls",
		"The newest first. The names of agents and roles are those of now; an ID also finds the calls of what was deleted. " +
			"Calls that only read are listed within a second. A refusal that repeats is one call a minute."},
	"get-call": {"Show a call", "By its ID. The outcome is answered: AWS answered, with a status; unanswered: no " +
		"answer came, and AWS may have done it all the same; unknown: it is under way, or the server ended before it " +
		"had the outcome, and AWS may have done it; not_sent: it was refused; or handed_out: the agent got it as an " +
		"AWS token, of which nobody here sees the use."},
	"get-learned-policy": {"Learn a policy from an agent's calls",
		"The IAM policy that the calls through the gateway need, with the roles of an integration or one of them. AWS " +
			"answered these calls with something else than 401 or 403. It never has what manages permissions, iam:PassRole and " +
			"what returns credentials, unless include says so. It changes nothing: to set it, connect the agent with it."},
	"export-calls": {"Export calls",
		"As lines of JSON, the oldest first. Six hours after an hour ends, the audit trail has an event call.digest with " +
			"the SHA-256 of the export of that hour, which does not change any more."},
	"end-session": {"End a session",
		"Nobody is given its credentials again, on any server or runner; the next request starts a new session if " +
			"it is still permitted. Where the credentials were handed out before, they work until they expire: the " +
			"answer has the time, and a policy that ends them in AWS. Ending it again changes nothing. With apply, the server " +
			"puts the policy on the role itself, where the setup has a cut-off role for it."},
	"get-ended-session": {"Show a session that was ended",
		"As ending it answered it, with what is still open now. It changes nothing. A session that nobody ended is a " +
			"conflict."},
	"end-sessions": {"End all sessions of an agent, or for a role",
		"As ending each of them, with one request. Sessions that the server does not know of yet end too: those that a " +
			"runner began while it could not reach the server. With both fields, the agent's sessions for the role " +
			"end. The answer says how many sessions were ended, and when the last of their credentials expire."},
	"list-access-requests": {"List access requests",
		"The newest first: which agent asked for what, and the answer. Names are those at the time."},
	"get-access-request": {"Show an access request", "With the decision and the grant."},
	"approve-access-request": {"Approve an access request",
		"The agent may then borrow the role for that task, from now until the time in the answer. Never for longer or " +
			"wider than it asked. The key that owns the agent cannot approve, unless it breaks the glass."},
	"deny-access-request": {"Deny an access request", "For a reason, which the agent sees."},
	"end-access-request": {"End a grant",
		"The next request of the agent is refused, on every server and runner. AWS ends credentials that were handed " +
			"out before at the time in ends_at. Ending it again changes nothing."},
	"list-approval-rules": {"List approval rules", "By name."},
	"create-approval-rule": {"Create an approval rule",
		"It approves access requests from now on, as a person would, and each one is recorded."},
	"get-approval-rule": {"Show an approval rule", "With the current names of what it is about."},
	"update-approval-rule": {"Replace an approval rule",
		"A field that the request leaves out means any. What it approved before stays approved."},
	"delete-approval-rule": {"Delete an approval rule", "What it approved before stays approved."},
	"list-audit-events": {"List audit events",
		"The newest first: who changed what, from where, and what was refused. Names are those at the time. Events of " +
			"callers who were not identified are in the server's log only."},
	"get-audit-trail": {"Show the audit trail", "How long it is, and its newest checkpoint."},
	"follow-audit-trail": {"Follow the audit trail",
		"Events in the order of the trail, from a sequence on. While there is none, the answer waits. An event gets its " +
			"sequence about a second after it was recorded."},
	"export-audit-trail": {"Export the audit trail",
		"Lines of JSON: the state of the trail before the first event, then events in the order of the trail, and signed " +
			"checkpoints between them. `rolebroker audit verify` reads it. With the format ocsf, events of OCSF 1.8.0 only, " +
			"one a line. An answer that is cut off is not whole; export " +
			"the rest from the sequence after the last one that arrived."},
	"get-platform": {"Show the platform",
		"The AWS identity that trust policies name, and the features of this server."},
	"list-api-keys":  {"List API keys", "By ID. The keys themselves are not shown."},
	"create-api-key": {"Make an API key", "No other answer has the key: the server stores its hash."},
	"delete-api-key": {"Delete an API key",
		"It stops working at once. The last admin key that never expires cannot be deleted."},
	"list-users": {"List people", "Those who signed in through the company's identity provider, by ID."},
	"get-sign-in-url": {"Begin to sign in",
		"Where a person signs in at the identity provider for a command line that has a browser. It needs no API key."},
	"create-sign-in": {"Sign in",
		"With the code that the identity provider sent to the command line. It needs no API key. The answer has a " +
			"token that is used in place of one."},
	"begin-device-sign-in": {"Begin to sign in elsewhere",
		"For a command line without a browser: a person completes it in a browser on another machine. It needs no " +
			"API key."},
	"await-device-sign-in": {"Sign in once it was completed elsewhere",
		"Answers when somebody has signed in with the device code, or after some seconds. It needs no API key."},
	"end-sign-in": {"Sign out", "Ends the sign-in whose token is shown."},
}
