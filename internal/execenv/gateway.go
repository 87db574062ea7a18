package execenv

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/egress"
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
	authority, err := egress.NewAuthority(o.Now())
	var certificate *tls.Certificate
	if err == nil {
		certificate, err = authority.Certificate(anyLoopback.Addr().String())
	}
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInternal, "the room's certificate cannot be made: %w", err)
	}
	if err := r.trust(o, authority.PEM); err != nil {
		return err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{*certificate}}
	p, err := r.openPatient(o, secure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard.Patient(r.Context())
		o.Gateway.ServeHTTP(w, r)
	}))
	if err != nil {
		return err
	}
	r.gateway = "https://" + p.address.String()
	return nil
}

// trust writes the file with the authorities that the command is to trust: those of the caller, and this one, as PEM.
func (r *room) trust(o Options, authority []byte) error {
	bundle := append(publicRoots(o.Env), authority...)
	if err := os.WriteFile(filepath.Join(r.dir, caFile), bundle, 0o600); err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the room's certificate cannot be written: %s", err)
	}
	return nil
}

// openPatient opens a port for requests that may take as long as AWS does, over TLS unless secure is nil. The handler
// calls guard.Patient once it knows the caller.
func (r *room) openPatient(o Options, secure *tls.Config, handler http.Handler) (*port, error) {
	listener, err := net.Listen("tcp", anyLoopback.String())
	if err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "no port can be opened on %s: %s", anyLoopback.Addr(),
			err)
	}
	p := &port{address: listener.Addr().(*net.TCPAddr).AddrPort(), served: make(chan struct{}),
		server: containercreds.NewServer(handler, o.Log)}
	p.server.ConnContext = guard.ConnContext
	r.ports = append(r.ports, p)
	var guarded net.Listener = guard.Listen(listener, guard.Options{Log: o.Log})
	if secure != nil {
		guarded = tls.NewListener(guarded, secure)
	}
	go func() {
		defer close(p.served)
		p.server.Serve(guarded)
	}()
	return p, nil
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
// The AWS CLI and boto3 would sign some URLs of S3 with Version 2.
func gatewaySettings(dir, gateway string) string {
	trust := fmt.Sprintf("ca_bundle = %s\ns3 =\n  signature_version = s3v4\n", filepath.Join(dir, caFile))
	if gateway == "" { // every address of AWS is the gateway
		return trust
	}
	return fmt.Sprintf("endpoint_url = %s\nservices = rolebroker\n%s", gateway, trust)
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
