package execenv

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/egress"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/privatedir"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// room is the loopback port that serves a command's credentials, and the command's
// private files.
type room struct {
	ports   []*port
	url     string         // of the loopback port
	shared  netip.AddrPort // that containers reach; not valid if they reach none
	token   string         // that the port accepts
	gateway string         // the URL of the port for requests to AWS; empty: the keys of no role are withheld
	proxy   string         // the URL of the port that is an HTTP proxy, with its credential; empty: there is none
	egress  *egress.Egress // serves the proxy
	hash    []byte         // of the token
	failed  *guard.Failures
	roles   roles   // that the port lends
	inside  *inside // nil: the command is not contained
	folder  *privatedir.Dir
	dir     string // of the private files: the folder's path
}

// open makes an empty room for one command. Close it.
func open(o Options, lender *lender, family *family) (*room, error) {
	r := &room{token: randomToken(TokenPrefix), failed: guard.NewFailures(nil, nil)}
	r.hash = seal.Hash(r.token)
	var err error
	if r.folder, err = o.makeFolder(); err != nil {
		return nil, err
	}
	r.dir = r.folder.Path
	if err := r.openPorts(o, lender, family); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// furnish chooses the roles of the room, and writes its files.
func (r *room) furnish(o Options, lender *lender, loan *rolebroker.Loan, offers []rolebroker.Offer) (err error) {
	if r.roles, err = o.chooseRoles(loan, offers); err != nil {
		return err
	}
	if why := o.needsWithheld(); why != "" {
		if err := r.roles.checkKeys(why); err != nil {
			return err
		}
	}
	lender.use(r.roles, loan)
	if !r.roles.isOne() {
		if err := o.account.check(o.Self); err != nil {
			return err
		}
	}
	switch {
	case r.inside != nil:
	case o.Proxied != nil:
		err = r.openProxy(o)
	case slices.ContainsFunc(r.roles.offers, isWithheld):
		err = r.openGateway(o)
	}
	if err != nil {
		return err
	}
	err = writeFiles(r.dir, o.Self, r.gateway, r.roles)
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
func randomToken(prefix string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
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
	r.inside.close()
	for _, p := range r.ports {
		p.close()
	}
	if r.egress != nil {
		r.egress.Close()
	}
	r.folder.Remove()
}
