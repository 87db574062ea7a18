package awssim

import (
	"embed"
	"path"
	"strings"
	"sync"
)

// The policies that AWS maintains, as it published them; managed/README.md has their source.
//
//go:embed managed/*.json
var managedFiles embed.FS

// awsPolicies maps the ARNs of the simulated AWS managed policies, after the partition, to
// functions that parse them at first use.
var awsPolicies = map[string]func() *policy{
	":iam::aws:policy/AdministratorAccess":         lazyPolicy(func() string { return AllowAll }),
	":iam::aws:policy/ReadOnlyAccess":              lazyPolicy(published("ReadOnlyAccess")),
	":iam::aws:policy/SecurityAudit":               lazyPolicy(published("SecurityAudit")),
	":iam::aws:policy/job-function/ViewOnlyAccess": lazyPolicy(published("ViewOnlyAccess")),
}

func published(name string) func() string {
	return func() string {
		text, err := managedFiles.ReadFile(path.Join("managed", name+".json"))
		if err != nil {
			panic(err)
		}
		return string(text)
	}
}

func lazyPolicy(text func() string) func() *policy {
	return sync.OnceValue(func() *policy {
		p, err := parseIdentityPolicy(text())
		if err != nil {
			panic(err)
		}
		return p
	})
}

// managedPolicy returns a policy by ARN: one of own, which are those of an account, or an AWS
// managed policy that is simulated. It returns nil if there is none.
func managedPolicy(own map[string]*policy, partition, arn string) *policy {
	if p := own[arn]; p != nil {
		return p
	}
	if rest, ok := strings.CutPrefix(arn, "arn:"+partition); ok && awsPolicies[rest] != nil {
		return awsPolicies[rest]()
	}
	return nil
}
