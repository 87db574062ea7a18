package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/rolebroker/rolebroker"
)

// rule is a validator of a string. It accepts null and unknown values.
type rule struct {
	expects string                   // what is valid, for the documentation
	summary string                   // of the error
	check   func(value string) error // what is wrong with the value, in lower case
}

func (r rule) Description(context.Context) string         { return r.expects }
func (r rule) MarkdownDescription(context.Context) string { return r.expects }

func (r rule) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := r.check(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, r.summary, req.Path.String()+": "+sentence(err.Error()))
	}
}

// isName accepts the names of agents and runners.
func isName() validator.String {
	return rule{
		expects: "letters, digits, '.', '_' and '-', at most 64, and not the form of an ID",
		summary: "The name is not valid",
		check:   rolebroker.CheckName,
	}
}

// isTime accepts times in RFC 3339.
func isTime() validator.String {
	const expects = "a time in RFC 3339, as in 2030-01-31T00:00:00Z"
	return rule{expects, "The time is not valid", func(value string) error {
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return fmt.Errorf("%q is not %s", value, expects)
		}
		return nil
	}}
}

// isLifetime accepts positive durations.
func isLifetime() validator.String {
	const expects = "a duration, as in 720h"
	return rule{expects, "The duration is not valid", func(value string) error {
		if d, err := time.ParseDuration(value); err != nil || d <= 0 {
			return fmt.Errorf("%q is not %s", value, expects)
		}
		return nil
	}}
}

// isWait accepts durations from 0 to 5 minutes.
func isWait() validator.String {
	const expects = "a duration from 0s to 5m, as in 30s"
	return rule{expects, "The duration is not valid", func(value string) error {
		if d, err := time.ParseDuration(value); err != nil || d < 0 || d > 5*time.Minute {
			return fmt.Errorf("%q is not %s", value, expects)
		}
		return nil
	}}
}

// isIssuer accepts the issuers of service-account tokens, and the empty string.
func isIssuer() validator.String {
	return rule{"an https:// URL, or nothing", "The issuer is not valid", func(value string) error {
		runner := rolebroker.Runner{Name: "a", Issuer: value}
		if err := runner.Check(); err != nil {
			return errors.New(rolebroker.AsError(err).Fields[0].Message)
		}
		return nil
	}}
}

// isGiven refuses the empty string, with what to do instead. Terraform validates
// when it plans, and again when it applies if the string was unknown before.
func isGiven(instead string) validator.String {
	return rule{"not empty", "A value is missing", func(value string) error {
		if value == "" {
			return errors.New("the value is empty; " + instead)
		}
		return nil
	}}
}
