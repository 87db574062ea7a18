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
	"github.com/rolebroker/rolebroker/client"
)

// patience bounds one request with all its retries. Creating an integration
// takes a while, because the server tries to assume each of its roles.
const patience = 5 * time.Minute

// maxRetryAfter bounds the wait that an answer asks for with Retry-After.
const maxRetryAfter = 30 * time.Second

// tlsConfig makes the TLS settings from PEM texts, each of which may be empty. If
// it fails, attribute is the attribute of the provider block that is wrong.
func tlsConfig(authorities, certificate, key string) (config *tls.Config, attribute string, err error) {
	config = &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(authorities)) {
			return nil, "ca_certificate",
				errors.New("it contains no certificate; expected PEM text, as from file(\"ca.pem\")")
		}
	}
	if certificate != "" {
		pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
		if err != nil {
			return nil, "client_certificate", err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, "", nil
}

// retrying makes an HTTP client that repeats a request a few times while the
// server cannot be reached, throttles (429) or has a problem of its own (5xx). It
// waits before the first retry, and twice as long before each further one.
//
// No request does harm if the server receives it twice: a PUT or DELETE has the
// same effect, the external ID identifies an integration, and a token contains
// the ID under which it is registered.
func retrying(config *tls.Config, wait time.Duration) *http.Client {
	transport := client.NewTransport()
	transport.TLSClientConfig = config
	again := retryablehttp.NewClient()
	again.HTTPClient = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	again.Backoff = func(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
		return min(retryablehttp.DefaultBackoff(least, most, attempt, resp), maxRetryAfter)
	}
	again.RetryMax, again.RetryWaitMin, again.RetryWaitMax = 4, wait, 16*wait
	again.ErrorHandler = retryablehttp.PassthroughErrorHandler // return the last answer, which says why
	again.Logger = nil                                         // it would log URLs, and Terraform has a log of its own
	return &http.Client{Transport: onlyRolebroker{&retryablehttp.RoundTripper{Client: again}}, Timeout: patience}
}

// onlyRolebroker accepts errors only in problem documents, as rolebroker sends
// them. Terraform creates again what a server reports as not found, and other
// servers also answer JSON with the code "not_found".
type onlyRolebroker struct{ http.RoundTripper }

func (t onlyRolebroker) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err == nil && resp.StatusCode >= 400 {
		if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != api.ProblemType {
			// so the client does not take it for rolebroker's
			resp.Header.Set("Content-Type", "not a problem document: "+kind)
		}
	}
	return resp, err
}
