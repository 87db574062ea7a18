//go:build unix

package execenv

import (
	"net/url"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestAddressesToListenOn(t *testing.T) {
	is := func(listen string, public bool, want string, code rolebroker.Code) {
		t.Helper()
		got, err := Options{Listen: listen, ListenPublic: public}.listenAddress()
		if rolebroker.CodeOf(err) != code || err == nil && got.String() != want {
			t.Errorf("%q gives %s, %v; want %s, %s", listen, got, err, want, code)
		}
		if err != nil && len(rolebroker.AsError(err).Hint) == 0 {
			t.Errorf("%q: %v has no hint", listen, err)
		}
	}
	allow := func(listen, want string) { t.Helper(); is(listen, false, want, "") }
	deny := func(listen string, code rolebroker.Code) { t.Helper(); is(listen, false, "", code) }
	allow("172.17.0.1", "172.17.0.1:0")
	allow("172.17.0.1:9000", "172.17.0.1:9000")
	allow("10.0.0.1", "10.0.0.1:0")
	allow("192.168.1.1", "192.168.1.1:0")
	allow("169.254.170.2:80", "169.254.170.2:80")
	allow("127.0.0.1:9000", "127.0.0.1:9000")
	allow("fd00:ec2::23", "[fd00:ec2::23]:0")
	allow("[fd00:ec2::23]:80", "[fd00:ec2::23]:80")
	for _, public := range []string{"0.0.0.0:9000", "[::]:9000", "8.8.8.8", "2001:db8::1", "100.64.0.1", "172.32.0.1",
		"[::ffff:8.8.8.8]:9000", "224.0.0.1"} {
		deny(public, rolebroker.CodeDenied)
	}
	is("8.8.8.8:9000", true, "8.8.8.8:9000", "")
	is("0.0.0.0:9000", true, "0.0.0.0:9000", "")
	is("0.0.0.0", true, "", rolebroker.CodeInvalid)
	for _, wrong := range []string{"localhost", "docker0", ":9000", "172.17.0.1:http", "172.17.0.1:99999",
		"fe80::1%eth0", "http://10.0.0.1"} {
		deny(wrong, rolebroker.CodeInvalid)
	}
}

// A loopback address replaces the one that the command gets.
func TestTheCommandGetsAnAddressThatItCanUse(t *testing.T) {
	hosts := func(listen string) (own, sdk string) {
		t.Helper()
		o := options(newFake(), "look")
		o.Role, o.Listen = "deployer", listen
		s := look(t, o)
		if s.Lent != "ASIADEPLOYER" {
			t.Errorf("with %q it is lent %q", listen, s.Lent)
		}
		at, _ := url.Parse(lookup(s.Env, "ROLEBROKER_URL"))
		from, _ := url.Parse(lookup(s.Env, "AWS_CONTAINER_CREDENTIALS_FULL_URI"))
		return at.Hostname(), from.Hostname()
	}
	for listen, want := range map[string]string{"": "127.0.0.1", "127.0.0.3": "127.0.0.3"} {
		if own, sdk := hosts(listen); own != want || sdk != want {
			t.Errorf("with %q they are %s and %s", listen, own, sdk)
		}
	}
}

// The token must not go to a proxy.
func TestNoAddressOfTheRoomIsReachedThroughAProxy(t *testing.T) {
	o := options(newFake(), "look")
	o.Listen, o.Env = "127.0.0.3", append(o.Env, "HTTP_PROXY=http://127.0.0.1:1")
	if got := lookup(look(t, o).Env, "NO_PROXY"); got != "127.0.0.3" {
		t.Errorf("NO_PROXY is %q", got)
	}
}
