package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often a new certificate is looked for.
const certificateCheck = 10 * time.Second

// certificate is a certificate for HTTPS. It is read again when its file changes, so
// that renewing it needs no restart.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // when the file of loaded was changed
	checked time.Time // when the file was last looked at
}

// TLS returns settings for serving HTTPS. The certificate is read again when its file
// changes.
func TLS(certFile, keyFile string) (*tls.Config, error) {
	c, err := loadCertificate(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return c.tls(), nil
}

// tls returns settings for serving HTTPS: TLS 1.3, or 1.2 with forward secrecy and without CBC, whose padding several
// attacks decrypted. TLS 1.3 has no other ciphers.
//
// Source: RFC 9325, section 4.2.
func (c *certificate) tls() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, CipherSuites: []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}}
}

func loadCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("reading --tls-cert %s and --tls-key %s: %w", certFile, keyFile, err)
	}
	return c, nil
}

func (c *certificate) load() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.loaded, c.changed, c.checked = &pair, info.ModTime(), time.Now()
	return nil
}

// get returns the newest certificate that could be read.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certificateCheck {
		return c.loaded, nil
	}
	c.checked = time.Now()
	if info, err := os.Stat(c.certFile); err == nil && !info.ModTime().Equal(c.changed) {
		_ = c.load() // the files may be half-written; the old certificate stays until the next check
	}
	return c.loaded, nil
}

// leaf returns the newest certificate that could be read, without its intermediates.
func (c *certificate) leaf() *x509.Certificate {
	pair, err := c.get(nil)
	if err != nil {
		return nil
	}
	return pair.Leaf
}
