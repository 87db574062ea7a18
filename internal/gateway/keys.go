package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/keyfile"
)

// Keys makes the keys that agents sign with, and reads them. The session token of a key says for whom and what it is;
// the root derives everything else. So nothing is stored, every server with the same root knows the key, and what the
// database has is no use without the root.
type Keys struct{ root []byte }

// RootSize is how many random bytes the root of Keys has.
const RootSize = 32

// NewKeys returns the Keys of a root of RootSize random bytes.
func NewKeys(root []byte) (*Keys, error) {
	if len(root) != RootSize {
		return nil, errors.New("the gateway key must have 32 bytes")
	}
	return &Keys{root}, nil
}

const (
	// keyPrefix begins the ID of a key, so that one that turns up in CloudTrail or in a log is recognised. AWS has no
	// such prefix. The rest is the same for all keys of an agent.
	keyPrefix   = "RBGW"
	tokenPrefix = "rbg1."
)

// OpenKeys reads the root of Keys from a file, in hexadecimal. It makes the file if there is none and mayMake is true;
// then made is true.
func OpenKeys(path string, mayMake bool) (keys *Keys, made bool, _ error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && mayMake {
		root := make([]byte, RootSize)
		rand.Read(root) // never fails
		content, made = []byte(hex.EncodeToString(root)+"\n"), true
		err = keyfile.Create(path, string(content))
	}
	if err != nil {
		return nil, false, err
	}
	root, err := hex.DecodeString(strings.TrimSpace(string(content)))
	if err == nil {
		keys, err = NewKeys(root)
	}
	if err != nil { // which may quote the key
		return nil, false, fmt.Errorf("%s does not have a key for the gateway: 64 hexadecimal digits", path)
	}
	return keys, made, nil
}

// claims are what the session token of a key says.
type claims struct {
	Agent       rolebroker.AgentID       `json:"a"`
	Token       rolebroker.TokenID       `json:"t"`
	Integration rolebroker.IntegrationID `json:"i"`
	Role        rolebroker.RoleID        `json:"r"`
	Task        string                   `json:"k,omitempty"`
	Access      rolebroker.Access        `json:"c,omitempty"`
	Generation  int64                    `json:"g"`
	Expires     int64                    `json:"x"` // Unix seconds
}

// Make returns the key of an agent for a role.
func (k *Keys) Make(key rolebroker.GatewayKey) rolebroker.Credentials {
	body, err := json.Marshal(claims{key.Agent, key.Token, key.Integration, key.Role, key.Task, key.Access,
		key.Generation, key.Expires.Unix()})
	if err != nil {
		panic("encoding plain strings: " + err.Error())
	}
	said := tokenPrefix + base64.RawURLEncoding.EncodeToString(body)
	token := said + "." + base64.RawURLEncoding.EncodeToString(k.derive("token", said))
	return rolebroker.Credentials{
		AccessKeyID:     k.id(key.Agent),
		SecretAccessKey: rolebroker.NewSecret(k.secret(said)),
		SessionToken:    rolebroker.NewSecret(token),
		Expires:         key.Expires,
	}
}

var errUnknownKey = &refusal{status: 403, code: "InvalidClientTokenId", text: "the gateway did not make these keys"}

var errExpiredKey = &refusal{status: 403, code: "ExpiredToken",
	text: "the keys for the gateway have expired; an SDK gets new ones by itself"}

// Plausible returns nil for the session token of a key that may be good: one that looks like ours and has not expired.
// It verifies nothing.
func Plausible(token string, now time.Time) error {
	dot := strings.LastIndexByte(token, '.')
	if dot < len(tokenPrefix) || !strings.HasPrefix(token, tokenPrefix) {
		return errUnknownKey
	}
	key, err := readClaims(token[:dot])
	switch {
	case err != nil:
		return err
	case !now.Before(key.Expires):
		return errExpiredKey
	}
	return nil
}

// readClaims reads what a session token says, without its MAC.
func readClaims(said string) (key rolebroker.GatewayKey, _ error) {
	body, err := base64.RawURLEncoding.DecodeString(said[len(tokenPrefix):])
	if err != nil {
		return key, errUnknownKey
	}
	var c claims
	if err := json.Unmarshal(body, &c); err != nil {
		return key, errUnknownKey
	}
	return rolebroker.GatewayKey{Agent: c.Agent, Token: c.Token, Integration: c.Integration, Role: c.Role, Task: c.Task,
		Access: c.Access, Generation: c.Generation, Expires: time.Unix(c.Expires, 0).UTC()}, nil
}

// Open returns what a key says and its secret. The key is that of an ID and a session token. It fails for a key that
// Make did not make, and for one that has expired.
func (k *Keys) Open(_ context.Context, id, token string, now time.Time) (
	key rolebroker.GatewayKey, secret string, _ error) {
	dot := strings.LastIndexByte(token, '.')
	if dot < len(tokenPrefix) || !strings.HasPrefix(token, tokenPrefix) {
		return key, "", errUnknownKey
	}
	said := token[:dot]
	sum, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil || !hmac.Equal(sum, k.derive("token", said)) {
		return key, "", errUnknownKey
	}
	if key, err = readClaims(said); err != nil {
		return key, "", err
	}
	if subtle.ConstantTimeCompare([]byte(id), []byte(k.id(key.Agent))) != 1 {
		return key, "", errUnknownKey
	}
	if !now.Before(key.Expires) {
		return key, "", errExpiredKey
	}
	return key, k.secret(said), nil
}

func (k *Keys) id(agent rolebroker.AgentID) string {
	return keyPrefix + base32.StdEncoding.EncodeToString(k.derive("id", string(agent))[:10])
}

func (k *Keys) secret(said string) string {
	return base64.RawStdEncoding.EncodeToString(k.derive("secret", said))
}

// derive returns 32 bytes that only who has the root can tell.
func (k *Keys) derive(what, of string) []byte {
	h := hmac.New(sha256.New, k.root)
	h.Write([]byte(what + "\x00" + of))
	return h.Sum(nil)
}
