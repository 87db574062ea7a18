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
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/rolebroker/rolebroker/internal/keyfile"
)

// Key signs checkpoints. Printing it shows its public part.
type Key struct {
	signer   note.Signer
	verifier string
	earlier  []string // the public parts of the keys before it
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

// ParseKey reads the line that NewKey made. The public keys that signed before it may follow, one a line.
func ParseKey(content string) (*Key, error) {
	secret, rest, _ := strings.Cut(strings.TrimSpace(content), "\n")
	secret = strings.TrimSpace(secret)
	earlier := strings.Fields(rest)
	if _, err := Keys(earlier...); err != nil {
		return nil, errKey // the line may be a secret key
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, errKey // note's error may quote the key
	}
	public, err := publicPart(signer.Name(), secret)
	return &Key{signer: signer, verifier: public, earlier: earlier}, err
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

// All returns the public key, and those that signed before it, the newest first.
func (k *Key) All() []string { return append([]string{k.verifier}, k.earlier...) }

// Signed reports whether the key, or one before it, signed a checkpoint.
func (k *Key) Signed(checkpoint string) bool {
	keys, err := Keys(k.All()...)
	if err == nil {
		_, err = OpenCheckpoint(checkpoint, keys)
	}
	return err == nil
}

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

// ReadKey reads the key in a file. The error is [fs.ErrNotExist] if there is no file.
func ReadKey(path string) (*Key, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(string(content))
	if err != nil {
		return nil, fmt.Errorf("the audit key in %s cannot be used: %w", path, err)
	}
	return key, nil
}

// OpenKey is ReadKey, except that it makes a key and the file if there is none; then made is true. Only its owner can
// read the file.
func OpenKey(path string) (key *Key, made bool, err error) {
	if key, err = ReadKey(path); !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	key, secret, err := NewKey()
	if err != nil {
		return nil, false, err
	}
	err = keyfile.Create(path, secret+"\n")
	return key, err == nil, err
}

// RotateKey puts a new key in the place of the one in a file. The file keeps the public parts of the earlier ones.
func RotateKey(path string) (*Key, error) {
	old, err := ReadKey(path)
	if err != nil {
		return nil, err
	}
	_, secret, err := NewKey()
	if err != nil {
		return nil, err
	}
	content := strings.Join(append([]string{secret}, old.All()...), "\n") + "\n"
	if err := keyfile.Replace(path, content); err != nil {
		return nil, err
	}
	return ParseKey(content)
}
