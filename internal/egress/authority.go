package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"time"
)

// Authority makes certificates that only one command trusts. Its key is in memory only, and ends with it.
type Authority struct {
	PEM []byte // its certificate

	certificate *x509.Certificate
	caKey       *ecdsa.PrivateKey
	key         *ecdsa.PrivateKey // of all certificates that it makes

	mu   sync.Mutex
	made map[string]*tls.Certificate // by host
}

// NewAuthority makes an authority that is good for a year from now.
func NewAuthority(now time.Time) (*Authority, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rolebroker exec"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	return &Authority{PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), certificate: ca, caKey: caKey,
		key: key, made: map[string]*tls.Certificate{}}, nil
}

// maxCertificates bounds how many certificates are kept. A command can ask for as many hosts as it likes.
const maxCertificates = 1000

// Certificate returns a certificate for a host name or an IP address.
func (a *Authority) Certificate(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.made[host]; c != nil {
		return c, nil
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{SerialNumber: serial, NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses, leaf.Subject.CommonName = []net.IP{ip}, host
	} else {
		leaf.DNSNames = []string{host}
		leaf.Subject.CommonName = host[:min(len(host), 64)] // no longer one is valid
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.certificate, &a.key.PublicKey, a.caKey)
	if err != nil {
		return nil, err
	}
	if len(a.made) >= maxCertificates {
		clear(a.made)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	a.made[host] = c
	return c, nil
}
