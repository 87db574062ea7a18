package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework/provider"
)

// NewForTests is New with another clock, and almost without waiting before a
// request is sent again.
func NewForTests(now func() time.Time) func() provider.Provider {
	return func() provider.Provider {
		return &rolebrokerProvider{version: "test", now: now, retryWait: time.Millisecond}
	}
}
