package provider

import (
	"context"
	"iter"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// listData is a data source that lists the objects of one kind, by name. A is the
// object in the API.
type listData[A any] struct {
	onServerData
	attribute string // with the objects, as in "agents"
	about     string // the description of the data source
	searched  string // the description of its search
	of        map[string]schema.Attribute
	all       func(*server) func(ctx context.Context, search string) iter.Seq2[A, error]
	value     func(A) (name string, of map[string]attr.Value)
}

// searchedOwn describes a search that compares names and descriptions.
const searchedOwn = "Only those whose name or description contains this."

func (d *listData[A]) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: d.about,
		Attributes: map[string]schema.Attribute{
			"search": schema.StringAttribute{
				Optional: true, MarkdownDescription: d.searched,
			},
			d.attribute: schema.MapNestedAttribute{
				Computed: true, MarkdownDescription: "By name.",
				NestedObject: schema.NestedAttributeObject{Attributes: d.of},
			},
		},
	}
}

func (d *listData[A]) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var search types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("search"), &search)...)
	if resp.Diagnostics.HasError() || !d.server.ready(&resp.Diagnostics) {
		return
	}
	kind := schema.NestedAttributeObject{Attributes: d.of}.Type().(types.ObjectType)
	found := map[string]attr.Value{}
	for object, err := range d.all(d.server)(ctx, search.ValueString()) {
		if err != nil {
			report(&resp.Diagnostics, "Listing the "+d.attribute, err, nil)
			return
		}
		name, values := d.value(object)
		found[name] = types.ObjectValueMust(kind.AttrTypes, values)
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("search"), search)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(d.attribute), types.MapValueMust(kind, found))...)
}

// newIntegrationsData makes data.rolebroker_aws_integrations.
func newIntegrationsData() datasource.DataSource {
	return &listData[api.Integration]{
		onServerData: onServerData{suffix: "aws_integrations"},
		attribute:    "integrations",
		searched: "Only those with this in their name or description, or in the name, the account or the ARN " +
			"of a role.",
		about: "All integrations, without their roles: `rolebroker_aws_integration` has those of one.",
		of: map[string]schema.Attribute{
			"id":              computedString("The integration's ID."),
			"description":     computedString("May be empty."),
			"enabled":         computedBool("No agent gets the roles of a disabled integration."),
			"assumption_mode": computedString("Who calls STS: `platform` or `cluster`."),
			"runner":          computedString("The name of the runner that assumes the roles; empty if none is named."),
			"external_id":     computedString("The external ID that the roles' trust policies should require."),
			"default_role":    computedString("The name of the role that an agent gets when it names no role."),
			"status": computedString("The worst state of the enabled roles: `assumable`, `warning`, `failed` or " +
				"`unknown`."),
		},
		all: func(s *server) func(context.Context, string) iter.Seq2[api.Integration, error] {
			return s.AllIntegrations
		},
		value: func(in api.Integration) (string, map[string]attr.Value) {
			return in.Name, map[string]attr.Value{
				"id":              types.StringValue(in.ID),
				"description":     types.StringValue(in.Description),
				"enabled":         types.BoolValue(in.Enabled),
				"assumption_mode": types.StringValue(in.AssumptionMode),
				"runner":          types.StringValue(in.Runner),
				"external_id":     types.StringValue(in.ExternalID),
				"default_role":    types.StringValue(in.DefaultRole),
				"status":          types.StringValue(in.State.Status),
			}
		},
	}
}

// newAgentsData makes data.rolebroker_agents.
func newAgentsData() datasource.DataSource {
	return &listData[api.Agent]{
		onServerData: onServerData{suffix: "agents"},
		attribute:    "agents",
		searched:     searchedOwn,
		about:        "All agents, with the integrations that they are connected to.",
		of: map[string]schema.Attribute{
			"id":                  computedString("The agent's ID."),
			"description":         computedString("May be empty."),
			"disabled":            computedBool("A disabled agent gets no credentials."),
			"default_integration": computedString("The name of the agent's default integration; may be empty."),
			"integrations":        computedStrings("The names of the integrations, the earliest connection first."),
		},
		all: func(s *server) func(context.Context, string) iter.Seq2[api.Agent, error] { return s.AllAgents },
		value: func(a api.Agent) (string, map[string]attr.Value) {
			var connected []string
			for _, c := range a.Connections {
				connected = append(connected, c.Integration)
			}
			return a.Name, map[string]attr.Value{
				"id":                  types.StringValue(a.ID),
				"description":         types.StringValue(a.Description),
				"disabled":            types.BoolValue(a.Disabled),
				"default_integration": types.StringValue(a.DefaultIntegration),
				"integrations":        stringList(connected),
			}
		},
	}
}

// newRunnersData makes data.rolebroker_runners.
func newRunnersData() datasource.DataSource {
	return &listData[api.Runner]{
		onServerData: onServerData{suffix: "runners"},
		attribute:    "runners",
		searched:     searchedOwn,
		about:        "All runners. `rolebroker_runner` has what one reports about itself.",
		of: map[string]schema.Attribute{
			"id":          computedString("The runner's ID."),
			"description": computedString("May be empty."),
			"issuer": computedString("The issuer about whose service accounts the runner is believed; may be " +
				"empty."),
			"status":   computedString("`waiting`, `connected` or `away`."),
			"replicas": schema.Int64Attribute{Computed: true, MarkdownDescription: aboutReplicas},
		},
		all: func(s *server) func(context.Context, string) iter.Seq2[api.Runner, error] { return s.AllRunners },
		value: func(r api.Runner) (string, map[string]attr.Value) {
			return r.Name, map[string]attr.Value{
				"id":          types.StringValue(r.ID),
				"description": types.StringValue(r.Description),
				"issuer":      types.StringValue(r.Issuer),
				"status":      types.StringValue(r.Status),
				"replicas":    types.Int64Value(int64(r.Replicas)),
			}
		},
	}
}
