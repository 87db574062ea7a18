package execenv

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsReachedWithoutTheProxy(t *testing.T) {
	r := &room{dir: "/room", proxy: "http://rolebroker:x@127.0.0.1:7",
		ports: []*port{{address: netip.MustParseAddrPort("127.0.0.1:5")},
			{address: netip.MustParseAddrPort("172.17.0.1:6")}}}
	env := r.throughProxy([]string{"PATH=/bin", "HTTP_PROXY=http://corporate:3128", "all_proxy=socks5://x:1",
		"NO_PROXY=.amazonaws.com, 10.0.0.0/8,*.corp.example:8443,*,com,S3.eu-west-1.AMAZONAWS.com.,fd00::1,," +
			"api.aws:443",
		"no_proxy=other.example s3.amazonaws.com\t10.0.0.0/8",
		"AWS_ENDPOINT_URL_S3=http://other", "CURL_CA_BUNDLE=/other",
		"SSL_CERT_DIR=/other"})
	for _, want := range []string{"PATH=/bin", "HTTPS_PROXY=" + r.proxy, "https_proxy=" + r.proxy,
		"HTTP_PROXY=" + r.proxy, "http_proxy=" + r.proxy, "CURL_CA_BUNDLE=/room/ca.pem",
		"NODE_EXTRA_CA_CERTS=/room/ca.pem",
		"NO_PROXY=localhost,127.0.0.1,::1,172.17.0.1,10.0.0.0/8,*.corp.example:8443,fd00::1,other.example",
		"no_proxy=localhost,127.0.0.1,::1,172.17.0.1,10.0.0.0/8,*.corp.example:8443,fd00::1,other.example"} {
		if !slices.Contains(env, want) {
			t.Errorf("the environment lacks %s:\n%s", want, strings.Join(env, "\n"))
		}
	}
	for _, entry := range env {
		if strings.Contains(entry, "corporate") || strings.Contains(entry, "socks5") ||
			strings.Contains(entry, "other") && !strings.HasPrefix(strings.ToUpper(entry), "NO_PROXY=") {
			t.Errorf("the environment has %s", entry)
		}
	}
}

func TestTheCredentialOfTheProxy(t *testing.T) {
	is := identifyProxied("rbxp_secret")
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for authorization, want := range map[string]bool{
		basic("rolebroker:rbxp_secret"): true, strings.ToLower("Basic") + basic("rolebroker:rbxp_secret")[5:]: true,
		basic("rolebroker:rbxp_secret2"): false, basic("rolebroker:"): false, basic("rbxp_secret"): false,
		basic("other:rbxp_secret"): false, "": false, "Basic": false, "Basic !": false, "Bearer rbxp_secret": false,
		"rbxp_secret": false,
	} {
		if is(authorization) != want {
			t.Errorf("%q is accepted: %v", authorization, !want)
		}
	}
}
