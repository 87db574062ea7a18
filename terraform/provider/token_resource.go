package provider

import (
	"context"
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

// tokenResource is rolebroker_agent_token: the server's record of a token that
// was made elsewhere. The provider passes the token on and stores it nowhere.
type tokenResource struct{ agentPart }

var (
	_ resource.ResourceWithImportState    = &tokenResource{}
	_ resource.ResourceWithModifyPlan     = &tokenResource{}
	_ resource.ResourceWithValidateConfig = &tokenResource{}
)

func newTokenResource() resource.Resource {
	return &tokenResource{agentPart{
		onServer: onServer{suffix: "agent_token", identity: ofAgent("id", "The ID of the token.")},
		noun:     "token", prefix: "tok_", lists: "rolebroker agent token list AGENT",
	}}
}

type tokenModel struct {
	ID           types.String `tfsdk:"id"`
	Agent        types.String `tfsdk:"agent"` // as the configuration has it: a name or an ID
	AgentID      types.String `tfsdk:"agent_id"`
	Label        types.String `tfsdk:"label"`
	ExpiresIn    types.String `tfsdk:"expires_in"`
	ExpiresAt    types.String `tfsdk:"expires_at"`
	RenewBefore  types.String `tfsdk:"renew_before"`
	Status       types.String `tfsdk:"status"`
	Token        types.String `tfsdk:"token_wo"` // in the configuration only
	TokenVersion types.Int64  `tfsdk:"token_wo_version"`
}

func (r *tokenResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	replace := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A token with which an agent borrows roles. The ephemeral resource " +
			"`rolebroker_agent_token` " +
			"makes the token. One apply gives it to this resource and to a secret store; it is in no plan and in no " +
			"state. Needs Terraform 1.11 or newer.\n\n" +
			"The next apply replaces a token that has expired or was revoked outside of Terraform, and one with " +
			"`expires_in` some time before it expires. Replace the secret " +
			"with it, by `replace_triggered_by` as below; otherwise the store keeps the old token.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed: true, PlanModifiers: keep,
				MarkdownDescription: "The ID of the token. It is a part of the token, and not secret.",
			},
			"agent": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "The `id` of the agent, or its name. Use the `id`, which stays the same when the " +
					"agent is renamed. Another agent replaces the token.",
			},
			"agent_id": schema.StringAttribute{
				Computed: true, PlanModifiers: keep, MarkdownDescription: "The agent's ID.",
			},
			"label": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				MarkdownDescription: "A label that tells tokens apart; at most 100 characters. Another label keeps " +
					"the token.",
			},
			"expires_in": schema.StringAttribute{
				Optional: true, PlanModifiers: replace,
				Validators: []validator.String{isLifetime(),
					stringvalidator.ConflictsWith(path.MatchRoot("expires_at"))},
				MarkdownDescription: "How long the token is valid, as in `720h`. If this and `expires_at` are left " +
					"out, the " +
					"token does not expire.",
			},
			"renew_before": schema.StringAttribute{
				Optional: true,
				Validators: []validator.String{isLifetime(),
					stringvalidator.AlsoRequires(path.MatchRoot("expires_in"))},
				MarkdownDescription: "How long before the token expires an apply replaces it, as in `168h`. Default: a " +
					"third of `expires_in`. Apply more often than that.",
			},
			"expires_at": schema.StringAttribute{
				Optional: true, Computed: true, Validators: []validator.String{isTime()},
				PlanModifiers: []planmodifier.String{
					stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured(),
				},
				MarkdownDescription: "When the token expires, in RFC 3339; empty: never. A token that expired at " +
					"this time " +
					"is not replaced. Another time replaces it.",
			},
			"status": schema.StringAttribute{
				Computed: true, PlanModifiers: keep,
				MarkdownDescription: "`active`, `expired` or `revoked`. A token that is not active is replaced.",
			},
			"token_wo": schema.StringAttribute{
				Required: true, WriteOnly: true, Sensitive: true,
				Validators: []validator.String{isGiven("give it the token of an ephemeral rolebroker_agent_token")},
				MarkdownDescription: "The `token` of an ephemeral `rolebroker_agent_token`. The provider registers " +
					"it when " +
					"it creates this resource, and reads it at no other time.",
			},
			"token_wo_version": schema.Int64Attribute{
				Optional: true, PlanModifiers: []planmodifier.Int64{int64planmodifier.RequiresReplace()},
				MarkdownDescription: "Another number replaces the token by a new one.",
			},
		},
	}
}

// ValidateConfig refuses a token that every apply would replace.
func (r *tokenResource) ValidateConfig(
	ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse,
) {
	var m tokenModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	lasts, err := time.ParseDuration(m.ExpiresIn.ValueString())
	before, problem := time.ParseDuration(m.RenewBefore.ValueString())
	if err == nil && problem == nil && before >= lasts {
		resp.Diagnostics.AddAttributeError(path.Root("renew_before"), "Every apply would replace the token",
			"renew_before: It is not shorter than expires_in, "+m.ExpiresIn.ValueString()+".")
	}
}

