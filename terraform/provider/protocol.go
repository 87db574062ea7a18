package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Protocol returns a constructor of the server that Terraform talks to.
func Protocol(version string) func() tfprotov6.ProviderServer { return serve(New(version)) }

func serve(make func() provider.Provider) func() tfprotov6.ProviderServer {
	return func() tfprotov6.ProviderServer {
		return protocol{providerserver.NewProtocol6(make())().(framework)}
	}
}

// framework is what the server of the plugin framework implements.
type framework interface {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
}

// protocol is the framework's server, except for what the framework leaves to no
// provider.
type protocol struct{ framework }

// GetProviderSchema adds that the provider writes configurations. The framework
// does, and does not say so.
func (p protocol) GetProviderSchema(
	ctx context.Context, req *tfprotov6.GetProviderSchemaRequest,
) (*tfprotov6.GetProviderSchemaResponse, error) {
	resp, err := p.framework.GetProviderSchema(ctx, req)
	if err == nil && resp.ServerCapabilities != nil {
		resp.ServerCapabilities.GenerateResourceConfig = true
	}
	return resp, err
}

// GetMetadata adds the same.
func (p protocol) GetMetadata(
	ctx context.Context, req *tfprotov6.GetMetadataRequest,
) (*tfprotov6.GetMetadataResponse, error) {
	resp, err := p.framework.GetMetadata(ctx, req)
	if err == nil && resp.ServerCapabilities != nil {
		resp.ServerCapabilities.GenerateResourceConfig = true
	}
	return resp, err
}

// GenerateResourceConfig writes the configuration of an imported resource, for
// Terraform 1.14 or newer. It leaves the external ID out: a literal would keep the
// value of today, and the integration keeps its own without one.
func (p protocol) GenerateResourceConfig(
	ctx context.Context, req *tfprotov6.GenerateResourceConfigRequest,
) (*tfprotov6.GenerateResourceConfigResponse, error) {
	resp, err := p.framework.GenerateResourceConfig(ctx, req)
	if err != nil || resp.Config == nil || req.TypeName != "rolebroker_aws_integration" {
		return resp, err
	}
	var schema integrationResource
	config, err := withoutAttribute(schema.typeOf(ctx), *resp.Config, "external_id")
	if err != nil {
		return nil, err
	}
	resp.Config = &config
	return resp, nil
}

// withoutAttribute returns an object with one attribute null.
func withoutAttribute(of tftypes.Type, object tfprotov6.DynamicValue, name string) (tfprotov6.DynamicValue, error) {
	value, err := object.Unmarshal(of)
	if err != nil {
		return object, err
	}
	attributes := map[string]tftypes.Value{}
	if err := value.As(&attributes); err != nil {
		return object, err
	}
	attributes[name] = tftypes.NewValue(attributes[name].Type(), nil)
	return tfprotov6.NewDynamicValue(of, tftypes.NewValue(of, attributes))
}
