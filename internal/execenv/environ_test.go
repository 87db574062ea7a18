package execenv

import (
	"slices"
	"testing"
)

func TestLoopbackIsReachedPastAProxy(t *testing.T) {
	env := func(entries ...string) []string { return entries }
	reaches := func(before, after []string) {
		t.Helper()
		if got := reachDirectly(slices.Clone(before), []string{"127.0.0.1"}); !slices.Equal(got, after) {
			t.Errorf("%v becomes %v, want %v", before, got, after)
		}
	}
	reaches(env("A=1"), env("A=1"))
	reaches(env("HTTP_PROXY="), env("HTTP_PROXY="))
	reaches(env("HTTP_PROXY=http://p"), env("HTTP_PROXY=http://p", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1"))
	reaches(env("https_proxy=http://p", "NO_PROXY=a,b"), env("https_proxy=http://p", "NO_PROXY=a,b,127.0.0.1"))
	reaches(env("ALL_PROXY=http://p", "no_proxy=a"), env("ALL_PROXY=http://p", "no_proxy=a,127.0.0.1"))
	reaches(env("HTTP_PROXY=http://p", "no_proxy=*"), env("HTTP_PROXY=http://p", "no_proxy=*"))
	reaches(env("HTTP_PROXY=http://p", "no_proxy=127.0.0.1"), env("HTTP_PROXY=http://p", "no_proxy=127.0.0.1"))
}

func TestWhatIsNotAnIdentityIsKept(t *testing.T) {
	for _, name := range []string{
		"PATH", "HOME", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "AWS_PAGER", "AWS_MAX_ATTEMPTS",
		"AWS_RETRY_MODE", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
		"AWS_DEFAULT_OUTPUT", "AWS_DEFAULTS_MODE", "AWS_EC2_METADATA_V1_DISABLED", "AWS_EXECUTION_ENV",
		"AWS_ACCOUNT_ID_ENDPOINT_MODE", "HTTPS_PROXY", "SSL_CERT_FILE",
	} {
		if isIdentity(name) {
			t.Errorf("%s is taken away", name)
		}
	}
}
