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
//	id, ok = seal.Made("rbt", brought)       // could New have made it?
package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

const (
	// secretLength is the length of the secret part, in characters.
	secretLength = 52

	// textLength is that of rand.Text, and so of an ID made by it.
	textLength = 26

	// fewestDifferent is how many different characters a secret has. One of
	// 10,000,000,000,000,000 that New makes has fewer.
	fewestDifferent = 12
)

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

// Made is ID for a token that was made elsewhere and is to be kept: true only if
// New could have made it of an ID that rand.Text gave, in lower case. What plainly
// is not random is not: too few different characters, or a part that is repeated.
func Made(prefix, token string) (string, bool) {
	id, ok := ID(prefix, token)
	if !ok || len(id) != textLength {
		return "", false
	}
	secret := token[len(token)-secretLength:]
	return id, isText(id) && isText(secret) && different(secret) >= fewestDifferent &&
		secret[:textLength] != secret[textLength:] && !strings.Contains(secret, id)
}

// isText says whether s has only what rand.Text has, in lower case.
//
// Source: RFC 4648, section 6.
func isText(s string) bool { return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == "" }

// different counts the different characters of s.
func different(s string) (n int) {
	for i, c := range s {
		if strings.IndexRune(s, c) == i {
			n++
		}
	}
	return n
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
