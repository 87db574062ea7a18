package execenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// The private files, in a directory of their own.
const (
	configFile      = "config"
	credentialsFile = "credentials" // empty, so that nobody's own keys are found
	linkFile        = "rolebroker"  // to the binary, where its own path cannot be written
)

// writeFiles writes the files that AWS SDKs read into a private directory.
// None of them holds a secret.
func writeFiles(dir, self string, region rolebroker.Region, offers []rolebroker.Offer) error {
	for _, o := range offers { // the file starts programs, so a name in it must not be more than one
		if !isPlain(o.Reference + qualified(o) + string(o.Region)) {
			return fmt.Errorf("the role %q in %q has characters that AWS config files cannot have", qualified(o), o.Region)
		}
	}
	self, err := plainPath(self, dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, configFile), profiles(self, region, offers), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, credentialsFile), nil, 0o600)
}

// profiles is the AWS config file. The default profile has a region only, so
// that SDKs go on to the container credentials, the role in use. Each role the
// agent may borrow is a profile that runs self for its credentials, and goes on
// to be that role when another one gets the profile's name for a reference.
func profiles(self string, region rolebroker.Region, offers []rolebroker.Offer) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by rolebroker exec, and gone when it ends.\n[default]\nregion = %s\n", region)
	for _, offer := range offers {
		reference := offer.Reference
		if reference == "default" { // would take the place of the default profile
			reference = qualified(offer)
		}
		fmt.Fprintf(&b, "\n[profile %s]\nregion = %s\ncredential_process = \"%s\" credentials --role %s --format process\n",
			reference, offer.Region, self, qualified(offer))
	}
	return []byte(b.String())
}

// qualified is the reference to a role that never means another one.
func qualified(o rolebroker.Offer) string { return o.Integration + "/" + o.Name }

// isPlain says whether a path means the same in double quotes to everyone who
// reads credential_process: botocore splits it as a shell would but runs
// none, Go, JavaScript and Java give it to a shell, and the parsers of the
// file cut comments off, each in its own way.
func isPlain(path string) bool {
	return path != "" && !strings.ContainsFunc(path, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("_/.,:=@%+~() -", r) && (r != '\\' || filepath.Separator != '\\')
	})
}

// plainPath is path, or a link to it in dir when path has characters that not
// everyone reads alike.
func plainPath(path, dir string) (string, error) {
	if isPlain(path) {
		return path, nil
	}
	link := filepath.Join(dir, linkFile)
	if !isPlain(link) {
		return "", fmt.Errorf("the path of the temporary directory, %q, has characters that AWS config files cannot have; set TMPDIR to another", dir)
	}
	return link, os.Symlink(path, link)
}