// renews returns whether it is time to replace a token that expires at expiresAt.
// The configuration says how long it lasts; one with a fixed end is not renewed.
func (m tokenModel) renews(expiresAt string, now time.Time) bool {
	lasts, err := time.ParseDuration(m.ExpiresIn.ValueString())
	if err != nil {
		return false
	}
	before, err := time.ParseDuration(m.RenewBefore.ValueString())
	if err != nil {
		before = lasts / 3
	}
	end, err := time.Parse(time.RFC3339, expiresAt)
	return err == nil && !now.Before(end.Add(-before))
}

// ModifyPlan replaces the token when it gets another agent, when it expires soon,
// and when it is no longer valid, so that resources that depend on it are replaced
// too.
func (r *tokenResource) ModifyPlan(
	ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse,
) {
	var plan, state, config tokenModel
	if !changes(ctx, req, &resp.Diagnostics, &plan, &state) {
		return
	}
	if resp.Diagnostics.Append(req.Config.Get(ctx, &config)...); resp.Diagnostics.HasError() {
		return
	}
	if r.moved(ctx, plan.Agent, state.Agent, state.AgentID) {
		replaceForAgent(ctx, resp)
	}
	status := state.Status.ValueString()
	if status == "" || status == api.StatusActive {
		if r.server != nil && config.renews(state.ExpiresAt.ValueString(), r.server.now()) {
			resp.RequiresReplace.Append(path.Root("expires_at"))
			setUnknown(ctx, resp, "expires_at", "id")
		}
		return
	}
	if r.server != nil && config.hasExpired(r.server.now()) {
		resp.Diagnostics.AddAttributeWarning(path.Root("expires_at"), "The token is "+status+" and is not replaced",
			"A new token with expires_at = "+config.ExpiresAt.ValueString()+" would be expired too. "+
				"Set another expires_at to replace the token, or take the token out of the configuration.")
		return
	}
	resp.RequiresReplace.Append(path.Root("status"))
	setUnknown(ctx, resp, "status", "id")
}

// hasExpired returns whether the expires_at of the configuration has passed.
func (m tokenModel) hasExpired(now time.Time) bool {
	at, err := time.Parse(time.RFC3339, m.ExpiresAt.ValueString())
	return err == nil && !now.Before(at)
}

func (r *tokenResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan, config tokenModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}, modelFrom{&config, req.Config}) {
		return
	}
	agent, made, err := r.register(ctx, plan, config.Token.ValueString())
	if err != nil {
		report(&resp.Diagnostics, "Registering a token of the agent "+plan.Agent.ValueString(), err, atToken)
		return
	}
	plan.ID, plan.AgentID = types.StringValue(made.ID), types.StringValue(agent.ID)
	plan.Status, plan.ExpiresAt = types.StringValue(api.StatusActive), sameTime(made.ExpiresAt, plan.ExpiresAt)
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, plan)...)
}

// register has the server remember a token.
func (r *tokenResource) register(ctx context.Context, plan tokenModel, token string) (api.Agent, api.NewToken, error) {
	agent, err := r.server.Agent(ctx, plan.Agent.ValueString())
	if err != nil {
		return agent, api.NewToken{}, atMissing("agent", err)
	}
	req := api.TokenRequest{
		Label:     plan.Label.ValueString(),
		ExpiresIn: plan.ExpiresIn.ValueString(),
		Token:     api.Secret(token),
	}
	if at := plan.ExpiresAt.ValueString(); at != "" {
		expires, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return agent, api.NewToken{}, atField("expires_at", err)
		}
		req.ExpiresAt = &expires
	}
	made, err := r.server.CreateToken(ctx, agent.ID, req)
	return agent, made, err
}

// atToken is the attribute of a field of a token.
func atToken(field string) path.Path {
	if field == "token" {
		field = "token_wo"
	}
	return path.Root(field)
}

// sameTime formats a time as it is spelled already, if that is the same time; ""
// for never.
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
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	agent, err := r.server.Agent(ctx, first(state.AgentID, state.Agent))
	var now api.Token
	if err == nil {
		now, err = r.server.Token(ctx, agent.ID, state.ID.ValueString())
	}
	refresh(ctx, resp, "Reading the token "+state.ID.ValueString(), err, func() tokenModel {
		state.Agent, state.AgentID = sameAgent(agent, state.Agent), types.StringValue(agent.ID)
		state.Label, state.Status = types.StringValue(now.Label), types.StringValue(now.Status)
		state.ExpiresAt = sameTime(now.ExpiresAt, state.ExpiresAt)
		return state
	})
}

// Update changes the label. Another reference to the same agent, or another
// renew_before, is nothing to the server.
func (r *tokenResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state tokenModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}, modelFrom{&state, req.State}) {
		return
	}
	if !plan.Label.Equal(state.Label) {
		_, err := r.server.LabelToken(ctx, state.AgentID.ValueString(), state.ID.ValueString(),
			plan.Label.ValueString())
		if err != nil {
			report(&resp.Diagnostics, "Labelling the token "+state.ID.ValueString(), err, atToken)
			return
		}
	}
	r.agentPart.Update(ctx, req, resp)
}

func (r *tokenResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state tokenModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	err := r.server.RevokeToken(ctx, state.AgentID.ValueString(), state.ID.ValueString())
	if err != nil && !gone(err) {
		report(&resp.Diagnostics, "Revoking the token "+state.ID.ValueString(), err, nil)
	}
}
