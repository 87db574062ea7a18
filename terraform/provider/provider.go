package provider

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/tokenfile"
)

// Address is the source address of the provider in configurations.
const Address = "registry.terraform.io/rolebroker/rolebroker"

// defaultURL is the URL of the server if none is set, as for the command line.
const defaultURL = "http://127.0.0.1:8484"

// New returns a constructor of the provider. The User-Agent contains the version.
func New(version string) func() provider.Provider {
	return func() provider.Provider {
		return &rolebrokerProvider{version: version, now: time.Now, retryWait: 500 * time.Millisecond,
			validateWait: 45 * time.Second} // proxies often close a request after a minute
	}
}

type rolebrokerProvider struct {
	version   string
	now       func() time.Time
	retryWait time.Duration // before the first retry of a request; each further wait is twice as long

	validateWait time.Duration // how long a role is tried that AWS denies, by default; 0: as the server is set
}

// settings is the provider block.
type settings struct {
	URL               types.String `tfsdk:"url"`
	Token             types.String `tfsdk:"token"`
	CACertificate     types.String `tfsdk:"ca_certificate"`
	ClientCertificate types.String `tfsdk:"client_certificate"`
	ClientKey         types.String `tfsdk:"client_key"`
	AllowInsecure     types.Bool   `tfsdk:"allow_insecure"`
}

func (p *rolebrokerProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "rolebroker", p.version
}

func (p *rolebrokerProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Lends AWS roles to AI agents. The URL and the API key can come from the environment, " +
			"so an " +
			"empty block is fine.",
		Attributes: map[string]schema.Attribute{
			"url": schema.StringAttribute{Optional: true,
				MarkdownDescription: "The URL of the server. Default: `ROLEBROKER_URL`, else `" + defaultURL + "`."},
			"token": schema.StringAttribute{Optional: true, Sensitive: true,
				MarkdownDescription: "An API key: an admin key, or a read-only key that can only plan. Default: " +
					"`ROLEBROKER_TOKEN`, else the file that `ROLEBROKER_TOKEN_FILE` names. Below `rolebroker exec` these " +
					"variables are those of its room: set this and `url`."},
			"ca_certificate": schema.StringAttribute{Optional: true,
				MarkdownDescription: "PEM: the certificate authorities to trust instead of the system's. Use `file(…)`."},
			"client_certificate": schema.StringAttribute{Optional: true,
				MarkdownDescription: "PEM: a client certificate, for a proxy in front of the server that requires one.",
				Validators:          []validator.String{stringvalidator.AlsoRequires(path.MatchRoot("client_key"))}},
			"client_key": schema.StringAttribute{Optional: true, Sensitive: true,
				MarkdownDescription: "PEM: the key of `client_certificate`.",
				Validators: []validator.String{stringvalidator.AlsoRequires(path.MatchRoot(
					"client_certificate"))}},
			"allow_insecure": schema.BoolAttribute{Optional: true,
				MarkdownDescription: "Permits sending the token over plain HTTP to another machine, for a network that " +
					"encrypts by other means. Default: `ROLEBROKER_ALLOW_INSECURE`, else false."},
		},
	}
}

// Configure makes the client. If a setting is unknown until the apply, there is
// no client, and a resource that needs it reports that.
func (p *rolebrokerProvider) Configure(
	ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse,
) {
	var s settings
	resp.Diagnostics.Append(req.Config.Get(ctx, &s)...)
	if resp.Diagnostics.HasError() {
		return
	}
	shared := &server{defaults: newDefaults(), now: p.now, validateWait: p.validateWait}
	resp.ResourceData, resp.DataSourceData, resp.EphemeralResourceData = shared, shared, shared
	if s.isUnknown() {
		return
	}
	shared.Client = p.connect(s, &resp.Diagnostics)
}

func (s settings) isUnknown() bool {
	for _, setting := range []types.String{s.URL, s.Token, s.CACertificate, s.ClientCertificate, s.ClientKey} {
		if setting.IsUnknown() {
			return true
		}
	}
	return s.AllowInsecure.IsUnknown()
}

func (p *rolebrokerProvider) connect(s settings, diags *diag.Diagnostics) *client.Client {
	if !s.completeInRoom(diags) {
		return nil
	}
	token, tokenFile, err := s.token()
	if err != nil {
		diags.AddAttributeError(path.Root("token"), "There is no token for rolebroker", sentence(err.Error())+
			"\n\nMake an API key with rolebroker api-key create. Set ROLEBROKER_TOKEN, or token in the provider "+
			"block, to it.")
		return nil
	}
	config, at, err := tlsConfig(
		s.CACertificate.ValueString(), s.ClientCertificate.ValueString(), s.ClientKey.ValueString())
	if err != nil {
		diags.AddAttributeError(path.Root(at), "The provider's TLS settings are not valid", sentence(err.Error()))
		return nil
	}
	insecure := s.AllowInsecure.ValueBool()
	if s.AllowInsecure.IsNull() {
		insecure, _ = strconv.ParseBool(fromEnvironment("ROLEBROKER_ALLOW_INSECURE"))
	}
	c, err := client.New(client.Options{
		URL:           s.url(),
		Token:         token,
		TokenFile:     tokenFile,
		AllowInsecure: insecure,
		HTTPClient:    retrying(config, p.retryWait),
		UserAgent:     "terraform-provider-rolebroker/" + p.version,
	})
	if err != nil {
		report(diags, "The provider cannot reach rolebroker as it is configured", err,
			func(string) path.Path { return path.Root("url") })
		return nil
	}
	return c
}

func (s settings) url() string {
	for _, url := range []string{s.URL.ValueString(), fromEnvironment("ROLEBROKER_URL")} {
		if url != "" {
			return url
		}
	}
	return defaultURL
}

// token returns the API key, and the file that it is from, if it is from a file.
func (s settings) token() (_ rolebroker.Secret, file string, _ error) {
	token := s.Token.ValueString()
	if token == "" {
		token = fromEnvironment("ROLEBROKER_TOKEN")
	}
	if token == "" {
		file = fromEnvironment("ROLEBROKER_TOKEN_FILE")
	}
	if file != "" {
		key, err := tokenfile.New(file).Token()
		return key, file, err
	}
	key, err := tokenfile.Parse(token)
	switch {
	case errors.Is(err, tokenfile.ErrEmpty):
		err = rolebroker.Errorf(rolebroker.CodeInvalid, "every request to rolebroker needs an API key, and none is set")
	case err != nil:
		err = rolebroker.Errorf(rolebroker.CodeInvalid, "the token %w", err)
	}
	return key, "", err
}

func (p *rolebrokerProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		newIntegrationResource,
		newExternalIDResource,
		newConnectionResource,
		newAgentResource,
		newTokenResource,
		newBindingResource,
		newRunnerResource,
	}
}

func (p *rolebrokerProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		func() datasource.DataSource { return &setupData{onServerData{suffix: "aws_setup"}} },
		func() datasource.DataSource { return &validationData{onServerData{suffix: "aws_validation"}} },
		func() datasource.DataSource { return &platformData{onServerData{suffix: "platform"}} },
		newIntegrationsData,
		newAgentsData,
		newRunnersData,
		newIntegrationData,
		newAgentData,
		newRunnerData,
	}
}

func (p *rolebrokerProvider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{
		func() ephemeral.EphemeralResource { return &tokenMaker{} },
	}
}
