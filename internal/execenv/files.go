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
	credentialsFile = "credentials" // empty, so that SDKs do not find the user's own keys
	linkFile        = "rolebroker"  // to the binary, if its path cannot be written into the config file
)

// writeFiles writes the files that AWS SDKs read. None of them holds a secret.
func writeFiles(dir, self string, region rolebroker.Region, offers []rolebroker.Offer) error {
	for _, o := range offers { // the config file starts programs, so a name must not add a line to it
		if !isPlain(o.Reference + qualified(o) + string(o.Region)) {
			return fmt.Errorf("the role %q in %q has characters that AWS config files cannot have", qualified(o),
				o.Region)
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

// profiles is the AWS config file. The default profile has a region only, so that
// SDKs go on to the container credentials, which are those of the role in use.
// Each role that the agent may borrow has a profile that runs self for its
// credentials. The profile stays with that role even if its reference becomes
// ambiguous.
func profiles(self string, region rolebroker.Region, offers []rolebroker.Offer) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by rolebroker exec, which removes it when it ends.\n[default]\nregion = %s\n", region)
	for _, offer := range offers {
		reference := offer.Reference
		if reference == "default" { // it would replace the default profile
			reference = qualified(offer)
		}
		fmt.Fprintf(&b, "\n[profile %s]\nregion = %s\ncredential_process = \"%s\" credentials --role %s --format "+
			"process\n",
			reference, offer.Region, self, qualified(offer))
	}
	return []byte(b.String())
}

// qualified is a reference that never becomes ambiguous.
func qualified(o rolebroker.Offer) string { return o.Integration + "/" + o.Name }

// isPlain reports whether every reader of credential_process understands a path
// in double quotes alike: botocore splits it as a shell does without running one,
// Go, JavaScript and Java pass it to a shell, and each parser of the file cuts
// comments off in its own way.
func isPlain(path string) bool {
	return path != "" && !strings.ContainsFunc(path, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("_/.,:=@%+~() -", r) && (r != '\\' || filepath.Separator != '\\')
	})
}

// plainPath is path, or a link to it in dir if path is not plain.
func plainPath(path, dir string) (string, error) {
	if isPlain(path) {
		return path, nil
	}
	link := filepath.Join(dir, linkFile)
	if !isPlain(link) {
		return "", fmt.Errorf("the path of the temporary directory, %q, has characters that AWS config files cannot "+
			"have; set TMPDIR to another", dir)
	}
	return link, os.Symlink(path, link)
}
