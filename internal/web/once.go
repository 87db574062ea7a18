package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// once is a secret that was just made. The form that made it redirects to a page that shows it once: reloading that page
// makes nothing.
//
// In between, the browser keeps the secret in a cookie for that page, sealed with a key from the cookie with which the
// person is signed in. The server keeps only a hash of the secret, and any server can answer the next request.
type once struct {
	Secret  string
	Expires time.Time // when the secret expires; zero: never
	Name    string    // of an API key
	Access  string    // of an API key
	Request string    // the access request from whose page somebody came to make an API key; empty: from elsewhere
}

// onceAge is how long the browser has to get the page.
const onceAge = time.Minute

// toOnce redirects to the page that shows a secret.
func (s *server) toOnce(w http.ResponseWriter, r *http.Request, path string, shown once) error {
	text, err := json.Marshal(shown)
	if err != nil {
		return err
	}
	aead, err := s.onceKey(r)
	if err != nil {
		return err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // never fails
	sealed := aead.Seal(nonce, nonce, text, []byte(path))
	s.setOnce(w, r, path, base64.RawURLEncoding.EncodeToString(sealed))
	return to(w, r, path)
}

// takeOnce returns the secret that the page shows now, and has the browser forget it; nil: there is none.
func (s *server) takeOnce(w http.ResponseWriter, r *http.Request) *once {
	cookie, err := r.Cookie(s.onceName(r))
	if err != nil {
		return nil
	}
	s.setOnce(w, r, r.URL.Path, "")
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return nil
	}
	aead, err := s.onceKey(r)
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil
	}
	text, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(r.URL.Path))
	var shown once
	if err != nil || json.Unmarshal(text, &shown) != nil {
		return nil
	}
	return &shown
}

// onceKey is the key of the person who is signed in.
func (s *server) onceKey(r *http.Request) (cipher.AEAD, error) {
	cookie, err := r.Cookie(s.cookieName(r))
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, []byte(cookie.Value), nil, "rolebroker: shown once", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *server) onceName(r *http.Request) string {
	if s.overHTTPS(r) {
		return "__Secure-rolebroker-once"
	}
	return "rolebroker-once"
}

// setOnce sets the cookie for the page at a path; an empty value removes it.
func (s *server) setOnce(w http.ResponseWriter, r *http.Request, path, value string) {
	cookie := &http.Cookie{
		Name: s.onceName(r), Value: value, Path: s.Path + path, MaxAge: int(onceAge / time.Second),
		HttpOnly: true, Secure: s.overHTTPS(r), SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}
