package guard

import (
	"net"
	"net/netip"
)

// Network returns the network that an address is counted in: an IPv4 address alone, or the /64 network of an IPv6
// address, which one customer has. address may have a port, as in http.Request.RemoteAddr. Anything else is "unknown".
func Network(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	addr, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return "unknown"
	case addr.Unmap().Is4():
		return addr.Unmap().String()
	}
	prefix, _ := addr.WithZone("").Prefix(64) // every IPv6 address has one
	return prefix.String()
}
