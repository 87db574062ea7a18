package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/rolebroker/rolebroker"
)

// isName refuses what is no name of an agent.
type isName struct{}

func (isName) Description(context.Context) string {
	return "letters, digits, '.', '_' and '-', at most 64, and not like an ID"
}

func (v isName) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (isName) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := rolebroker.CheckName(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "The name is not valid", req.Path.String()+": "+sentence(err.Error()))
	}
}

// isTime refuses what is not a time in RFC 3339.
type isTime struct{}

func (isTime) Description(context.Context) string {
	return "a time in RFC 3339, as in 2030-01-31T00:00:00Z"
}

func (v isTime) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v isTime) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if _, err := time.Parse(time.RFC3339, req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "The time is not valid", req.Path.String()+": "+req.ConfigValue.String()+" is not "+v.Description(ctx)+".")
	}
}

// isLifetime refuses what is not a duration in the future.
type isLifetime struct{}

func (isLifetime) Description(context.Context) string { return "a duration, as in 720h" }

func (v isLifetime) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v isLifetime) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if d, err := time.ParseDuration(req.ConfigValue.ValueString()); err != nil || d <= 0 {
		resp.Diagnostics.AddAttributeError(req.Path, "The duration is not valid", req.Path.String()+": "+req.ConfigValue.String()+" is not "+v.Description(ctx)+".")
	}
}

// isIssuer refuses what no service-account token has as its issuer, by the rules
// of package rolebroker.
type isIssuer struct{}

func (isIssuer) Description(context.Context) string {
	return "an https:// URL, or nothing"
}

func (v isIssuer) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (isIssuer) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	r := rolebroker.Runner{Name: "a", Issuer: req.ConfigValue.ValueString()}
	if err := r.Check(); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "The issuer is not valid", req.Path.String()+": "+sentence(rolebroker.AsError(err).Fields[0].Message))
	}
}

// isGiven refuses the empty text. Terraform asks while it plans, and again while
// it applies when the text was not known before.
type isGiven struct{ instead string }

func (isGiven) Description(context.Context) string { return "not empty" }

func (v isGiven) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v isGiven) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if !req.ConfigValue.IsUnknown() && !req.ConfigValue.IsNull() && req.ConfigValue.ValueString() == "" {
		resp.Diagnostics.AddAttributeError(req.Path, "A value is missing", req.Path.String()+": is empty; "+v.instead+".")
	}
}
