package gateway

import (
	"strings"

	"github.com/rolebroker/rolebroker/internal/endpoint"
)

// Configured returns the endpoints that the environment of this process names, as SDKs understand it.
//
// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
func Configured(getenv func(string) string) func(endpoint.Service) string {
	return func(s endpoint.Service) string {
		if strings.EqualFold(getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
			return ""
		}
		if own := getenv("AWS_ENDPOINT_URL_" + s.Variable); own != "" {
			return own
		}
		return getenv("AWS_ENDPOINT_URL")
	}
}
