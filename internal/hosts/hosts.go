// Package hosts decides by its Host header whether a request is for this process.
//
// A page of an attacker can let its own name resolve to 127.0.0.1 and then ask a server that only this machine can
// reach: DNS rebinding. The browser takes the answer for the attacker's own, but sends the attacker's name in the Host
// header. So a listener on loopback answers for loopback names only, and for those that the operator or its
// certificate adds. Other listeners answer for every name until the operator lists the names: a browser asks them over
// HTTPS, and the certificate stands for the name.
//
// The package resolves no names, and it trusts no header but Host.
//
//	handler = hosts.Guard(hosts.Options{Listener: listener.Addr()}, handler)
package hosts

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Options say which names a listener has.
type Options struct {
	Listener net.Addr
	Names    []string // that the operator listed, in lower case; with none, a listener elsewhere has every name
	Proxied  bool     // a proxy in front of the listener may use any name, if Names is empty

	// Certificate returns the certificate of the listener, whose names it has, too. nil: plain HTTP.
	Certificate func() *x509.Certificate
}

// Name returns the host in the Host header of r: in lower case, without port, brackets and final dot. It is empty if
// the request has none, as HTTP/1.0 permits; browsers always send one.
func Name(r *http.Request) string {
	host, _ := split(r.Host)
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// Port returns the port in the Host header of r with the colon before it; empty if there is none.
func Port(r *http.Request) string {
	_, port := split(r.Host)
	return port
}

// split splits a Host header before the colon of its port. net.SplitHostPort refuses a header without a port.
func split(header string) (host, port string) {
	if i := strings.LastIndexByte(header, ':'); i > strings.LastIndexByte(header, ']') {
		return header[:i], header[i:]
	}
	return header, ""
}

// IsLoopback reports whether a name or IP address means the machine of the client itself, in every browser: localhost,
// the names below it, and loopback addresses.
//
// Source: RFC 6761, section 6.3; W3C, Secure Contexts, section 3.1.
func IsLoopback(name string) bool {
	return rolebroker.IsLoopback(name) || strings.HasSuffix(name, ".localhost")
}

// Guard returns a handler that passes on the requests for a name of the listener, and refuses all others with the
// status 421.
func Guard(o Options, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := Name(r); !o.has(name) {
			refuse(w, r, name)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// has reports whether the listener has the name.
func (o Options) has(name string) bool {
	if name == "" || IsLoopback(name) || slices.Contains(o.Names, name) {
		return true
	}
	if elsewhere := !o.onLoopback(); elsewhere || o.Proxied {
		if len(o.Names) == 0 {
			return true
		}
		if _, err := netip.ParseAddr(name); err == nil && elsewhere { // nobody can let an address resolve to another
			return true
		}
	}
	if o.Certificate == nil {
		return false
	}
	certificate := o.Certificate()
	return certificate != nil && certificate.VerifyHostname(name) == nil
}

func (o Options) onLoopback() bool {
	host, _, err := net.SplitHostPort(o.Listener.String())
	return err == nil && rolebroker.IsLoopback(host)
}

// maxName is the longest name of a host, in bytes.
//
// Source: RFC 1035, section 2.3.4.
const maxName = 253

// isOdd reports whether no name of a host and no IP address has the character.
func isOdd(r rune) bool {
	return (r < 'a' || 'z' < r) && (r < '0' || '9' < r) && !strings.ContainsRune(".:_-", r)
}

// refuse answers in the format of the door that was asked.
func refuse(w http.ResponseWriter, r *http.Request, name string) {
	if len(name) > maxName || strings.ContainsFunc(name, isOdd) {
		name = "the host that was asked for"
	}
	err := rolebroker.Errorf(rolebroker.CodeDenied, "this is not %s: the Host header names another server", name).
		WithHint("ask for 127.0.0.1 or localhost; a server answers for other names if --allowed-hosts lists them")
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.URL.Path, "/v1/") { // SDKs print the code and the message
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusMisdirectedRequest)
		_ = json.NewEncoder(w).Encode(problem.Refusal(err)) // the client may be gone
		return
	}
	problem.Write(w, problem.WithStatus(http.StatusMisdirectedRequest, err))
}
