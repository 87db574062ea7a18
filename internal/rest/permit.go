package rest

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rolebroker/rolebroker"
)

// permissions is how the broker permits an action before the request's body is read. It records refusals.
type permissions interface {
	May(ctx context.Context, who rolebroker.Caller, action rolebroker.Action, subjects ...rolebroker.Subject) error
}

// permit refuses the callers who may not do an operation, before it reads the body. The broker asks the same question
// again when it acts.
func (s *server) permit(operation string) func(huma.Context, func(huma.Context)) {
	action, ok := actions[operation]
	if !ok {
		panic("rest: the operation " + operation + " has no action")
	}
	return func(ctx huma.Context, next func(huma.Context)) {
		who := callerOf(ctx.Context())
		if err := s.Broker.May(ctx.Context(), who, action, subjects(ctx)...); err != nil {
			r, w := humago.Unwrap(ctx)
			s.refuse(w, r, err)
			return
		}
		next(ctx)
	}
}

// subjects are what the path of a request names.
func subjects(ctx huma.Context) []rolebroker.Subject {
	var named []rolebroker.Subject
	for _, kind := range []rolebroker.Kind{
		rolebroker.KindAgent, rolebroker.KindIntegration, rolebroker.KindRunner, rolebroker.KindSession,
		rolebroker.KindAccessRequest, rolebroker.KindApprovalRule, rolebroker.KindCall,
	} {
		if name := ctx.Param(string(kind)); name != "" {
			named = append(named, rolebroker.Named(kind, name))
		}
	}
	return named
}

// actions are the actions of the operations.
var actions = map[string]rolebroker.Action{
	"list-integrations":      rolebroker.ActionIntegrationList,
	"create-integration":     rolebroker.ActionIntegrationCreate,
	"get-integration":        rolebroker.ActionIntegrationGet,
	"update-integration":     rolebroker.ActionIntegrationUpdate,
	"delete-integration":     rolebroker.ActionIntegrationDelete,
	"validate-integration":   rolebroker.ActionIntegrationValidate,
	"validate-draft":         rolebroker.ActionIntegrationValidate,
	"get-setup":              rolebroker.ActionIntegrationSetup,
	"merge-setup":            rolebroker.ActionIntegrationPostSetup,
	"draft-setup":            rolebroker.ActionIntegrationPostSetup,
	"rotate-external-id":     rolebroker.ActionIntegrationRotate,
	"reserve-external-id":    rolebroker.ActionExternalIDReserve,
	"get-external-id":        rolebroker.ActionExternalIDGet,
	"release-external-id":    rolebroker.ActionExternalIDRelease,
	"list-agents":            rolebroker.ActionAgentList,
	"create-agent":           rolebroker.ActionAgentCreate,
	"get-agent":              rolebroker.ActionAgentGet,
	"update-agent":           rolebroker.ActionAgentUpdate,
	"delete-agent":           rolebroker.ActionAgentDelete,
	"cut-off-agent":          rolebroker.ActionAgentCutOff,
	"get-cut-off":            rolebroker.ActionAgentGetCutOff,
	"enable-agent":           rolebroker.ActionAgentEnable,
	"connect-agent":          rolebroker.ActionAgentConnect,
	"disconnect-agent":       rolebroker.ActionAgentDisconnect,
	"list-tokens":            rolebroker.ActionTokenList,
	"create-token":           rolebroker.ActionTokenCreate,
	"get-token":              rolebroker.ActionTokenGet,
	"update-token":           rolebroker.ActionTokenUpdate,
	"revoke-token":           rolebroker.ActionTokenRevoke,
	"list-bindings":          rolebroker.ActionBindingList,
	"create-binding":         rolebroker.ActionBindingCreate,
	"delete-binding":         rolebroker.ActionBindingDelete,
	"list-runners":           rolebroker.ActionRunnerList,
	"create-runner":          rolebroker.ActionRunnerCreate,
	"get-runner":             rolebroker.ActionRunnerGet,
	"update-runner":          rolebroker.ActionRunnerUpdate,
	"delete-runner":          rolebroker.ActionRunnerDelete,
	"create-join-token":      rolebroker.ActionJoinToken,
	"list-sessions":          rolebroker.ActionSessionList,
	"get-session":            rolebroker.ActionSessionGet,
	"list-calls":             rolebroker.ActionCallList,
	"get-call":               rolebroker.ActionCallList,
	"get-learned-policy":     rolebroker.ActionCallList,
	"export-calls":           rolebroker.ActionCallList,
	"end-session":            rolebroker.ActionSessionEnd,
	"end-sessions":           rolebroker.ActionSessionEnd,
	"get-ended-session":      rolebroker.ActionSessionGetCutOff,
	"list-access-requests":   rolebroker.ActionAccessRequestList,
	"get-access-request":     rolebroker.ActionAccessRequestGet,
	"approve-access-request": rolebroker.ActionAccessRequestApprove,
	"deny-access-request":    rolebroker.ActionAccessRequestDeny,
	"end-access-request":     rolebroker.ActionAccessRequestEnd,
	"list-approval-rules":    rolebroker.ActionApprovalRuleList,
	"create-approval-rule":   rolebroker.ActionApprovalRuleCreate,
	"get-approval-rule":      rolebroker.ActionApprovalRuleGet,
	"update-approval-rule":   rolebroker.ActionApprovalRuleUpdate,
	"delete-approval-rule":   rolebroker.ActionApprovalRuleDelete,
	"list-audit-events":      rolebroker.ActionAuditList,
	"get-audit-trail":        rolebroker.ActionAuditExport,
	"follow-audit-trail":     rolebroker.ActionAuditList,
	"export-audit-trail":     rolebroker.ActionAuditExport,
	"get-platform":           rolebroker.ActionPlatformGet,
	"list-api-keys":          rolebroker.ActionAPIKeyList,
	"create-api-key":         rolebroker.ActionAPIKeyCreate,
	"delete-api-key":         rolebroker.ActionAPIKeyDelete,
	"list-users":             rolebroker.ActionUserList,
	"get-sign-in-url":        rolebroker.ActionUserAuthenticate,
	"create-sign-in":         rolebroker.ActionUserAuthenticate,
	"begin-device-sign-in":   rolebroker.ActionUserAuthenticate,
	"await-device-sign-in":   rolebroker.ActionUserAuthenticate,
	"end-sign-in":            rolebroker.ActionSignIn,
}
