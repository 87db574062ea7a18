package execenv

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"

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
	failed *guard.Failures
	roles  roles // that the port lends
	folder *folder
	dir    string // of the private files: the folder's path
	server *http.Server
	served chan struct{} // closed after the server ended
}

// open makes an empty room for one command. Close it.
func open(o Options, lender containercreds.Lender) (*room, error) {
	r := &room{token: randomToken(), failed: guard.NewFailures(nil, nil)}
	r.hash = seal.Hash(r.token)
	var err error
	if r.folder, err = makeFolder(o.parents()); err != nil {
		return nil, err
	}
	r.dir = r.folder.path
	if err := r.serve(lender, o); err != nil {
		r.folder.remove()
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "no port can be opened on 127.0.0.1: %s", err)
	}
	return r, nil
}

// furnish chooses the roles of the room, and writes its files.
func (r *room) furnish(o Options, lender *lender, loan *rolebroker.Loan, offers []rolebroker.Offer) (err error) {
	if r.roles, err = o.chooseRoles(loan, offers); err != nil {
		return err
	}
	lender.use(r.roles, loan)
	if !r.roles.isOne() {
		if err := o.account.check(o.Self); err != nil {
			return err
		}
	}
	err = writeFiles(r.dir, o.Self, r.roles)
	if err == nil {
		err = o.account.handOver(r.dir)
	}
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the private AWS config file cannot be written: %s", err)
	}
	return nil
}

// TokenPrefix begins the token of a room.
const TokenPrefix = "rbx_"

// randomToken has 256 random bits.
func randomToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return TokenPrefix + hex.EncodeToString(b[:])
}

// serve serves the command's requests for credentials until close.
func (r *room) serve(lender containercreds.Lender, o Options) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.url = "http://" + listener.Addr().String()
	endpoint := containercreds.New(containercreds.Options{Lender: lender, Identify: r.identify, Log: o.Log, Now: o.Now})
	r.server = containercreds.NewServer(hosts.Guard(hosts.Options{Listener: listener.Addr()}, endpoint), o.Log)
	r.served = make(chan struct{})
	go func() {
		defer close(r.served)
		r.server.Serve(guard.Listen(listener, guard.Options{Log: o.Log}))
	}()
	return nil
}

// identify accepts the room's token.
func (r *room) identify(_ context.Context, authorization, address string) (rolebroker.Caller, error) {
	if !seal.Matches(auth.Bearer(authorization), r.hash) {
		return rolebroker.Caller{}, r.failed.Refuse("exec", address, rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"this port serves the command of one rolebroker exec only"))
	}
	return rolebroker.Caller{Name: "exec"}, nil
}

func (r *room) close() {
	r.server.Close()
	<-r.served
	r.folder.remove()
}
