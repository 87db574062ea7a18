package rolebroker

import (
	"crypto/sha256"
	"encoding/base32"
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

// LoopbackName returns the name below localhost under which the web app signs in the holder of the API key with the
// hash. Browsers share cookies between all ports of a host, so nobody else may learn the name: a process on the
// administrator's machine that knows it can serve a page there, and gets the cookie. The name follows from the key, so
// that it is the same on every server and after a restart, and another key has another name.
func LoopbackName(hash []byte) string {
	sum := sha256.Sum256(append([]byte("rolebroker loopback name\x00"), hash...))
	return "rolebroker-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:26]) + ".localhost"
}

// IsCredentialsHost reports whether AWS SDKs ask for credentials at host over plain HTTP: a loopback address, or one
// of the link-local addresses of ECS and EKS.
//
// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
func IsCredentialsHost(host string) bool {
	return IsLoopback(host) || host == "169.254.170.2" || host == "169.254.170.23" || host == "fd00:ec2::23"
}
