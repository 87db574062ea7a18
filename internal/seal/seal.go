// Package seal makes bearer tokens and checks them.
//
// A token reads "prefix_id_secret". The ID is public and finds the record
// that was kept of the token; the record holds the SHA-256 of the whole token
// and nothing that could be turned back into it. The secret has 260 random
// bits, which is why one fast hash is enough: there is nothing to guess.
//
// The package refuses to compare in any way but constant time, and knows
// nothing of who the tokens belong to.
//
//	token, hash := seal.New("rbt", "4kx…")   // give token away, keep hash
//	id, ok := seal.ID("rbt", shown)          // find the record
//	ok = seal.Matches(shown, hash)           // is it that token?
package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// secretLength is the length of the secret part, in characters.
const secretLength = 52

// New makes a token that carries id, and the hash to keep of it. Neither
// prefix nor id may contain an underscore.
func New(prefix, id string) (token string, hash []byte) {
	token = prefix + "_" + id + "_" + strings.ToLower(rand.Text()+rand.Text())
	return token, Hash(token)
}

// Random is an unguessable string of 260 bits for whoever needs no ID in it.
func Random() string { return strings.ToLower(rand.Text() + rand.Text()) }

// ID is the ID that a token of the prefix carries; false if the token does not
// have the form of one. It says nothing about the token being genuine.
func ID(prefix, token string) (string, bool) {
	rest, ok := strings.CutPrefix(token, prefix+"_")
	if !ok {
		return "", false
	}
	id, secret, ok := strings.Cut(rest, "_")
	return id, ok && id != "" && len(secret) == secretLength
}

// Hash is what is kept of a token.
func Hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Matches says, in constant time, whether hash was made of token.
func Matches(token string, hash []byte) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], hash) == 1
}

// Same says, in constant time, whether two hashes are one.
func Same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
