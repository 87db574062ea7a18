package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// runnerModel is what people decide about a runner. What a runner reports about
// itself changes all the time; the data source reads that.
type runnerModel struct {
	ID          types.String `tfsdk:"id"`
	Name        types.String `tfsdk:"name"`
	Description types.String `tfsdk:"description"`
	Issuer      types.String `tfsdk:"issuer"`
}

func runnerOf(r api.Runner) runnerModel {
	return runnerModel{
		ID:          types.StringValue(r.ID),
		Name:        types.StringValue(r.Name),
		Description: types.StringValue(r.Description),
		Issuer:      types.StringValue(r.Issuer),
	}
}

func (m runnerModel) id() string   { return m.ID.ValueString() }
func (m runnerModel) name() string { return m.Name.ValueString() }

func (m runnerModel) request() api.RunnerRequest {
	return api.RunnerRequest{
		Name:        m.Name.ValueString(),
		Description: m.Description.ValueString(),
		Issuer:      m.Issuer.ValueString(),
	}
}

// newRunnerResource makes rolebroker_runner.
//
// The command line makes the token with which a runner joins; the provider has
// no ephemeral resource for it. Terraform opens an ephemeral resource at every
// plan and again at the apply, and each opening would make a new token. That
// ends the token before it, leaves another one valid for an hour, and fails
// where plans use a read-only key. A write-only argument ignores later values,
// so a token that expired unused would stay where it is.
func newRunnerResource() resource.Resource {
	return &namedResource[api.Runner, api.RunnerRequest, runnerModel]{
		onServer: onServer{suffix: "runner", identity: byName("runner")},
		schema:   runnerSchema(),
		model:    runnerOf,
		calls: func(s *server) calls[api.Runner, api.RunnerRequest] {
			return calls[api.Runner, api.RunnerRequest]{s.Runner, s.CreateRunner, s.UpdateRunner, s.DeleteRunner}
		},
		// Terraform deletes a resource before it changes those that depended on it.
		needed: "Change the integration first, in an apply of its own, so that it names another runner or none. " +
			"If the lifecycle of the runner has create_before_destroy = true, one apply does both.",
	}
}

func runnerSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "The part of rolebroker that runs in your cluster. It assumes roles there, for the " +
			"integrations in cluster mode that name it. The data source `rolebroker_runner` reads its status.\n\n" +
			"A runner joins with a token that is valid once, within an hour. Terraform does not make that token: run " +
			"`rolebroker runner join-token NAME` after the apply and before you install the chart. A new join token " +
			"ends the one before it, so a token that Terraform made at every plan would end the token of a runner that " +
			"is just starting. A runner that has joined needs no further token.\n\n" +
			"The server refuses to delete a runner that an integration names. With `create_before_destroy`, as below, " +
			"one apply can take the runner away from the integration and delete it. Without it, Terraform would delete " +
			"the runner first.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed:            true,
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "The runner's ID. Renaming the runner does not change it.",
			},
			"name": schema.StringAttribute{
				Required:   true,
				Validators: []validator.String{isName()},
				MarkdownDescription: "Unique in a deployment. Letters, digits, `.`, `_` and `-`, at most 64. " +
					"Changing it " +
					"renames the runner in place; the runner stays connected.",
			},
			"description": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				MarkdownDescription: "At most 1000 characters.",
			},
			"issuer": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				Validators: []validator.String{isIssuer()},
				MarkdownDescription: "The issuer of the cluster's service-account tokens, an `https://` URL, as " +
					"`aws_eks_cluster` has it in `identity[0].oidc[0].issuer`. The server believes the runner about " +
					"the " +
					"service accounts of this issuer. No two runners have the same issuer. Left out: the server " +
					"believes " +
					"the runner about no service account, so pods cannot borrow with theirs.",
			},
		},
	}
}
