package gateway

import (
	"net/http"
	"net/url"

	"github.com/rolebroker/rolebroker/api"
)

// RelayPath is where the room of an exec relays requests to.
const RelayPath = "/gateway"

// Relayed restores a request that the room of an exec relays: the request line and the host are in headers, because the
// signature covers them and what is between the room and here may change them.
func Relayed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := url.ParseRequestURI(r.Header.Get(api.GatewayTarget))
		if err != nil || target.Host != "" {
			http.Error(w, "this path is for rolebroker exec only", http.StatusBadRequest)
			return
		}
		original := *r
		original.URL, original.RequestURI = target, r.Header.Get(api.GatewayTarget)
		original.Host = r.Header.Get(api.GatewayHost)
		original.Header = r.Header.Clone()
		original.Header.Del(api.GatewayTarget)
		original.Header.Del(api.GatewayHost)
		next.ServeHTTP(w, &original)
	})
}
