// Package roleimport reads the lists of IAM roles that people have at hand: ARNs, one a line; CSV with name, ARN,
// region and session duration; and the config file of the AWS CLI, with its profiles.
//
// It does not ask AWS for anything, and it keeps no access key: the file of the AWS CLI may have some, and their
// values are not part of what Read returns, nor of its errors.
//
//	list, err := roleimport.Read(text)
//	roles := list.After(nil) // each has a name, and the region of the one before if it has none of its own
package roleimport

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// Role is a role of a list. Its ARN is valid; the other fields are valid or empty.
type Role struct {
	Name            string
	ARN             string
	Region          string
	SessionDuration string // as in 1h
}

// Remark says something about an entry of a list, as in "profile dev" and "it has no role_arn".
type Remark struct{ What, Says string }

// List is what Read found.
type List struct {
	Roles   []Role
	Skipped []Remark // what is not among Roles, and why
	Notes   []Remark // what people should know about some of Roles
}

// Problem is an entry that cannot be read. Line and Column count from 1; Column is 0 if the whole line is wrong. In
// CSV it is the number of the cell, and Field is its name.
type Problem struct {
	Line, Column   int
	Field, Message string
}

func (p Problem) String() string {
	where := fmt.Sprintf("line %d", p.Line)
	if p.Column > 0 {
		where += fmt.Sprintf(", column %d", p.Column)
	}
	if p.Field != "" {
		where += " (" + p.Field + ")"
	}
	return where + ": " + p.Message
}

// maxShown bounds the problems of an error.
const maxShown = 5

// invalid is the error for what is wrong with a list; nil if nothing is.
func invalid(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	var said []string
	for _, p := range problems[:min(len(problems), maxShown)] {
		said = append(said, p.String())
	}
	if more := len(problems) - maxShown; more > 0 {
		said = append(said, fmt.Sprintf("and %d more", more))
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid, "%s", strings.Join(said, "; "))
}

// Read reads a list, whichever of the three it is. The error, whose code is invalid, says which lines are wrong.
func Read(text string) (List, error) {
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff")
	switch first := firstLine(text); {
	case first == "":
		return List{}, rolebroker.Errorf(rolebroker.CodeInvalid,
			"there is nothing to add: paste ARNs, CSV or an AWS config file")
	case strings.HasPrefix(first, "["), hasKeyName(text):
		return readConfig(text)
	case separator(first) != 0 && !strings.HasPrefix(first, "arn:"):
		return readCSV(text, separator(first))
	}
	return readARNs(text)
}

// firstLine is the first line that is neither empty nor a comment.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != ';' {
			return line
		}
	}
	return ""
}

// readARNs reads ARNs between white space. Quotes and commas around them, as in JSON, do not count.
func readARNs(text string) (list List, err error) {
	var wrong []Problem
	number := 0
	for line := range strings.Lines(text) {
		number++
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			word = strings.Trim(word, `"',;`)
			if word == "" {
				continue
			}
			if _, err := rolebroker.ParseRoleARN(word); err != nil {
				wrong = append(wrong, Problem{Line: number, Message: err.Error()})
				continue
			}
			list.Roles = append(list.Roles, Role{ARN: word})
		}
	}
	return list, invalid(wrong)
}

// After returns the roles of the list as they follow others: each has a name that none of the others has, and the
// region of the one before if it has none. Roles whose ARN and region are there already are left out, and
// become Skipped.
func (l *List) After(others []Role) (added []Role) {
	names, there := map[string]bool{}, map[Role]string{}
	region := ""
	take := func(r Role) {
		names[r.Name], region = true, r.Region
		there[Role{ARN: r.ARN, Region: r.Region}] = r.Name
	}
	for _, r := range others {
		take(r)
	}
	for _, r := range l.Roles {
		if r.Region == "" {
			r.Region = RegionFor(r.ARN, region)
		}
		if name, is := there[Role{ARN: r.ARN, Region: r.Region}]; is {
			l.Skipped = append(l.Skipped, Remark{r.ARN, fmt.Sprintf("it is there already, as %q", name)})
			continue
		}
		if r.Name == "" {
			r.Name = FreeName(r.ARN, names)
		}
		take(r)
		added = append(added, r)
	}
	return added
}

// RegionFor is a region for a role, if that of another one is in the same partition.
func RegionFor(arn, region string) string {
	parsed, _ := rolebroker.ParseRoleARN(arn)
	if rolebroker.Region(region).Partition() != parsed.Partition {
		return ""
	}
	return region
}

// FreeName is a name for the role of an ARN that is not taken: as in IAM, then with the account, then with a number.
func FreeName(arn string, taken map[string]bool) string {
	parsed, _ := rolebroker.ParseRoleARN(arn)
	name := validName(parsed.Name)
	if name == "" {
		name = "role"
	}
	if !taken[name] {
		return name
	}
	name = cut(name, len(parsed.Account)+1) + "-" + parsed.Account
	if !taken[name] {
		return name
	}
	numbered := func(n int) string {
		number := fmt.Sprintf("-%d", n)
		return cut(name, len(number)) + number
	}
	free := 2 // numbers are taken in their order, so that few have to be looked at
	for taken[numbered(free)] {
		free *= 2
	}
	return numbered(free/2 + 1 + sort.Search(free/2-1, func(i int) bool { return !taken[numbered(free/2+1+i)] }))
}

// maxName is the length of the longest name.
const maxName = 64

// cut leaves room in a name for some more characters.
func cut(name string, room int) string { return name[:min(len(name), maxName-room)] }

// validName is a name with a dash in place of each character that a name cannot have; "" if nothing is left.
func validName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < 128 && (r == '.' || r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z') {
			return r
		}
		return '-'
	}, name)
	name = cut(strings.TrimLeft(name, "-._"), 0)
	if rolebroker.CheckName(name) != nil {
		return ""
	}
	return name
}

// keyLine matches a line with a secret of the AWS CLI's files.
var keyLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(
		`(?im)^([ \t]*aws_(?:access_key_id|secret_access_key|session_token|security_token)[ \t]*[=:]).*$`)
})

func hasKeyName(line string) bool { return keyLine().MatchString(line) }

// WithoutKeys is a text without the access keys in it, for a form that shows it again.
func WithoutKeys(text string) string { return keyLine().ReplaceAllString(text, "$1 removed") }
