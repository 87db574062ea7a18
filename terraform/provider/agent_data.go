package provider

import (
	"context"

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
			return agentDataModel{agentOf(a), types.StringValue(a.DefaultIntegration), stringList(connected)}
		},
		schema: schema.Schema{
			MarkdownDescription: "An existing agent and the integrations that it is connected to.",
			Attributes: map[string]schema.Attribute{
				"description": computedString("May be empty."),
				"disabled":    computedBool("A disabled agent gets no credentials."),
				"default_integration": computedString(
					"The name of the agent's default integration, whose default role " +
						"it gets when it names no role; may be empty."),
				"integrations": computedStrings("The names of the integrations that the agent is connected to, the " +
					"earliest connection first."),
			},
		},
	}
}
