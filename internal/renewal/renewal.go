// Package renewal lets requests go on that are signed with a key for the gateway which is no longer good, though the
// agent has a newer one. SDKs keep a key until it is about to expire. Meanwhile the agent's token may be replaced, or
// lending may end and begin again, and then the gateway refuses the key.
//
// The room of an exec knows the newest key of its command. It adds that key to a request, with a proof that it has the
// secret. The gateway still verifies the signature of the request with the key that it was signed with, and decides by
// the newer one. So the room can do nothing that it could not do by signing with the newer key, and need not read bodies.
//
//	renewal.Add(r, key.AccessKeyID, token, secret) // in the room
//	newer, ok := renewal.Read(r)                   // at the gateway
//	newer.Proves(r, secretOf(newer.Token))
package renewal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

const (
	// Header has the newer key: its ID, its session token and the proof, separated by spaces.
	Header = "Rolebroker-Key"

	// Ended is a header of the answer to a request that was refused because its key is no longer good, before anything of
	// it reached AWS: another key may be.
	Ended = "Rolebroker-Key-Ended"
)

// Key is a newer key that came with a request. Nothing of it is verified until Proves returns true.
type Key struct {
	ID, Token string
	proof     string
}

// Add adds a newer key to a signed request, in place of any other.
func Add(r *http.Request, id, token, secret string) {
	r.Header.Set(Header, id+" "+token+" "+base64.RawURLEncoding.EncodeToString(sum(r, secret)))
}

// Read returns the newer key of a request; ok is false if it has none.
func Read(r *http.Request) (_ Key, ok bool) {
	parts := strings.Split(r.Header.Get(Header), " ")
	if len(parts) != 3 {
		return Key{}, false
	}
	return Key{parts[0], parts[1], parts[2]}, true
}

// Proves reports whether who added the key to this request has its secret.
func (k Key) Proves(r *http.Request, secret string) bool {
	proof, err := base64.RawURLEncoding.DecodeString(k.proof)
	return err == nil && hmac.Equal(proof, sum(r, secret))
}

// sum is a MAC over what makes the request this one: its signature, which is in one of the two.
func sum(r *http.Request, secret string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("rolebroker renewal\x00" + r.Header.Get("Authorization") + "\x00" + r.URL.RequestURI()))
	return h.Sum(nil)
}
