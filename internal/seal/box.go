package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
)

// Close encrypts a secret so that only the holder of a token can open it: its key follows from the token, which is not
// stored. Whoever has the database alone learns nothing.
func Close(token, secret string) []byte { return box(token).Seal(nil, nil, []byte(secret), nil) }

// Open returns what Close encrypted with the token; false for another token, or if it was altered.
func Open(token string, closed []byte) (string, bool) {
	secret, err := box(token).Open(nil, nil, closed, nil)
	return string(secret), err == nil
}

// box makes the cipher of a token. Each message has a random nonce of its own.
func box(token string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, []byte(token), nil, "rolebroker sealed by a token", 32)
	if err != nil {
		panic(err) // the length is a constant
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // as is this one
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
