// Package seal makes bearer tokens and checks them.
//
// A token has the form "prefix_id_secret". The ID is public: it finds the stored
// record of the token. The record has the SHA-256 of the whole token, and never
// the token itself. The secret has 260 random bits, so one fast hash suffices.
//
// The package compares in constant time only, and does not know the owners of
// tokens.
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

	// textLength is the length of rand.Text, and of an ID made by it.
	textLength = 26

	// fewestDifferent is the least number of different characters in a secret. One
	// of 10,000,000,000,000,000 that New makes has fewer.
	fewestDifferent = 12
)

// New makes a token that contains id, and the hash to store. Neither prefix nor
// id may contain an underscore.
func New(prefix, id string) (token string, hash []byte) {
	token = prefix + "_" + id + "_" + strings.ToLower(rand.Text()+rand.Text())
	return token, Hash(token)
}

// ID returns the ID in a token with the prefix, and false if the token does not
// have that form. It does not verify the token.
func ID(prefix, token string) (string, bool) {
	rest, ok := strings.CutPrefix(token, prefix+"_")
	if !ok {
		return "", false
	}
	id, secret, ok := strings.Cut(rest, "_")
	return id, ok && id != "" && len(secret) == secretLength
}

// Made is ID for a token that was made elsewhere and is to be registered. It
// returns true only if New could have made the token, with an ID that is a
// rand.Text in lower case. It refuses what is evidently not random: too few
// different characters, or a repeated part.
func Made(prefix, token string) (string, bool) {
	id, ok := ID(prefix, token)
	return id, ok && len(id) == textLength && isText(id) && MadeFor(prefix, id, token) &&
		!strings.Contains(token[len(token)-secretLength:], id)
}

// MadeFor reports whether New could have made a token with this ID. It refuses a
// secret that is evidently not random, as Made does.
func MadeFor(prefix, id, token string) bool {
	own, ok := ID(prefix, token)
	if !ok || own != id {
		return false
	}
	secret := token[len(token)-secretLength:]
	return isText(secret) && different(secret) >= fewestDifferent && secret[:textLength] != secret[textLength:]
}

// The least length of a secret that Random accepts, which has 256 bits, and the
// least number of different digits in it. One of 100,000 random ones has fewer.
const (
	leastHexadecimal         = 64
	fewestDifferentHexDigits = 11
)

// Random reports whether a secret that was made elsewhere has at least 256 bits in
// hexadecimal, as "openssl rand -hex 32" makes them, and is not evidently invented.
func Random(secret string) bool {
	half := len(secret) / 2
	return len(secret) >= leastHexadecimal && strings.Trim(secret, "0123456789abcdefABCDEF") == "" &&
		different(secret) >= fewestDifferentHexDigits && secret[:half] != secret[half:2*half]
}

// isText says whether s has only characters of rand.Text, in lower case.
//
// Source: RFC 4648, section 6.
func isText(s string) bool { return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == "" }

// different returns the number of different characters in s.
func different(s string) (n int) {
	for i, c := range s {
		if strings.IndexRune(s, c) == i {
			n++
		}
	}
	return n
}

// Hash returns the hash of a token, to be stored instead of it.
func Hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Matches says, in constant time, whether hash is the hash of token.
func Matches(token string, hash []byte) bool {
	var text [128]byte // on the stack; a longer token than New makes is copied to the heap
	sum := sha256.Sum256(append(text[:0], token...))
	return subtle.ConstantTimeCompare(sum[:], hash) == 1
}

// Same says, in constant time, whether two hashes are equal.
func Same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
