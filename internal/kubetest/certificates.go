package kubetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"time"
)

// certify makes the cluster's certificate authority and the certificates of the API
// server and the administrator.
func (c *Cluster) certify() {
	c.t.Helper()
	authority, authorityKey := c.certificate(nil, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "kubetest"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	c.write("ca.crt", encode("CERTIFICATE", authority.Raw))
	server, serverKey := c.certificate(authority, authorityKey, &x509.Certificate{
		Subject: pkix.Name{CommonName: "kube-apiserver"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost", "kubernetes.default.svc"},
	})
	c.write("server.crt", encode("CERTIFICATE", server.Raw))
	c.write("server.key", encode("PRIVATE KEY", c.pkcs8(serverKey)))
	admin, adminKey := c.certificate(authority, authorityKey, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	c.admin = client(roots, tls.Certificate{Certificate: [][]byte{admin.Raw}, PrivateKey: adminKey})
	c.kubeconfig(encode("CERTIFICATE", authority.Raw), encode("CERTIFICATE", admin.Raw),
		encode("PRIVATE KEY", c.pkcs8(adminKey)))
}

// kubeconfig writes the kubeconfig as JSON, which is valid YAML.
func (c *Cluster) kubeconfig(ca, certificate, key []byte) {
	c.t.Helper()
	content, err := json.Marshal(Object{
		"apiVersion": "v1", "kind": "Config", "current-context": c.name,
		"clusters": []Object{{"name": c.name, "cluster": Object{"server": c.URL,
			"certificate-authority-data": ca}}},
		"users": []Object{{"name": c.name, "user": Object{"client-certificate-data": certificate,
			"client-key-data": key}}},
		"contexts": []Object{{"name": c.name, "context": Object{"cluster": c.name, "user": c.name}}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("kubeconfig", content)
}

// certificate makes a certificate from a template. Without a parent it is
// self-signed.
func (c *Cluster) certificate(parent *x509.Certificate, parentKey *ecdsa.PrivateKey,
	template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		c.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return made, key
}

// Certificate makes a self-signed certificate for a name, and its key, as PEM. It is its own authority.
func (c *Cluster) Certificate(name string) (certificate, key []byte) {
	c.t.Helper()
	made, private := c.certificate(nil, nil, &x509.Certificate{Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return encode("CERTIFICATE", made.Raw), encode("PRIVATE KEY", c.pkcs8(private))
}

// newKey makes another key for the API server's tokens.
func (c *Cluster) newKey() {
	c.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		c.t.Fatal(err)
	}
	c.keys++
	c.write(keyFile(c.keys), encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)))
}

func (c *Cluster) pkcs8(key any) []byte {
	c.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	return der
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (c *Cluster) write(name string, content []byte) {
	c.t.Helper()
	fresh := c.file(name + ".new") // replaces it atomically, as the kubelet does
	if err := errors.Join(os.WriteFile(fresh, content, 0o600), os.Rename(fresh, c.file(name))); err != nil {
		c.t.Fatal(err)
	}
}
