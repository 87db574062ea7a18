package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker/internal/endpoint"
)

// Pattern is a host name, or *. and a name for all names below it.
type Pattern string

// ParsePattern reads a pattern. It refuses what no TLS client can ask for, and hosts of AWS, whose requests are signed by
// the gateway or not at all.
func ParsePattern(s string) (Pattern, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	rest := strings.TrimPrefix(name, "*.")
	switch {
	case !isName(rest):
		return "", fmt.Errorf("%q is not the name of a host, such as github.com, or of the hosts below it, *.github.com", s)
	case !strings.Contains(rest, "."):
		return "", fmt.Errorf("%q is too wide: name a host with its domain, such as github.com or *.github.com", s)
	case endpoint.InAWS(rest):
		return "", fmt.Errorf("%q is a domain of AWS, whose requests go to the gateway", s)
	}
	if _, err := netip.ParseAddr(rest); err == nil {
		return "", fmt.Errorf("%q is an address; TLS asks for names", s)
	}
	return Pattern(name), nil
}

// isName reports whether s is a host name in lower case.
func isName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(s) <= 253
}

// outsideName returns a host as patterns have it. It is not ok for what is no name of a host outside: an address, in
// any form that a resolver takes for one, and a name of this machine or its network, which has no dot.
//
// Source: WHATWG URL Standard, "ends in a number checker".
func outsideName(host string) (name string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(host, "."))
	last := name[strings.LastIndexByte(name, '.')+1:]
	_, err := netip.ParseAddr(name)
	return name, err != nil && isName(name) && strings.Contains(name, ".") &&
		strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x")
}

// matches reports whether the pattern includes a host name in lower case.
func (p Pattern) matches(host string) bool {
	if rest, ok := strings.CutPrefix(string(p), "*"); ok {
		return strings.HasSuffix(host, rest) && host != rest[1:]
	}
	return host == string(p)
}

func includes(all []Pattern, host string) bool {
	return slices.ContainsFunc(all, func(p Pattern) bool { return p.matches(host) })
}

// ranges are networks by what may reach them.
type ranges struct {
	// never are reached by nothing, even where private addresses are allowed: those of this machine's own link, where
	// clouds have their metadata, and those that are no address of one host.
	never []netip.Prefix

	// private are of this machine, or of networks that others do not reach.
	private []netip.Prefix

	// translating are networks of IPv6 whose addresses hold one of IPv4, and where it begins.
	translating map[netip.Prefix]int
}

// known are the ranges.
//
// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; the metadata services of Alibaba, Azure, AWS, Google
// and Oracle.
var known = sync.OnceValue(func() ranges {
	return ranges{
		never: prefixes("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32",
			"168.63.129.16/32", "192.0.0.0/24", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::/32", "fd20:ce::/32"),
		private: prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.2.0/24",
			"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "::1/128", "fc00::/7", "100::/64", "2001:db8::/32"),
		translating: map[netip.Prefix]int{netip.MustParsePrefix("64:ff9b::/96"): 12, netip.MustParsePrefix("::/96"): 12,
			netip.MustParsePrefix("64:ff9b:1::/48"): 12, netip.MustParsePrefix("2002::/16"): 2},
	}
})

func prefixes(all ...string) (found []netip.Prefix) {
	for _, s := range all {
		found = append(found, netip.MustParsePrefix(s))
	}
	return found
}

// mayReach reports whether a tunnel may end at an address.
func mayReach(ip netip.Addr, privateToo bool) bool {
	ip = ip.Unmap().WithZone("")
	in := func(all []netip.Prefix) bool {
		return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	if !ip.IsValid() || in(known().never) || !privateToo && in(known().private) {
		return false
	}
	if ip == netip.IPv6Loopback() {
		return true
	}
	for network, at := range known().translating {
		if network.Contains(ip) {
			b := ip.As16()
			return mayReach(netip.AddrFrom4([4]byte(b[at:at+4])), privateToo)
		}
	}
	return true
}
