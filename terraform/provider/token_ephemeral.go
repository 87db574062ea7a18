package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/client"
)

// tokenMaker is the ephemeral resource rolebroker_agent_token. It sends no
// request: a token is worthless until it is registered.
type tokenMaker struct{}

type madeToken struct {
	Token types.String `tfsdk:"token"`
}

func (*tokenMaker) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_agent_token"
}

func (*tokenMaker) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Makes a new agent token at every run. A token is worthless until the resource " +
			"`rolebroker_agent_token` registers it. Give it to that resource and to a write-only argument of a secret " +
			"store. Both take it when the same apply creates them, and ignore later values.",
		Attributes: map[string]schema.Attribute{
			"token": schema.StringAttribute{
				Computed: true, Sensitive: true, MarkdownDescription: "The value for `token_wo`.",
			},
		},
	}
}

func (*tokenMaker) Open(ctx context.Context, _ ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	token := client.NewAgentToken().Reveal()
	resp.Diagnostics.Append(resp.Result.Set(ctx, madeToken{types.StringValue(token)})...)
}
