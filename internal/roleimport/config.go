package roleimport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// profile is a profile of the AWS CLI's config file, with the settings in wanted.
type profile struct {
	name     string
	line     int
	settings map[string]string
	keys     bool // it has access keys, which are not kept
}

// wanted are the settings that say something about a role. Everything else, keys first, is not kept.
//
// Source: AWS CLI User Guide, "Configuration and credential file settings".
var wanted = []string{"role_arn", "region", "source_profile", "duration_seconds", "mfa_serial", "sso_session",
	"sso_start_url", "sso_account_id"}

// readConfig reads the profiles that have a role.
func readConfig(text string) (list List, err error) {
	profiles := readProfiles(text)
	named, taken := byName(profiles), map[string]bool{}
	for _, p := range profiles {
		if why := p.unusable(); why != "" {
			list.Skipped = append(list.Skipped, Remark{"profile " + p.name, why})
			continue
		}
		role := Role{Name: validName(p.name), ARN: p.settings["role_arn"], SessionDuration: p.duration()}
		role.Region = RegionFor(role.ARN, regionOf(named, p))
		if taken[role.Name] {
			role.Name = "" // the ARN gives another one
		}
		taken[role.Name] = true
		list.Roles = append(list.Roles, role)
		list.Notes = append(list.Notes, p.notes(named)...)
	}
	if len(profiles) == 0 {
		return list, rolebroker.Errorf(rolebroker.CodeInvalid, "there is no profile in this AWS config file")
	}
	return list, nil
}

// readProfiles reads the profiles in their order. Sections of another kind are passed over.
func readProfiles(text string) (all []*profile) {
	var now *profile
	number := 0
	for line := range strings.Lines(text) {
		number++
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			now = sectionOf(line, number)
			if now != nil {
				all = append(all, now)
			}
		case now == nil && hasKeyName(line): // a part of a file, without the line that names the profile
			now = &profile{name: "without a name", line: number, settings: map[string]string{}, keys: true}
			all = append(all, now)
		case now != nil && hasKeyName(line):
			now.keys = true
		case now != nil && !indented:
			now.take(line)
		}
	}
	return all
}

// sectionOf is the profile that a line like [profile dev] begins; nil for a section of another kind.
func sectionOf(line string, number int) *profile {
	name, _, _ := strings.Cut(line[1:], "]")
	words := strings.Fields(name)
	switch {
	case len(words) == 2 && words[0] == "profile":
		name = words[1]
	case len(words) == 1:
		name = words[0]
	case len(words) > 2 && words[0] == "profile":
		name = strings.Join(words[1:], " ")
	default:
		return nil // sso-session, services and the like
	}
	return &profile{name: strings.Trim(name, `"'`), line: number, settings: map[string]string{}}
}

// take takes a setting.
func (p *profile) take(line string) {
	key, value, found := strings.Cut(line, "=")
	key = strings.ToLower(strings.TrimSpace(key))
	if !found || !slices.Contains(wanted, key) {
		return
	}
	value, _, _ = strings.Cut(value, " #")
	p.settings[key] = strings.TrimSpace(value)
}

// unusable says why the profile is no role that can be lent; "" if it is one.
func (p *profile) unusable() string {
	arn, has := p.settings["role_arn"]
	if has {
		if _, err := rolebroker.ParseRoleARN(arn); err != nil {
			return fmt.Sprintf("its role_arn, in the section at line %d, %s", p.line, err)
		}
		return ""
	}
	switch {
	case p.settings["sso_session"] != "" || p.settings["sso_start_url"] != "" || p.settings["sso_account_id"] != "":
		return "it signs in with IAM Identity Center, and has no role_arn"
	case p.keys:
		return "it has access keys, which are not imported, and no role_arn"
	}
	return "it has no role_arn"
}

// duration is the session duration; empty for the default.
func (p *profile) duration() string {
	seconds, err := strconv.Atoi(p.settings["duration_seconds"])
	d := time.Duration(seconds) * time.Second
	if err != nil || d < rolebroker.MinSessionDuration || d > rolebroker.MaxSessionDuration ||
		d == rolebroker.DefaultSessionDuration {
		return ""
	}
	return rolebroker.ShortDuration(d)
}

// notes say what is different here from the AWS CLI.
func (p *profile) notes(named map[string]*profile) (notes []Remark) {
	say := func(format string, args ...any) {
		notes = append(notes, Remark{"profile " + p.name, fmt.Sprintf(format, args...)})
	}
	source := named[p.settings["source_profile"]]
	if source != nil && source != p && source.settings["role_arn"] != "" {
		say("its trust policy names the role of profile %s; it has to trust the platform too", source.name)
	}
	if p.settings["mfa_serial"] != "" {
		say("it asks for MFA, which an agent does not have; its trust policy must not require MFA of the platform")
	}
	return notes
}

// maxSources bounds how many profiles get their credentials from each other, which may go in circles.
const maxSources = 100

// regionOf is the region of a profile, or of those it gets its credentials from, or of the default profile.
func regionOf(named map[string]*profile, p *profile) string {
	for range maxSources {
		if p == nil || p.settings["region"] != "" {
			break
		}
		p = named[p.settings["source_profile"]]
	}
	if p == nil || p.settings["region"] == "" {
		p = named["default"]
	}
	if p == nil {
		return ""
	}
	return p.settings["region"]
}

// byName are the profiles by their names. Of several with a name it has the first.
func byName(all []*profile) map[string]*profile {
	named := map[string]*profile{}
	for _, p := range all {
		if p.name != "" && named[p.name] == nil {
			named[p.name] = p
		}
	}
	return named
}
