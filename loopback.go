package rolebroker

import (
	"net/netip"
	"strings"
)

// IsLoopback says whether only this machine can reach host, which is a name or
// an IP address without brackets. Names other than localhost are not resolved:
// what they mean can change.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
