package rolebroker

import (
	"net/netip"
	"strings"
)

// IsLoopback reports whether only this machine can reach host, a name or an IP address without brackets. It does not
// resolve names, because their addresses can change: the only loopback name is localhost.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
