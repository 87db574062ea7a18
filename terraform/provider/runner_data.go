package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

type runnerDataModel struct {
	runnerModel
	Status         types.String `tfsdk:"status"`
	SeenAt         types.String `tfsdk:"seen_at"`
	Program        types.String `tfsdk:"program"`
	Method         types.String `tfsdk:"method"`
	IdentityARN    types.String `tfsdk:"identity_arn"`
	IdentityError  types.String `tfsdk:"identity_error"`
	ReportedIssuer types.String `tfsdk:"reported_issuer"`
	Pending        types.Int64  `tfsdk:"pending"`
	Replicas       types.Int64  `tfsdk:"replicas"`
}

// newRunnerData makes data.rolebroker_runner: a runner with what it last reported
// about itself.
func newRunnerData() datasource.DataSource {
	return &namedData[api.Runner, runnerDataModel]{
		onServerData: onServerData{suffix: "runner"},
		noun:         "runner",
		find: func(s *server) func(context.Context, string) (api.Runner, error) {
			return s.Runner
		},
		model:  runnerDataOf,
		schema: runnerDataSchema(),
	}
}

func runnerDataOf(_ context.Context, r api.Runner, _ *diag.Diagnostics) runnerDataModel {
	seen := ""
	if r.SeenAt != nil {
		seen = r.SeenAt.UTC().Format(time.RFC3339)
	}
	return runnerDataModel{
		runnerModel:    runnerOf(r),
		Status:         types.StringValue(r.Status),
		SeenAt:         types.StringValue(seen),
		Program:        types.StringValue(r.Program),
		Method:         types.StringValue(r.Method),
		IdentityARN:    types.StringValue(r.IdentityARN),
		IdentityError:  types.StringValue(r.IdentityError),
		ReportedIssuer: types.StringValue(r.ReportedIssuer),
		Pending:        types.Int64Value(int64(r.Pending)),
		Replicas:       types.Int64Value(int64(r.Replicas)),
	}
}

const aboutReplicas = "How many of its processes were in contact in the last minute; 0 unless it is connected."

func runnerDataSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "An existing runner and its status.",
		Attributes: map[string]schema.Attribute{
			"description": computedString("May be empty."),
			"issuer": computedString("The issuer of the service-account tokens about which the server believes the " +
				"runner; may be empty."),
			"status": computedString("`waiting`: the runner has not joined yet. `connected`: the server received a " +
				"heartbeat in the last seconds. `away`: it did not."),
			"seen_at": computedString("The time of the last heartbeat, in RFC 3339; empty: never."),
			"program": computedString("The version of the program that the runner reports."),
			"method": computedString("How the runner assumes roles: `web-identity` or `assume-role`; empty while " +
				"that is " +
				"not known."),
			"identity_arn": computedString("The runner's AWS identity; empty with `web-identity`, which has none " +
				"before it " +
				"assumes a role."),
			"identity_error": computedString("Why the runner has no AWS identity; empty if it has one or needs none."),
			"reported_issuer": computedString("The issuer of the service-account tokens that the runner reports to " +
				"verify; " +
				"may be empty. The server believes the runner about them once `issuer` is the same."),
			"replicas": schema.Int64Attribute{
				Computed: true, MarkdownDescription: aboutReplicas,
			},
			"pending": schema.Int64Attribute{
				Computed: true,
				MarkdownDescription: "How many sessions the runner began while it could not reach the server and " +
					"has not " +
					"reported yet.",
			},
		},
	}
}
