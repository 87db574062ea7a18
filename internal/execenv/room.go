package execenv

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/hosts"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// room is the loopback port that serves a command's credentials, and the command's
// private files.
type room struct {
	url    string // of the loopback port
	token  string // that the port accepts
	hash   []byte // of the token
	region rolebroker.Region
	dir    string // of the private files
	server *http.Server
	served chan struct{} // closed after the server ended
}

// open makes an empty room for one command. Close it.
func open(o Options, lender containercreds.Lender) (*room, error) {
	r := &room{token: randomToken()}
	r.hash = seal.Hash(r.token)
	var err error
	if r.dir, err = os.MkdirTemp("", "rolebroker-exec-"); err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "a private directory cannot be made: %s", err)
	}
	if err := r.serve(lender, o.Log); err != nil {
		os.RemoveAll(r.dir)
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "no port can be opened on 127.0.0.1: %s", err)
	}
	return r, nil
}

// furnish sets the role in use, and writes a profile for each role on offer.
func (r *room) furnish(o Options, lender *lender, loan *rolebroker.Loan, offers []rolebroker.Offer) error {
	inUse, err := o.inUse(loan, offers)
	if err != nil {
		return err
	}
	lender.use(inUse, loan)
	r.region = inUse.Region
	if err := writeFiles(r.dir, o.Self, inUse.Region, offers); err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the private AWS config file cannot be written: %s", err)
	}
	return nil
}

// inUse is the offer of the role that was lent: the one with its ARN that the
// reference names.
func (o Options) inUse(loan *rolebroker.Loan, offers []rolebroker.Offer) (rolebroker.Offer, error) {
	var named []rolebroker.Offer
	for _, offer := range offers {
		if offer.ARN != loan.Role.ARN || !isNamed(offer, o.Role) {
			continue
		}
		if o.Role == "" && offer.Default {
			return offer, nil
		}
		named = append(named, offer)
	}
	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		return rolebroker.Offer{}, rolebroker.Errorf(rolebroker.CodeConflict,
			"the server lent %s but does not list it: what this agent may borrow changed just now", loan.Role.ARN).
			WithHint("run the command again; rolebroker roles lists what this agent may borrow")
	}
	return rolebroker.Offer{}, rolebroker.Errorf(rolebroker.CodeInvalid,
		"the server lent %s, which could be %s or %s", loan.Role.ARN, qualified(named[0]), qualified(named[1])).
		WithHint("name one of them, as in --role %s", qualified(named[0]))
}

// isNamed reports whether a reference can mean the role. An ID in place of a name
// can mean any role, since offers have no ID.
func isNamed(offer rolebroker.Offer, reference string) bool {
	integration, name, both := strings.Cut(reference, "/")
	if !both {
		integration, name = "", reference
	}
	is := func(name, part string) bool { return part == "" || part == name || rolebroker.IsID(part) }
	return reference == offer.ARN.String() || is(offer.Integration, integration) && is(offer.Name, name)
}

// randomToken has 256 random bits.
func randomToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// serve serves the command's requests for credentials until close.
func (r *room) serve(lender containercreds.Lender, log *slog.Logger) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.url = "http://" + listener.Addr().String()
	endpoint := containercreds.New(containercreds.Options{Lender: lender, Identify: r.identify, Log: log})
	r.server = containercreds.NewServer(hosts.Guard(hosts.Options{Listener: listener.Addr()}, endpoint), log)
	r.served = make(chan struct{})
	go func() {
		defer close(r.served)
		r.server.Serve(guard.Listen(listener, guard.Options{Log: log}))
	}()
	return nil
}

// identify accepts the room's token.
func (r *room) identify(_ context.Context, authorization string) (rolebroker.Caller, error) {
	if !seal.Matches(auth.Bearer(authorization), r.hash) {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"this port serves the command of one rolebroker exec only")
	}
	return rolebroker.Caller{Name: "exec"}, nil
}

func (r *room) close() {
	r.server.Close()
	<-r.served
	for _, name := range []string{configFile, credentialsFile, linkFile} {
		os.Remove(filepath.Join(r.dir, name)) // it may not exist
	}
	if os.Remove(r.dir) != nil { // the command has written files there
		os.RemoveAll(r.dir)
	}
}
