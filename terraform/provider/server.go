package provider

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/rolebroker/rolebroker/client"
)

// server is the connection to rolebroker that resources and data sources share.
type server struct {
	*client.Client // nil while the provider's settings are not known
	defaults       *defaults
	limiting       sync.Mutex // a change of a connection makes the agent's version stale for the next one
	now            func() time.Time
	validateWait   time.Duration // the default of validate_wait; 0: as the server is set
}

// ready returns whether the server can be asked. If not, diags says why.
func (s *server) ready(diags *diag.Diagnostics) bool {
	if s != nil && s.Client != nil {
		return true
	}
	diags.AddError("The provider's settings are not known yet",
		"The provider block of rolebroker depends on values that Terraform knows only after the apply, "+
			"but this resource or data source needs them now. "+
			"Apply what the provider block depends on first, with -target, or set ROLEBROKER_URL and ROLEBROKER_TOKEN.")
	return false
}

// onServer is the part that all resources share: their type and the server.
type onServer struct {
	suffix   string // of the type, as in "agent" for rolebroker_agent
	identity identity
	server   *server
}

// Metadata also says that the identity can change: a resource is renamed in place.
func (o *onServer) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + o.suffix
	resp.ResourceBehavior.MutableIdentity = true
}

func (o *onServer) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	o.server, _ = req.ProviderData.(*server) // nil when Terraform only validates
}

// onServerData is onServer for data sources.
type onServerData struct {
	suffix string
	server *server
}

func (o *onServerData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + o.suffix
}

func (o *onServerData) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	o.server, _ = req.ProviderData.(*server)
}

// source is a plan, a state or a configuration.
type source interface {
	Get(ctx context.Context, target any) diag.Diagnostics
}

// read reads models from their sources, in order, for a method that then asks
// the server. It returns false, with the reason in diags, if that cannot be done.
func (s *server) read(ctx context.Context, diags *diag.Diagnostics, pairs ...modelFrom) bool {
	for _, p := range pairs {
		diags.Append(p.source.Get(ctx, p.model)...)
	}
	return !diags.HasError() && s.ready(diags)
}

// modelFrom is a model, as a pointer, and where it is read from.
type modelFrom struct {
	model  any
	source source
}

// refresh sets the state to the model of what the server has. It removes the
// resource from the state if the server has it no longer, and reports any other
// error.
func refresh[M any](ctx context.Context, resp *resource.ReadResponse, summary string, err error, model func() M) {
	switch {
	case gone(err):
		resp.Diagnostics.Append(lose(ctx, resp.State, resp.Identity)...)
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, summary, err, nil)
	default:
		resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, model())...)
	}
}
