package execenv

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// identityVars are the variables that hold an AWS identity, a part of one, or the
// choice of one, for any SDK, present or past. They do not reach the command.
//
// Sources: AWS SDKs and Tools Reference Guide, "Settings reference"; botocore
// configprovider.py and credentials.py; aws-sdk-go-v2 config/env_config.go;
// the EnvironmentVariableCredentialsProvider of the Java, Ruby and JavaScript
// SDKs; boto 2 and EC2 tools for the oldest.
var identityVars = []string{
	// Keys.
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_ACCESS_KEY", "AWS_SECRET_KEY",
	"AMAZON_ACCESS_KEY_ID", "AMAZON_SECRET_ACCESS_KEY", "AMAZON_SESSION_TOKEN",
	"EC2_ACCESS_KEY", "EC2_SECRET_KEY", "EC2_SECURITY_TOKEN", "EC2_PRIVATE_KEY", "EC2_CERT",
	"AWS_SESSION_EXPIRATION", "AWS_SESSION_TOKEN_EXPIRATION",
	"AWS_ACCOUNT_ID",
	// Files that hold keys, and the choice among them.
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_EB_PROFILE",
	"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
	"BOTO_CONFIG", "BOTO_PATH",
	// The machine's own role.
	"AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
	"AWS_EC2_INSTANCE_PROFILE_NAME",
	// The region belongs to a role.
	"AWS_REGION", "AWS_DEFAULT_REGION",
	"AWS_SDK_LOAD_CONFIG",
}

// identityPrefixes are the prefixes of families of such variables.
var identityPrefixes = []string{
	"AWS_BEARER_TOKEN",  // of one service, used instead of a signature
	"AWS_CONTAINER_",    // container credentials
	"AWS_CREDENTIAL_",   // AWS_CREDENTIAL_FILE, _EXPIRATION, _PROFILES_FILE
	"AWS_CREDENTIALS_",  // likewise
	"AWS_IAM_ROLE_",     // Java's names for AWS_ROLE_
	"AWS_LOGIN_",        // the cache of `aws login`
	"AWS_OKTA_",         // aws-okta
	"AWS_ROLE_",         // AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME
	"AWS_SSO_",          // IAM Identity Center, and aws-sso
	"AWS_VAULT",         // aws-vault, which refuses to run in its own
	"AWS_WEB_IDENTITY_", // AWS_WEB_IDENTITY_TOKEN_FILE
	"AWSUME_",           // awsume
	"ROLEBROKER_",       // the agent's own token, keys and settings
}

// isIdentity reports whether a variable holds or chooses an AWS identity, or
// configures rolebroker.
func isIdentity(name string) bool {
	if runtime.GOOS == "windows" { // where the case of names does not count
		name = strings.ToUpper(name)
	}
	return slices.Contains(identityVars, name) ||
		slices.ContainsFunc(identityPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// environ is the caller's environment with this room's AWS identity in place of
// the caller's.
//
// If the room has several roles, nothing in the environment holds an identity or a
// region: JavaScript 2 and 3, Go 1 and other SDKs go on to the container endpoint
// when a profile is missing or refused, and would get the default role.
func (r *room) environ(caller []string) []string {
	if r.inside != nil {
		caller = outside(caller)
	}
	env := slices.DeleteFunc(slices.Clone(caller), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return isIdentity(name)
	})
	noKeys := filepath.Join(r.dir, credentialsFile)
	own, sdk := r.urls()
	if r.proxy == "" {
		env = reachDirectly(env, r.hosts())
	} else {
		env = r.throughProxy(env)
	}
	env = append(env,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+filepath.Join(r.dir, configFile),
		"AWS_SHARED_CREDENTIALS_FILE="+noKeys,
		"AWS_SDK_LOAD_CONFIG=1", // without it the first SDKs for Go and JavaScript read no profiles
		"BOTO_CONFIG="+noKeys,   // without it botocore looks for keys in ~/.boto and /etc/boto.cfg
		"ROLEBROKER_URL="+own,
		"ROLEBROKER_TOKEN="+r.token,
	)
	switch {
	case r.inside != nil:
		env = r.trusting(env)
	case r.gateway != "":
		env = r.throughGateway(env)
	}
	if own != r.url {
		env = append(env, "ROLEBROKER_ALLOW_INSECURE=true") // it is not a loopback address
	}
	if !r.roles.isOne() {
		return env
	}
	region := string(r.roles.inUse().Region)
	return append(env,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI="+sdk+"/v1/credentials",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN="+r.token,
		"AWS_REGION="+region,
		"AWS_DEFAULT_REGION="+region,
	)
}

var (
	proxyVars   = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}
	noProxyVars = []string{"NO_PROXY", "no_proxy"}
)

// urls are the addresses that the command is given: one for rolebroker, and one for
// SDKs, which accept plain HTTP for few addresses. Where the address that containers
// reach can be used, it is, so that the variables can be passed on to containers.
func (r *room) urls() (own, sdk string) {
	if !r.shared.IsValid() {
		return r.url, r.url
	}
	shared := "http://" + r.shared.String()
	if rolebroker.IsCredentialsHost(r.shared.Addr().String()) {
		return shared, shared
	}
	return shared, r.url
}

// hosts are the addresses of the room.
func (r *room) hosts() (found []string) {
	for _, p := range r.ports {
		if ip := p.address.Addr(); !ip.IsUnspecified() {
			found = append(found, ip.String())
		}
	}
	return found
}

// reachDirectly keeps requests to the hosts away from a proxy. It extends the lists
// that are set. If none is set it adds both spellings; it never adds one beside the
// other, because most programs would then ignore the other.
func reachDirectly(env []string, hosts []string) []string {
	if !slices.ContainsFunc(proxyVars, func(name string) bool { return lookup(env, name) != "" }) {
		return env
	}
	found := false
	for i, entry := range env {
		name, list, _ := strings.Cut(entry, "=")
		if !slices.Contains(noProxyVars, name) || list == "" {
			continue
		}
		found = true
		for _, host := range hosts {
			if list != "*" && !slices.Contains(strings.Split(list, ","), host) {
				env[i] += "," + host
			}
		}
	}
	if !found {
		for _, name := range noProxyVars {
			env = append(env, name+"="+strings.Join(hosts, ","))
		}
	}
	return env
}

// lookup is the value of a variable; the last one wins, as for os/exec.
func lookup(env []string, name string) string {
	for _, entry := range slices.Backward(env) {
		if n, value, _ := strings.Cut(entry, "="); n == name {
			return value
		}
	}
	return ""
}
