package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/client"
)

// tokenMaker is the ephemeral resource rolebroker_agent_token. It asks nobody:
// a token that was not registered opens nothing.
type tokenMaker struct{}

type madeToken struct {
	Token types.String `tfsdk:"token"`
}

func (*tokenMaker) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_agent_token"
}

func (*tokenMaker) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Makes an agent token, a new one at every run, which opens nothing until the resource `rolebroker_agent_token` registers it. " +
			"Give it to that resource and to a write-only argument of a secret store; both take it when they are created, in the same apply, and pay no heed to it afterwards.",
		Attributes: map[string]schema.Attribute{
			"token": schema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: "For `token_wo`."},
		},
	}
}

func (*tokenMaker) Open(ctx context.Context, _ ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	resp.Diagnostics.Append(resp.Result.Set(ctx, madeToken{types.StringValue(client.NewAgentToken().Reveal())})...)
}
