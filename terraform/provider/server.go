package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/rolebroker/rolebroker/client"
)

// server is what resources and data sources share: whom to ask.
type server struct {
	*client.Client // nil while the provider's settings are not known
	defaults       *defaults
}

// fromServer is part of every resource.
type fromServer struct{ server *server }

func (f *fromServer) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	f.server, _ = req.ProviderData.(*server) // nil when Terraform only validates
}

// fromServerData is the same for data sources.
type fromServerData struct{ server *server }

func (f *fromServerData) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	f.server, _ = req.ProviderData.(*server)
}

// ready says whether the server can be asked, and in diags why it cannot.
func (s *server) ready(diags *diag.Diagnostics) bool {
	if s != nil && s.Client != nil {
		return true
	}
	diags.AddError("The provider's settings are not known yet",
		"The provider block of rolebroker depends on something that is known after the apply only, and this has to be read before. "+
			"Apply what it depends on first, with -target, or set ROLEBROKER_URL and ROLEBROKER_TOKEN.")
	return false
}
