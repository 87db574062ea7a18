package execenv

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/hosts"
	"github.com/rolebroker/rolebroker/internal/requestid"
)

// port serves a room at one address until close.
type port struct {
	address netip.AddrPort
	server  *http.Server
	served  chan struct{} // closed after the server ended
}

// anyLoopback lets the system choose the port.
var anyLoopback = netip.MustParseAddrPort("127.0.0.1:0")

// hostNames are the names under which container engines let containers reach their host. No page of another site has
// one.
//
// Source: Docker, "Networking features in Docker Desktop"; podman-run(1), --add-host.
var hostNames = []string{"host.docker.internal", "host.containers.internal"}

// openPorts opens the ports of a room: one on loopback, for the command, and one at the
// address that Listen names, for its containers.
func (r *room) openPorts(o Options, lender *lender, family *family) error {
	shared, err := o.listenAddress()
	if err != nil {
		return err
	}
	endpoint := containercreds.New(containercreds.Options{Lender: lender, Requests: lender, Calls: lender,
		Tokens: lender, Identify: r.identify, Log: o.Log, Now: o.Now})
	if o.Contained != nil {
		return r.enter(o, family, endpoint)
	}
	own, isShared := anyLoopback, shared.IsValid()
	if isShared && shared.Addr().IsLoopback() {
		own, isShared = shared, false
	}
	if err := r.openPort(own, endpoint, o); err != nil {
		return err
	}
	r.url = "http://" + r.ports[0].address.String()
	if !isShared {
		return nil
	}
	if err := r.openPort(shared, endpoint, o); err != nil {
		return err
	}
	if !shared.Addr().IsUnspecified() {
		r.shared = r.ports[1].address
	}
	return nil
}

func (r *room) openPort(address netip.AddrPort, endpoint http.Handler, o Options) error {
	listener, err := net.Listen("tcp", address.String())
	if err != nil {
		e := rolebroker.Errorf(rolebroker.CodeUnavailable, "no port can be opened on %s: %s", address.Addr(), err)
		if o.Listen != "" {
			return e.WithHint("--listen takes an address of this machine, and a port that is free or none")
		}
		return e
	}
	r.servePort(listener, endpoint, o)
	return nil
}

func (r *room) servePort(listener net.Listener, endpoint http.Handler, o Options) {
	address := listener.Addr().(*net.TCPAddr).AddrPort()
	names := append([]string{address.Addr().Unmap().String()}, hostNames...) // pages of other sites have other names
	if address.Addr().IsUnspecified() {
		names = nil
	}
	at := hosts.Options{Listener: listener.Addr(), Names: names}
	p := &port{address: address, served: make(chan struct{}),
		server: containercreds.NewServer(requestid.Handler(hosts.Guard(at, endpoint)), o.Log)}
	p.address = netip.AddrPortFrom(p.address.Addr().Unmap(), p.address.Port())
	r.ports = append(r.ports, p)
	go func() {
		defer close(p.served)
		p.server.Serve(guard.Listen(listener, guard.Options{Log: o.Log}))
	}()
}

func (p *port) close() {
	p.server.Close()
	<-p.served
}

// listenAddress is the address that Listen names; not valid if it names none.
func (o Options) listenAddress() (netip.AddrPort, error) {
	if o.Listen == "" {
		return netip.AddrPort{}, nil
	}
	address, err := netip.ParseAddrPort(o.Listen)
	if err != nil {
		ip, ipErr := netip.ParseAddr(o.Listen)
		address, err = netip.AddrPortFrom(ip, 0), ipErr
	}
	switch ip := address.Addr(); {
	case err != nil || ip.Zone() != "":
		return address, rolebroker.Errorf(rolebroker.CodeInvalid, "%q is not an IP address, with or without a port",
			o.Listen).WithHint("listen on the address of the containers' bridge, as in --listen 172.17.0.1")
	case !isPrivate(ip) && !o.ListenPublic:
		return address, rolebroker.Errorf(rolebroker.CodeDenied,
			"%s is not a private address: others could reach the credentials, over plain HTTP", ip).
			WithHint("listen on the address of the containers' bridge, as in --listen 172.17.0.1; to listen on any " +
				"address all the same, add --listen-on-public-address")
	case ip.IsUnspecified() && address.Port() == 0:
		return address, rolebroker.Errorf(rolebroker.CodeInvalid,
			"%s needs a port, so that containers can know it", ip).
			WithHint("add one, as in --listen %s", netip.AddrPortFrom(ip, 8486))
	}
	return address, nil
}

// isPrivate reports whether an address is for use in one network only.
func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
}
