package web

import (
	"strings"

	"github.com/rolebroker/rolebroker"
)

// deeds are actions in words, where those of their parts would say too little: when it was done, and when it was
// refused.
var deeds = map[rolebroker.Action][2]string{
	rolebroker.ActionAgentDefault:       {"Chose the default integration", "Choose the default integration"},
	rolebroker.ActionRoleList:           {"Saw its roles", "See its roles"},
	rolebroker.ActionAgentGrants:        {"Read what an agent may borrow", "Read what an agent may borrow"},
	rolebroker.ActionAuditList:          {"Listed events", "List events"},
	rolebroker.ActionCallListOwn:        {"Listed its own calls", "List its own calls"},
	rolebroker.ActionExternalIDGet:      {"Read an external ID", "Read an external ID"},
	rolebroker.ActionIntegrationSetup:   {"Read the setup of an integration", "Read the setup of an integration"},
	rolebroker.ActionExternalIDReserve:  {"Reserved an external ID", "Reserve an external ID"},
	rolebroker.ActionExternalIDRelease:  {"Released an external ID", "Release an external ID"},
	rolebroker.ActionAgentCutOff:        {"Cut off an agent", "Cut off an agent"},
	rolebroker.ActionIntegrationRotate:  {"Changed the external ID", "Change the external ID"},
	rolebroker.ActionJoinToken:          {"Created a join token", "Create a join token"},
	rolebroker.ActionSignIn:             {"Signed in", "Sign in"},
	rolebroker.ActionSignInLink:         {"Created a link to sign in", "Create a link to sign in"},
	rolebroker.ActionSignInAuthenticate: {"Used a sign-in", "Use a sign-in"},
	rolebroker.ActionSignInEnd:          {"Ended a sign-in", "End a sign-in"},
	rolebroker.ActionUserAuthenticate: {"Signed in through the identity provider",
		"Sign in through the identity provider"},
	rolebroker.ActionUserUpdate:         {"Said who a person is", "Say who a person is"},
	rolebroker.ActionAPIKeyUse:          {"Used the first admin key", "Use the first admin key"},
	rolebroker.ActionAPIKeyAuthenticate: {"Used an API key", "Use an API key"},
	rolebroker.ActionRunnerAuthenticate: {"Used the credential of a runner", "Use the credential of a runner"},
	rolebroker.ActionSessionBegin:       {"Borrowed a role", "Borrow a role"},
	rolebroker.ActionSessionAssume:      {"Got credentials from AWS", "Get credentials from AWS"},
	rolebroker.ActionCallDigest:         {"Kept the hash of an hour’s calls", "Keep the hash of an hour’s calls"},
	rolebroker.ActionAuditForget:        {"Deleted old events", "Delete old events"},
	rolebroker.ActionAuditExport:        {"Exported events", "Export events"},
}

// verbs are the second parts of actions in words, likewise.
var verbs = map[string][2]string{
	"create": {"Created", "Create"}, "update": {"Changed", "Change"}, "delete": {"Deleted", "Delete"},
	"list": {"Listed", "List"}, "get": {"Read", "Read"}, "connect": {"Connected", "Connect"},
	"disconnect": {"Disconnected", "Disconnect"}, "enable": {"Enabled", "Enable"}, "disable": {"Disabled", "Disable"},
	"validate": {"Validated", "Validate"}, "approve": {"Approved", "Approve"}, "deny": {"Denied", "Deny"},
	"end": {"Ended", "End"}, "revoke": {"Revoked", "Revoke"}, "reserve": {"Reserved", "Reserve"},
	"release": {"Released", "Release"}, "apply": {"Put in place", "Put in place"}, "remove": {"Removed", "Remove"},
	"join": {"Joined as", "Join as"},
}

// Deed is the action in words, as in "Approved an access request"; its name, if there are none.
func (e eventRow) Deed() string {
	form := 0
	if e.Outcome != string(rolebroker.OutcomeDone) {
		form = 1
	}
	if words, ok := deeds[rolebroker.Action(e.Action)]; ok {
		return words[form]
	}
	kind, verb, _ := strings.Cut(e.Action, ".")
	words, ok := verbs[verb]
	if !ok {
		return e.Action
	}
	noun := wordOf(strings.ReplaceAll(kind, "-", "_"))
	article := "a "
	if strings.ContainsAny(noun[:1], "aeiouAEIOU") {
		article = "an "
	}
	return words[form] + " " + article + noun
}
