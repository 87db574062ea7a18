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
	credentialsFile = "credentials" // in place of the user's own, which may have keys
	linkFile        = "rolebroker"  // to the binary, if its path cannot be written into the config file
)

// writeFiles writes the files that AWS SDKs read. None of them holds a secret.
func writeFiles(dir, self, gateway string, roles roles) error {
	for _, o := range roles.offers { // the config file starts programs, so a name must not add a line to it
		if !isPlain(o.Reference + qualified(o) + string(o.Region)) {
			return fmt.Errorf("the role %q in %q has characters that AWS config files cannot have", qualified(o),
				o.Region)
		}
	}
	self, err := plainPath(self, dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, configFile), profiles(dir, self, gateway, roles), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, credentialsFile), credentials(self, roles), 0o600)
}

// written begins the files.
const written = "# Written by rolebroker exec, which removes it when it ends.\n"

// profiles is the AWS config file. The default profile is the role in use. Each role
// has a profile that runs self for its credentials, and stays with that role even if
// its reference becomes ambiguous. If there is one role only, the default profile has
// a region only, so that SDKs go on to the container endpoint, which renews without
// starting a program.
func profiles(dir, self, gateway string, roles roles) []byte {
	var b strings.Builder
	section := func(name string, o rolebroker.Offer, process bool) {
		fmt.Fprintf(&b, "\n[%s]\nregion = %s\n", name, o.Region)
		if isWithheld(o) {
			b.WriteString(gatewaySettings(dir, gateway))
		}
		if process {
			b.WriteString(processOf(self, o))
		}
	}
	b.WriteString(written)
	section("default", roles.inUse(), !roles.isOne())
	for _, offer := range roles.offers {
		section("profile "+profileName(offer), offer, true)
	}
	if gateway != "" {
		b.WriteString(servicesSection(gateway))
	}
	return []byte(b.String())
}

// credentials is the AWS credentials file, which has the same profiles for programs that
// read no config file, such as restic. It is empty if there is one role only: those
// programs find the container endpoint.
//
// Source: FileAWSCredentials of github.com/minio/minio-go/v7.
func credentials(self string, roles roles) []byte {
	if roles.isOne() {
		return nil
	}
	var b strings.Builder
	b.WriteString(written)
	fmt.Fprintf(&b, "\n[default]\n%s", processOf(self, roles.inUse()))
	for _, offer := range roles.offers {
		fmt.Fprintf(&b, "\n[%s]\n%s", profileName(offer), processOf(self, offer))
	}
	return []byte(b.String())
}

func processOf(self string, o rolebroker.Offer) string {
	return fmt.Sprintf("credential_process = %s credentials --role %s --format process\n", self, qualified(o))
}

// profileName is the name of a role's own profile. One called default would replace the
// default profile.
func profileName(o rolebroker.Offer) string {
	if o.Reference == "default" {
		return qualified(o)
	}
	return o.Reference
}

// isPlain reports whether every reader of credential_process understands a path
// without quotes alike: botocore splits it as a shell does without running one, Go,
// JavaScript and Java pass it to a shell, and each parser of the file cuts comments
// off in its own way. Quotes would not help: the first Go SDK keeps only the quoted
// word of the line, and cmd.exe takes the outermost ones off.
func isPlain(path string) bool {
	return path != "" && !strings.ContainsFunc(path, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("_/.,@+-"+plainOnThisSystem, r)
	})
}

// plainPath is a plain path of a program: its own, or a link to it in dir.
func plainPath(path, dir string) (string, error) {
	if isPlain(path) {
		return path, nil
	}
	if short := shortPath(path); isPlain(short) {
		return short, nil
	}
	link := filepath.Join(dir, linkFile)
	if !isPlain(link) {
		return "", fmt.Errorf("AWS config files cannot have the path of rolebroker, %q, or a link to it in the "+
			"temporary directory, %q: set %s to a directory whose path is letters and digits", path, dir, tempVariable)
	}
	return link, os.Symlink(path, link)
}
