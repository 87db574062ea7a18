// Package egress is the network of a command that has none: it answers the command's
// DNS questions and its connections, and decides what leaves. For a command that has
// a network it is an HTTP proxy.
//
// Every name resolves to loopback, so every connection ends here. A connection over
// TLS says which host it wants (SNI). Hosts of AWS's domains end here, with a
// certificate of the command's own authority, and their requests go to the gateway.
// Hosts that the operator lists are tunnelled as they are, to an address that is
// resolved outside, when that is no address of this machine or its network.
// Everything else is refused, and the log says which host it was.
//
// A program that uses the proxy says by CONNECT which host it wants. The same rules
// hold, but that all hosts outside of AWS may be allowed, and plain HTTP, too.
//
// Where the environment names a proxy, what leaves goes through it, and that proxy
// resolves the names.
//
// The package never decrypts what it tunnels, tunnels to no host of AWS, and asks no
// DNS server for a name that is not allowed.
//
//	e := egress.New(egress.Options{AWS: gateway, Authority: ca, Allowed: allowed, Log: log})
//	go e.ServeDNS(packets)
//	go e.ServeTLS(listener)
//	proxy := http.Server{Handler: e.Proxy(identify)}
package egress
