package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// ServeForTests is Protocol for a provider of NewForTests.
func ServeForTests(now func() time.Time) func() tfprotov6.ProviderServer {
	return serve(NewForTests(now))
}

// NewForTests is New with another clock, and almost without waiting before a
// request is sent again.
func NewForTests(now func() time.Time) func() provider.Provider {
	return func() provider.Provider {
		return &rolebrokerProvider{version: "test", now: now, retryWait: time.Millisecond,
			validateWait: time.Millisecond}
	}
}
