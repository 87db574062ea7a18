package awssim

import (
	"embed"
	"path"
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
