package execenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// The gateway of a room: a loopback port to which the command's AWS requests go if the AWS keys of a role are withheld.
// It has a certificate of the room's own authority, and relays everything to the gateway of the server, which verifies
// who signed. It is an IP literal, because SDKs then put the bucket into the path.

const caFile = "ca.pem"

// openGateway opens the port, and writes the file with the authorities that the command is to trust.
func (r *room) openGateway(o Options) error {
	if o.Gateway == nil {
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"the AWS keys of the role are withheld, and this program cannot reach a gateway")
	}
	authority, certificate, err := newAuthority(o.Now())
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInternal, "the room's certificate cannot be made: %w", err)
	}
	bundle := append(publicRoots(o.Env), authority...)
	if err := os.WriteFile(filepath.Join(r.dir, caFile), bundle, 0o600); err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the room's certificate cannot be written: %s", err)
	}
	listener, err := net.Listen("tcp", anyLoopback.String())
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "no port can be opened on %s: %s", anyLoopback.Addr(), err)
	}
	p := &port{address: listener.Addr().(*net.TCPAddr).AddrPort(), served: make(chan struct{}),
		server: containercreds.NewServer(o.Gateway, o.Log)}
	p.server.ConnContext = guard.ConnContext
	p.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard.Patient(r.Context())
		o.Gateway.ServeHTTP(w, r)
	})
	r.ports = append(r.ports, p)
	r.gateway = "https://" + p.address.String()
	guarded := guard.Listen(listener, guard.Options{Log: o.Log})
	secure := tls.NewListener(guarded, &tls.Config{Certificates: []tls.Certificate{certificate}})
	go func() {
		defer close(p.served)
		p.server.Serve(secure)
	}()
	return nil
}

// newAuthority makes a certificate for the loopback address, and the authority that signed it, as PEM.
func newAuthority(now time.Time) (authority []byte, _ tls.Certificate, _ error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rolebroker exec"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return authority, tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, nil
}

// caVars are the variables that name a file of authorities, for one program or another. A sandbox may have set any of
// them, and a variable that names another file would make every call fail.
//
// Source: the documentation of each program.
var caVars = []string{"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS",
	"GIT_SSL_CAINFO", "PIP_CERT", "NIX_SSL_CERT_FILE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "CARGO_HTTP_CAINFO",
	"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "HTTPLIB2_CA_CERTS"}

// rootFiles are where systems have the public authorities.
//
// Source: crypto/x509, root_linux.go and root_bsd.go.
var rootFiles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
	"/usr/local/etc/ssl/cert.pem"}

// publicRoots are the authorities that the caller trusts, as PEM: those of the system, and those that variables of the
// caller name.
func publicRoots(env []string) (all []byte) {
	var read []string
	add := func(path string) bool {
		content, err := os.ReadFile(path)
		if path == "" || err != nil || slices.Contains(read, path) {
			return false
		}
		read = append(read, path)
		all = append(append(all, content...), '\n')
		return true
	}
	for _, name := range caVars {
		add(lookup(env, name))
	}
	for _, path := range rootFiles {
		if add(path) {
			break
		}
	}
	return all
}

// endpointVars begin or are the variables that decide where requests to AWS go.
var endpointVars = []string{"AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT",
	"AWS_USE_DUALSTACK_ENDPOINT", "SSL_CERT_DIR"}

// throughGateway is the environment in which requests to AWS go to the room's gateway.
func (r *room) throughGateway(env []string) []string {
	env = r.trusting(env)
	if !r.roles.isOne() {
		return env // the profiles say where each role's requests go
	}
	env = append(env, "AWS_ENDPOINT_URL="+r.gateway)
	for _, s := range endpoint.Ambiguous() {
		env = append(env, "AWS_ENDPOINT_URL_"+s.Variable+"="+r.gateway+"/-/"+s.Name)
	}
	return env
}

// trusting is the environment in which programs trust the room's gateway.
func (r *room) trusting(env []string) []string {
	env = slices.DeleteFunc(env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(caVars, name) ||
			slices.ContainsFunc(endpointVars, func(v string) bool { return strings.HasPrefix(name, v) })
	})
	for _, name := range caVars {
		env = append(env, name+"="+filepath.Join(r.dir, caFile))
	}
	return env
}

// gatewaySettings are the lines of a profile whose requests go to the gateway, and servicesSection is what they name.
func gatewaySettings(dir, gateway string) string {
	return fmt.Sprintf("endpoint_url = %s\nca_bundle = %s\nservices = rolebroker\n", gateway, filepath.Join(dir, caFile))
}

func servicesSection(gateway string) string {
	var b strings.Builder
	b.WriteString("\n[services rolebroker]\n")
	for _, s := range endpoint.Ambiguous() {
		fmt.Fprintf(&b, "%s =\n  endpoint_url = %s/-/%s\n", strings.ToLower(s.Variable), gateway, s.Name)
	}
	return b.String()
}

// isWithheld reports whether the keys of a role are withheld.
func isWithheld(o rolebroker.Offer) bool { return o.Keys == rolebroker.KeysWithheld }
