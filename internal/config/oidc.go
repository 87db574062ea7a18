package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// oidcFlags adds the flags of the identity provider.
func (c *Server) oidcFlags(f *pflag.FlagSet) {
	f.StringVar(&c.OIDCIssuer, "oidc-issuer", c.OIDCIssuer,
		"let people sign in through the identity provider at `URL`, by OpenID Connect")
	f.StringVar(&c.OIDCClientID, "oidc-client-id", c.OIDCClientID, "`ID` of this server there")
	f.StringVar(&c.OIDCClientSecretFile, "oidc-client-secret-file", c.OIDCClientSecretFile,
		"`FILE` with the secret of that client")
	f.StringVar(&c.OIDCCLIClientID, "oidc-cli-client-id", c.OIDCCLIClientID,
		"`ID` there of rolebroker login, a public client (default: it is off)")
	f.StringSliceVar(&c.OIDCScopes, "oidc-scopes", c.OIDCScopes, "ask for the scopes `NAME,NAME`")
	f.StringVar(&c.OIDCGroupsClaim, "oidc-groups-claim", c.OIDCGroupsClaim, "`CLAIM` with the groups of a person")
	f.StringSliceVar(&c.OIDCAdminGroups, "oidc-admin-groups", c.OIDCAdminGroups,
		"members of the groups `NAME,NAME` may do everything")
	f.StringSliceVar(&c.OIDCApproverGroups, "oidc-approver-groups", c.OIDCApproverGroups,
		"members of the groups `NAME,NAME` may read, and decide access requests")
	f.StringSliceVar(&c.OIDCReaderGroups, "oidc-reader-groups", c.OIDCReaderGroups,
		"members of the groups `NAME,NAME` may read")
	f.StringVar(&c.OIDCCAFile, "oidc-ca-file", c.OIDCCAFile, "`FILE` with the certificates to trust there")
}

// checkOIDC adds the problems of the identity provider's settings.
func (c *Server) checkOIDC(l *loader) {
	c.OIDCGroupsClaim = strings.TrimSpace(c.OIDCGroupsClaim)
	if c.OIDCIssuer == "" {
		for flag, set := range map[string]bool{"oidc-client-id": c.OIDCClientID != "",
			"oidc-client-secret-file": c.OIDCClientSecretFile != "", "oidc-cli-client-id": c.OIDCCLIClientID != "",
			"oidc-admin-groups": len(c.OIDCAdminGroups) > 0, "oidc-approver-groups": len(c.OIDCApproverGroups) > 0,
			"oidc-reader-groups": len(c.OIDCReaderGroups) > 0} {
			if set {
				l.check(flag, "is set and --oidc-issuer is not; name the identity provider, too")
			}
		}
		return
	}
	l.check("oidc-issuer", issuerProblem(c.OIDCIssuer))
	if c.OIDCClientID == "" {
		l.check("oidc-client-id", "is empty; register this server at the identity provider, and write its client ID")
	}
	if c.PublicURL == "" {
		l.check("public-url", "is needed with --oidc-issuer: the identity provider sends people back to it; "+
			"write it as in https://rolebroker.example.com")
	}
	if len(c.OIDCScopes) > 0 && !slices.Contains(c.OIDCScopes, "openid") {
		l.check("oidc-scopes", "lacks openid, without which the provider does not say who somebody is")
	}
	if c.OIDCGroupsClaim == "" {
		l.check("oidc-groups-claim", "is empty; write the claim that has the groups, as in groups")
	}
	c.checkGroups(l)
}

// checkGroups adds the problems of the groups.
func (c *Server) checkGroups(l *loader) {
	seen := map[string]string{}
	for _, one := range []struct {
		flag   string
		groups []string
	}{{"oidc-admin-groups", c.OIDCAdminGroups}, {"oidc-approver-groups", c.OIDCApproverGroups},
		{"oidc-reader-groups", c.OIDCReaderGroups}} {
		for _, group := range one.groups {
			switch {
			case strings.TrimSpace(group) == "":
				l.check(one.flag, "has an empty name")
			case seen[group] != "":
				l.check(one.flag, fmt.Sprintf("has %q, as has --%s; name each group once", group, seen[group]))
			}
			seen[group] = one.flag
		}
	}
	if len(seen) == 0 {
		l.check("oidc-admin-groups", "is empty, as are --oidc-approver-groups and --oidc-reader-groups: nobody could "+
			"sign in; name a group whose members may")
	}
}

// issuerProblem says what is wrong with an issuer; "" if nothing is. It does not repeat a URL, which may have a
// password.
func issuerProblem(issuer string) string {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is not a URL; write it as in https://login.example.com"
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "has more than a host and a path; write it as in https://login.example.com"
	case u.Scheme == "http" && !rolebroker.IsLoopback(u.Hostname()):
		return "is plain HTTP to another machine; write https://"
	case strings.HasSuffix(issuer, "/.well-known/openid-configuration"):
		return "is the URL of its configuration; write what comes before /.well-known"
	}
	return ""
}

// clientSecretProblem says what is wrong with the file of OIDCClientSecretFile; "" if nothing is, or there is none.
func (c *Server) clientSecretProblem(outside Outside) string {
	if c.OIDCClientSecretFile == "" {
		return ""
	}
	if _, err := passwordIn(c.OIDCClientSecretFile, clientSecretIs, outside.ReadFile); err != nil {
		return err.Error()
	}
	return ""
}

// clientSecretIs is what is in OIDCClientSecretFile.
const clientSecretIs = "secret of the client"

// ReadOIDCClientSecret reads the secret of the client at the identity provider anew.
func (c *Server) ReadOIDCClientSecret() (rolebroker.Secret, error) {
	return passwordIn(c.OIDCClientSecretFile, clientSecretIs, readFile)
}

// Groups returns which groups give which access.
func (c *Server) Groups() rolebroker.GroupAccess {
	return rolebroker.GroupAccess{Admin: c.OIDCAdminGroups, Approver: c.OIDCApproverGroups, Reader: c.OIDCReaderGroups}
}
