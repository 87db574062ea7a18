package execenv

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/egress"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// Proxied says that the variables for proxies lead the command's programs to the room. There hosts of AWS are the
// gateway, under their own names, and other hosts are reached as they are. It confines nothing: a program that does not
// use the proxy goes wherever it likes, and AWS does not know its keys.
type Proxied struct {
	Hosts   []egress.Pattern // outside of AWS, that the proxy reaches; none: all
	Private []egress.Pattern // that it may reach at a private address, too
}

// proxyUser is the user in the credential of the proxy. Its password is a token that is good for nothing else, because
// programs print the URLs of proxies.
const (
	proxyUser        = "rolebroker"
	proxyTokenPrefix = "rbxp_"
)

// openProxy opens the proxy, and writes the file with the authorities that the command is to trust.
func (r *room) openProxy(o Options) error {
	if o.Gateway == nil {
		return rolebroker.Errorf(rolebroker.CodeDenied, "this program cannot reach a gateway, which --proxy needs")
	}
	authority, err := egress.NewAuthority(o.Now())
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInternal, "the room's certificate cannot be made: %w", err)
	}
	if err := r.trust(o, authority.PEM); err != nil {
		return err
	}
	r.egress, err = o.newEgress(egress.Options{Authority: authority, Any: len(o.Proxied.Hosts) == 0,
		Allowed: slices.Concat(o.Proxied.Hosts, o.Proxied.Private), Private: o.Proxied.Private})
	if err != nil {
		return err
	}
	token := randomToken(proxyTokenPrefix)
	p, err := r.openPatient(o, nil, r.egress.Proxy(identifyProxied(token)))
	if err != nil {
		return err
	}
	r.proxy = "http://" + proxyUser + ":" + token + "@" + p.address.String()
	return nil
}

// identifyProxied accepts the credential of a proxy.
//
// Source: RFC 7617.
func identifyProxied(token string) func(authorization string) bool {
	hash := seal.Hash(token)
	return func(authorization string) bool {
		scheme, encoded, _ := strings.Cut(authorization, " ")
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		user, password, _ := strings.Cut(string(text), ":")
		return err == nil && strings.EqualFold(scheme, "basic") && user == proxyUser && seal.Matches(password, hash)
	}
}

// throughProxy is the environment in which programs use the room's proxy. What the caller reaches without a proxy, the
// command does too, but for AWS.
func (r *room) throughProxy(env []string) []string {
	direct := []string{"localhost", "127.0.0.1", "::1"}
	for _, host := range r.hosts() {
		if !slices.Contains(direct, host) {
			direct = append(direct, host)
		}
	}
	for _, name := range noProxyVars {
		for entry := range strings.FieldsFuncSeq(lookup(env, name), isNoProxySeparator) {
			if !concernsAWS(entry) && !slices.Contains(direct, entry) {
				direct = append(direct, entry)
			}
		}
	}
	env = slices.DeleteFunc(r.trusting(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(proxyVars, name) || slices.Contains(noProxyVars, name)
	})
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		env = append(env, name+"="+r.proxy)
	}
	for _, name := range noProxyVars {
		env = append(env, name+"="+strings.Join(direct, ","))
	}
	return env
}

// isNoProxySeparator reports whether a character ends an entry of NO_PROXY: a comma, or, for curl and wget, a space.
//
// Source: curl(1), --noproxy.
func isNoProxySeparator(c rune) bool { return c == ',' || unicode.IsSpace(c) }

// concernsAWS reports whether an entry of NO_PROXY includes a host of AWS.
func concernsAWS(entry string) bool {
	name := strings.ToLower(entry)
	if host, port, ok := strings.Cut(name, ":"); ok && !strings.Contains(port, ":") {
		name = host
	}
	name = strings.TrimSuffix(strings.TrimLeft(name, "*."), ".")
	return name == "" || endpoint.IncludesAWS(name)
}
