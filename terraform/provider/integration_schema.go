package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/boolplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

func (r *integrationResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		Version: 1,
		MarkdownDescription: "A named group of AWS roles. An agent that is connected to it may borrow all of them.\n\n" +
			"The server tries to assume the roles while Terraform applies. By default the apply fails, and nothing is " +
			"saved, unless every enabled role can be assumed. The error names each role that cannot, with the cause " +
			"and " +
			"what to change.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed: true, PlanModifiers: keep,
				MarkdownDescription: "The integration's ID. Renaming the integration does not change it.",
			},
			"name": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "Unique in a deployment. Letters, digits, `.`, `_` and `-`, at most 64. " +
					"Changing it " +
					"renames the integration in place.",
			},
			"description": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				MarkdownDescription: "At most 1000 characters.",
			},
			"enabled": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "No agent gets the roles of a disabled integration, which keeps its roles and " +
					"connections. Credentials that agents already have are valid until they expire. Default: true.",
			},
			"assumption_mode": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(string(rolebroker.ModePlatform)),
				Validators: []validator.String{
					stringvalidator.OneOf(string(rolebroker.ModePlatform), string(rolebroker.ModeCluster)),
				},
				MarkdownDescription: "Who calls STS: `platform` (default, recommended), or `cluster`, a runner in " +
					"your own " +
					"cluster.",
			},
			"runner": schema.StringAttribute{
				Optional:   true,
				Validators: []validator.String{isGiven("where no runner is named, leave it out")},
				MarkdownDescription: "The `id` of the runner that assumes the roles, or its name; in `cluster` mode " +
					"only. " +
					"Without it no agent gets the roles.",
			},
			"runner_id": schema.StringAttribute{
				Computed: true, MarkdownDescription: "The runner's ID; null if no runner is named.",
			},
			"external_id": schema.StringAttribute{
				Optional: true, Computed: true,
				PlanModifiers: keep,
				MarkdownDescription: "The external ID that the roles' trust policies should require: the " +
					"`external_id` of a `rolebroker_external_id`, when the same plan creates the roles. Left out: the " +
					"server makes one, and an existing integration keeps its own; leave it out of a configuration " +
					"that Terraform generated. To change it without an outage, use `rolebroker integration " +
					"rotate-external-id`; a `rolebroker_external_id` follows. An external ID that the integration " +
					"had before stands for its current one. Another reserved one takes its place in the same " +
					"apply; any other value is refused. The integration is never replaced for it.",
			},
			"session_tags": schema.BoolAttribute{
				Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Adds session tags to every AssumeRole that say who borrows. Default: false. " +
					"The trust " +
					"policies of `rolebroker_aws_setup` allow it.",
			},
			"source_identity": schema.BoolAttribute{
				Optional: true, Computed: true,
				PlanModifiers: []planmodifier.Bool{boolplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "Sets the source identity of every AssumeRole to the agent's name. AWS keeps it " +
					"when the session assumes further roles. Left out: a new integration has it, unless the " +
					"validation at its creation finds a role that works only without it; an existing one stays as " +
					"it is. The trust policies of `rolebroker_aws_setup` allow it.",
			},
			"default_role": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "The name of the role that an agent gets when it names no role: a key of " +
					"`roles`. While that role is disabled, such an agent gets none.",
			},
			"roles": schema.MapNestedAttribute{
				Required:     true,
				Validators:   []validator.Map{mapvalidator.SizeAtLeast(1)},
				NestedObject: schema.NestedAttributeObject{Attributes: roleAttributes()},
				MarkdownDescription: "The roles, by a name of your choosing; it need not be the name in IAM. A role " +
					"whose " +
					"name changes while its ARN stays keeps its ID and its history.",
			},
			"validate_wait": schema.StringAttribute{
				Optional: true, Validators: []validator.String{isWait()},
				MarkdownDescription: "How long creating and updating keep trying a role that AWS denies, as in `30s`; " +
					"`5m` at most. IAM takes some seconds to spread a role or a trust policy that the same apply has " +
					"written. Default: `45s`. Proxies may close longer requests. It changes nothing by itself.",
			},
			"revalidate_triggers": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Values of your choosing; another value validates the roles again. Put the trust " +
					"policies here that the same configuration writes, as in `{ trust = " +
					"aws_iam_role.readonly.assume_role_policy }`: an apply that changes one then finds out whether " +
					"the roles can still be assumed.",
			},
			"validate": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(api.ValidateRequire),
				Validators: []validator.String{
					stringvalidator.OneOf(api.ValidateRequire, api.ValidateWarn, api.ValidateSkip),
				},
				MarkdownDescription: "What creating and updating does about roles that cannot be assumed; an update " +
					"that changes nothing about assuming them does not try, unless `revalidate_triggers` differ. " +
					"`require` " +
					"(default) fails and saves nothing if that concerns an enabled role of an enabled integration, " +
					"`warn` saves and warns, `skip` does not try. In cluster mode the server cannot try, and " +
					"nothing is required.",
			},
		},
	}
}
