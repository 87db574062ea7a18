package awsstandin

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Address is the source address of the provider that this one replaces.
const Address = "registry.terraform.io/hashicorp/aws"

// SecretsEnv is the environment variable that names the folder of the secrets.
const SecretsEnv = "AWSSTANDIN_SECRETS"

// New returns a constructor of the provider.
func New() func() provider.Provider {
	return func() provider.Provider { return standIn{} }
}

type standIn struct{}

// cloud has the clients that the resources share.
type cloud struct {
	iam     *iam.Client
	sts     *sts.Client
	secrets string // a folder
}

func (standIn) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "aws", "6.0.0"
}

func (standIn) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{"region": schema.StringAttribute{Optional: true}}}
}

func (standIn) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var settings struct {
		Region types.String `tfsdk:"region"`
	}
	if resp.Diagnostics.Append(req.Config.Get(ctx, &settings)...); resp.Diagnostics.HasError() {
		return
	}
	if os.Getenv("AWS_ENDPOINT_URL") == "" {
		resp.Diagnostics.AddError(
			"This is not the provider of AWS",
			"It stands in for it in tests, and needs AWS_ENDPOINT_URL.",
		)
		return
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(settings.Region.ValueString()))
	if err != nil {
		resp.Diagnostics.AddError("Configuring the stand-in of AWS", err.Error())
		return
	}
	made := &cloud{iam: iam.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg), secrets: os.Getenv(SecretsEnv)}
	resp.ResourceData, resp.DataSourceData = made, made
}

func (standIn) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		func() resource.Resource { return &role{} },
		func() resource.Resource { return &rolePolicy{} },
		func() resource.Resource { return &oidcProvider{} },
		func() resource.Resource { return &secret{} },
		func() resource.Resource { return &secretVersion{} },
	}
}

func (standIn) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{func() datasource.DataSource { return &callerIdentity{} }}
}

// inCloud is part of every resource.
type inCloud struct{ *cloud }

func (c *inCloud) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	c.cloud, _ = req.ProviderData.(*cloud)
}
