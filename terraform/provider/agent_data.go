package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

type agentDataModel struct {
	agentModel
	DefaultIntegration types.String `tfsdk:"default_integration"`
	Integrations       types.List   `tfsdk:"integrations"`
	Connections        types.Map    `tfsdk:"connections"`
}

// connectionType is an element of connections.
var connectionType = types.ObjectType{AttrTypes: map[string]attr.Type{
	"access":         types.StringType,
	"session_policy": types.StringType,
	"roles":          types.ListType{ElemType: types.StringType},
	"keys":           types.StringType,
	"approval":       types.StringType,

	"exempt_policy":   types.StringType,
	"allowed_actions": types.ListType{ElemType: types.StringType},
}}

// connectionsOf are the limits of an agent's connections, by integration.
func connectionsOf(a api.Agent) types.Map {
	all := map[string]attr.Value{}
	for _, c := range a.Connections {
		roles := types.ListNull(types.StringType)
		if c.Roles != nil {
			roles = stringList(c.Roles)
		}
		all[c.Integration] = types.ObjectValueMust(connectionType.AttrTypes, map[string]attr.Value{
			"access": types.StringValue(c.Access), "roles": roles,
			"keys": types.StringValue(c.Keys), "approval": types.StringValue(c.Approval),
			"session_policy":  sessionPolicy.as(types.StringNull(), c.SessionPolicy),
			"exempt_policy":   exemptPolicy.as(types.StringNull(), c.ExemptPolicy),
			"allowed_actions": stringList(c.AllowedActions),
		})
	}
	return types.MapValueMust(connectionType, all)
}

// newAgentData makes data.rolebroker_agent.
func newAgentData() datasource.DataSource {
	return &namedData[api.Agent, agentDataModel]{
		onServerData: onServerData{suffix: "agent"},
		noun:         "agent",
		find: func(s *server) func(context.Context, string) (api.Agent, error) {
			return s.Agent
		},
		model: func(_ context.Context, a api.Agent, _ *diag.Diagnostics) agentDataModel {
			var connected []string
			for _, c := range a.Connections {
				connected = append(connected, c.Integration)
			}
			return agentDataModel{agentOf(a), types.StringValue(a.DefaultIntegration), stringList(connected),
				connectionsOf(a)}
		},
		schema: schema.Schema{
			MarkdownDescription: "An existing agent and the integrations that it is connected to.",
			Attributes: map[string]schema.Attribute{
				"description": computedString("May be empty."),
				"disabled":    computedBool("A disabled agent gets no credentials."),
				"owner": computedString("The name of the API key whose holder answers for the agent, and does not " +
					"approve its access requests; may be empty."),
				"default_integration": computedString(
					"The name of the agent's default integration, whose default role " +
						"it gets when it names no role; may be empty."),
				"integrations": computedStrings("The names of the integrations that the agent is connected to, the " +
					"earliest connection first."),
				"connections": schema.MapNestedAttribute{
					Computed:            true,
					MarkdownDescription: "What each connection lets the agent do, by the name of its integration.",
					NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
						"access": computedString("`full`, `read-only`, `view-only` or `policy`; empty from a server of an " +
							"earlier version, which limits nothing."),
						"session_policy": computedString("The policy document in JSON, with the access `policy`; else null."),
						"roles":          computedStrings("The names of the only roles that the agent may borrow; null: all."),
						"keys": computedString("Whether the agent gets AWS keys: `lent` or `withheld`; empty from a server of an " +
							"earlier version, which lends them."),
						"allowed_actions": computedStrings("The actions of IAM that return credentials, and that the gateway " +
							"sends all the same."),
						"approval": computedString("For what a person has to approve: `none`, `borrow`, `write` or `call`."),
						"exempt_policy": computedString("The policy document in JSON whose calls need no approval, with the " +
							"approval `call`; null: none."),
					}},
				},
			},
		},
	}
}
