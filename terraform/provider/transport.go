package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rolebroker/rolebroker/api"
)

// patience bounds one request with all its repetitions. Creating an
// integration tries to assume each of its roles, which takes a while.
const patience = 5 * time.Minute

// newTransport is how requests are sent: with the TLS settings of the provider
// block, and again, a few times, while the server cannot be reached, says that
// it is asked too much (429), or has a problem of its own (5xx).
//
// Nothing that is sent twice does harm: what is put or deleted is so
// afterwards; an integration has its external ID by which it is known again;
// and a token is registered under the ID it carries. The error comes with the
// attribute that it is about.
func newTransport(authorities, certificate, key string) (c *http.Client, attribute string, err error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(authorities)) {
			return nil, "ca_certificate", errors.New("there is no certificate in it; PEM text is expected, as from file(\"ca.pem\")")
		}
	}
	if certificate != "" {
		pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
		if err != nil {
			return nil, "client_certificate", err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	again := retryablehttp.NewClient()
	again.HTTPClient = &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	again.RetryMax, again.RetryWaitMin, again.RetryWaitMax = 4, 500*time.Millisecond, 8*time.Second
	again.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer says why
	again.Logger = nil                                         // it would log addresses, and Terraform has its own
	return &http.Client{Transport: itsOwn{&retryablehttp.RoundTripper{Client: again}}, Timeout: patience}, "", nil
}

// itsOwn lets only rolebroker say that a thing is not there, which it does in a
// problem document: what Terraform believes to be gone it makes again. JSON with
// a code "not_found" others write too.
type itsOwn struct{ http.RoundTripper }

func (t itsOwn) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err == nil && resp.StatusCode >= 400 {
		if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != api.ProblemType {
			resp.Header.Set("Content-Type", "not a problem document: "+kind) // which the client takes for a stranger's
		}
	}
	return resp, err
}
