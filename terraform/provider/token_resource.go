package provider

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// tokenResource is rolebroker_agent_token: what the server remembers of a token
// that was made elsewhere. The token passes through and stays nowhere.
type tokenResource struct{ fromServer }

var (
	_ resource.ResourceWithImportState = &tokenResource{}
	_ resource.ResourceWithModifyPlan  = &tokenResource{}
)

type tokenModel struct {
	ID           types.String `tfsdk:"id"`
	Agent        types.String `tfsdk:"agent"`
	AgentID      types.String `tfsdk:"agent_id"`
	Label        types.String `tfsdk:"label"`
	ExpiresIn    types.String `tfsdk:"expires_in"`
	ExpiresAt    types.String `tfsdk:"expires_at"`
	Status       types.String `tfsdk:"status"`
	Token        types.String `tfsdk:"token_wo"` // in the configuration only
	TokenVersion types.Int64  `tfsdk:"token_wo_version"`
}

func (r *tokenResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_agent_token"
}

func (r *tokenResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	replace := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A token by which an agent borrows. The token itself is made by the ephemeral resource `rolebroker_agent_token`, given to this resource and to a secret store in the same apply, and is in no plan and no state. " +
			"Needs Terraform 1.11 or newer.\n\n" +
			"A token that has expired or was revoked outside of Terraform is replaced by the next apply. Have the secret be replaced with it, by `replace_triggered_by` as below, or the store keeps the old one.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, PlanModifiers: keep, MarkdownDescription: "Of the token; it is part of the token, and not secret."},
			"agent": schema.StringAttribute{Required: true,
				MarkdownDescription: "The `id` of the agent, or its name. The token does not move to another agent: it is replaced. Use the `id`, which renaming does not change."},
			"agent_id": schema.StringAttribute{Computed: true, PlanModifiers: keep, MarkdownDescription: "The agent's ID."},
			"label": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(""), PlanModifiers: replace,
				MarkdownDescription: "To know it by later; at most 100 characters."},
			"expires_in": schema.StringAttribute{Optional: true, PlanModifiers: replace,
				Validators:          []validator.String{isLifetime{}, stringvalidator.ConflictsWith(path.MatchRoot("expires_at"))},
				MarkdownDescription: "How long it is good for, as in `720h`. Left out with `expires_at`: it does not expire."},
			"expires_at": schema.StringAttribute{Optional: true, Computed: true, Validators: []validator.String{isTime{}},
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()},
				MarkdownDescription: "When it expires, in RFC 3339; empty: never. A token that expired when this says so is not replaced; another time replaces it."},
			"status": schema.StringAttribute{Computed: true, PlanModifiers: keep,
				MarkdownDescription: "`active`, `expired` or `revoked`. One that is not active is replaced."},
			"token_wo": schema.StringAttribute{Required: true, WriteOnly: true, Sensitive: true, Validators: []validator.String{isGiven{"give it the token of an ephemeral rolebroker_agent_token"}},
				MarkdownDescription: "The `token` of an ephemeral `rolebroker_agent_token`. It is registered when this resource is created, and read at no other time."},
			"token_wo_version": schema.Int64Attribute{Optional: true, PlanModifiers: []planmodifier.Int64{int64planmodifier.RequiresReplace()},
				MarkdownDescription: "Another number replaces the token by another one."},
		},
	}
}

// ModifyPlan replaces the token when it is another agent's, which it may be when
// the reference is another; and when it is good no more, so that what is to be
// replaced with it is.
func (r *tokenResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || req.State.Raw.IsNull() {
		return
	}
	var plan, state, config tokenModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if !r.server.isStill(ctx, plan.Agent, state.Agent, state.AgentID) {
		ofAnother(ctx, resp)
	}
	status := state.Status.ValueString()
	if status == "" || status == api.StatusActive {
		return
	}
	if config.hasExpired(time.Now()) {
		resp.Diagnostics.AddAttributeWarning(path.Root("expires_at"), "The token is "+status+" and is not replaced",
			"A token that is good until "+config.ExpiresAt.ValueString()+" cannot be made any more. Another expires_at replaces it; or take the token out of the configuration.")
		return
	}
	resp.RequiresReplace.Append(path.Root("status"))
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("status"), types.StringUnknown())...)
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("id"), types.StringUnknown())...)
}

