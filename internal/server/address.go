package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// behindProxy sets each request's RemoteAddr to the address that the operator's proxy saw: the last one in
// X-Forwarded-For, which some proxies write with the port. The client itself may have sent the addresses before it.
func behindProxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forwarded := r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 {
			last := forwarded[len(forwarded)-1]
			last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
			if address, err := netip.ParseAddr(last); err == nil {
				r.RemoteAddr = net.JoinHostPort(address.String(), "0")
			} else if address, err := netip.ParseAddrPort(last); err == nil {
				r.RemoteAddr = address.String()
			}
		}
		next.ServeHTTP(w, r)
	})
}
