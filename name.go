package rolebroker

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the longest name, in ASCII characters. It is also the longest RoleSessionName that STS accepts; an agent's
// name is one.
const maxName = 64

// maxDescription is the longest description, in characters.
const maxDescription = 1000

// CheckName checks the name of an integration, a role, an agent, a runner or an API key: it matches
// [A-Za-z0-9][A-Za-z0-9._-]{0,63} and does not look like an ID.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("is required")
	case len(name) > maxName:
		return fmt.Errorf("has %d characters; at most %d are allowed", utf8.RuneCountInString(name), maxName)
	case !isNameStart(name[0]):
		return fmt.Errorf("%q must start with a letter or a digit", name)
	case IsID(name):
		return fmt.Errorf("%q looks like an ID; choose a name of your own", name)
	}
	isOther := func(r rune) bool { return r >= utf8.RuneSelf || !isNameByte(byte(r)) }
	if i := strings.IndexFunc(name, isOther); i >= 0 {
		r, _ := utf8.DecodeRuneInString(name[i:])
		return fmt.Errorf("%q has the character %q; letters, digits, '.', '_' and '-' are allowed", name, r)
	}
	return nil
}

// NameLike returns the valid name that is nearest to what somebody typed, as in production-aws for "Production AWS". It
// returns "" if nothing of it can be in a name.
func NameLike(typed string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(typed) {
		if r < utf8.RuneSelf && isNameByte(byte(r)) {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	name := strings.TrimLeft(b.String(), "-._")
	name = strings.TrimRight(name[:min(len(name), maxName)], "-._")
	if CheckName(name) != nil {
		return ""
	}
	return name
}

func isNameStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isNameByte(c byte) bool { return isNameStart(c) || c == '.' || c == '_' || c == '-' }

func checkDescription(description string) error {
	switch n := utf8.RuneCountInString(description); {
	case !utf8.ValidString(description):
		return fmt.Errorf("is not valid UTF-8")
	case strings.ContainsRune(description, 0):
		return fmt.Errorf("has a NUL character")
	case strings.ContainsFunc(description, func(r rune) bool { return !IsVisible(r) }):
		return fmt.Errorf("has control characters or invisible ones, such as those that change the direction of text")
	case n > maxDescription:
		return fmt.Errorf("has %d characters; at most %d are allowed", n, maxDescription)
	}
	return nil
}