// hasExpired says whether the end that the configuration gives is over.
func (m tokenModel) hasExpired(now time.Time) bool {
	at, err := time.Parse(time.RFC3339, m.ExpiresAt.ValueString())
	return err == nil && !now.Before(at)
}

func (r *tokenResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan, config tokenModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	summary := "Registering a token of the agent " + plan.Agent.ValueString()
	agent, err := r.server.Agent(ctx, plan.Agent.ValueString())
	if err != nil {
		report(&resp.Diagnostics, summary, atMissing("agent", err), atRoot)
		return
	}
	token := api.TokenRequest{Label: plan.Label.ValueString(), ExpiresIn: plan.ExpiresIn.ValueString(), Token: api.Secret(config.Token.ValueString())}
	if at := plan.ExpiresAt.ValueString(); at != "" {
		expires, err := time.Parse(time.RFC3339, at)
		if err != nil {
			report(&resp.Diagnostics, summary, atField("expires_at", err), atRoot)
			return
		}
		token.ExpiresAt = &expires
	}
	made, err := r.server.CreateToken(ctx, agent.ID, token)
	if err != nil {
		report(&resp.Diagnostics, summary, err, atToken)
		return
	}
	plan.ID, plan.AgentID, plan.Status = types.StringValue(made.ID), types.StringValue(agent.ID), types.StringValue(api.StatusActive)
	plan.ExpiresAt = sameTime(made.ExpiresAt, plan.ExpiresAt)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// atToken is where the fields of a token are.
func atToken(field string) path.Path {
	if field == "token" {
		field = "token_wo"
	}
	return path.Root(field)
}

// sameTime is a time as it is spelled already, if that is the same; "" for never.
func sameTime(t *time.Time, spelled types.String) types.String {
	if t == nil {
		return types.StringValue("")
	}
	if ours, err := time.Parse(time.RFC3339, spelled.ValueString()); err == nil && ours.Equal(*t) {
		return spelled
	}
	return types.StringValue(t.UTC().Format(time.RFC3339Nano))
}

func (r *tokenResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state tokenModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	agent, err := r.server.Agent(ctx, first(state.AgentID, state.Agent))
	var token api.Token
	if err == nil {
		token, err = r.server.Token(ctx, agent.ID, state.ID.ValueString())
	}
	switch {
	case gone(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, "Reading the token "+state.ID.ValueString(), err, nil)
	default:
		state.Agent, state.AgentID, state.Label = sameAgent(agent, state.Agent), types.StringValue(agent.ID), types.StringValue(token.Label)
		state.Status, state.ExpiresAt = types.StringValue(token.Status), sameTime(token.ExpiresAt, state.ExpiresAt)
		resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
	}
}

// Update is for another way of writing the same agent only.
func (r *tokenResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan tokenModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *tokenResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state tokenModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	if err := r.server.RevokeToken(ctx, state.AgentID.ValueString(), state.ID.ValueString()); err != nil && !gone(err) {
		report(&resp.Diagnostics, "Revoking the token "+state.ID.ValueString(), err, nil)
	}
}

// ImportState takes agent/token: the agent's name or ID, and the token's ID.
func (r *tokenResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	agent, id, ok := strings.Cut(req.ID, "/")
	if !ok || agent == "" || !strings.HasPrefix(id, "tok_") {
		resp.Diagnostics.AddError("Importing a token", "A token is imported as AGENT/ID, as in scout/tok_2mzq7k4vprb5xw3tdn6hjc8ysa; rolebroker agent token list AGENT lists the IDs.")
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("agent"), agent)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), id)...)
}
