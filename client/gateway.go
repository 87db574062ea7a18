package client

import (
	"net/http"
	"net/http/httputil"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/expect"
)

// Gateway returns a handler that relays AWS requests to the gateway of the server. It streams both ways, and adds no
// token: the signature of a request says who made it. A request that does not reach the server goes to failed.
func (c *Client) Gateway(failed func(http.ResponseWriter, *http.Request, error)) http.Handler {
	to := *c.base
	to.Path = strings.TrimSuffix(to.Path, "/") + "/gateway"
	proxy := &httputil.ReverseProxy{
		Transport:     c.http.Transport,
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.Header.Set(api.GatewayTarget, p.In.RequestURI)
			p.Out.Header.Set(api.GatewayHost, p.In.Host)
			target := to
			p.Out.URL, p.Out.Host = &target, to.Host
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			failed(w, r, &rolebroker.Error{Code: rolebroker.CodeUnavailable,
				Message: "rolebroker at " + c.base.String() + " cannot be reached", Cause: err})
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(expect.Answer(w, r), expect.PassOn(r))
	})
}
