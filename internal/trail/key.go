package trail

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key signs checkpoints. Printing it shows its public part.
type Key struct {
	signer   note.Signer
	verifier string
}

// NewKey makes an Ed25519 key. secret is the line to keep, in a file that only the server reads.
func NewKey() (key *Key, secret string, err error) {
	id := make([]byte, 4)
	rand.Read(id)
	secret, _, err = note.GenerateKey(rand.Reader, "rolebroker-"+hex.EncodeToString(id))
	if err != nil {
		return nil, "", err
	}
	key, err = ParseKey(secret)
	return key, secret, err
}

var errKey = errors.New("it does not have a key that rolebroker made")

// ParseKey reads the line that NewKey made.
func ParseKey(secret string) (*Key, error) {
	secret = strings.TrimSpace(secret)
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, errKey // note's error may quote the key
	}
	public, err := publicPart(signer.Name(), secret)
	return &Key{signer: signer, verifier: public}, err
}

// publicPart derives the public key from the seed, which is the last part of a secret key after one byte for the
// algorithm.
func publicPart(name, secret string) (string, error) {
	parts := strings.SplitN(secret, "+", 5) // PRIVATE+KEY+name+hash+key; base64 has plus signs too
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return "", errKey
	}
	public, _ := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(name, public)
}

// Public returns the key that verifies checkpoints. It is no secret.
func (k *Key) Public() string { return k.verifier }

// String returns the public key.
func (k *Key) String() string { return k.verifier }

// GoString returns the public key.
func (k *Key) GoString() string { return k.verifier }

// Sign returns the signed checkpoint of a tree.
func (k *Key) Sign(t Tree) (string, error) {
	c := Checkpoint{Origin: k.signer.Name(), Size: t.Size, Root: t.Root()}
	signed, err := note.Sign(&note.Note{Text: c.text()}, k.signer)
	return string(signed), err
}

// Keys returns public keys as a set that verifies.
func Keys(public ...string) (note.Verifiers, error) {
	var all []note.Verifier
	for _, text := range public {
		v, err := note.NewVerifier(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%q is not a public key of an audit trail", text)
		}
		all = append(all, v)
	}
	return note.VerifierList(all...), nil
}

// OpenKey reads the key in a file. If the file does not exist, OpenKey makes a key and the file, which only its owner
// can read, and made is true.
func OpenKey(path string) (key *Key, made bool, err error) {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key, err = createKey(path)
		return key, err == nil, err
	case err != nil:
		return nil, false, err
	}
	key, err = ParseKey(string(content))
	if err != nil {
		return nil, false, fmt.Errorf("the audit key in %s cannot be used: %w", path, err)
	}
	return key, false, nil
}

// createKey writes a new key to a file that does not exist, durably, so that no checkpoint is signed by a key that is
// lost.
func createKey(path string) (*Key, error) {
	key, secret, err := NewKey()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(secret + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return key, syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
