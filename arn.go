package rolebroker

import (
	"fmt"
	"slices"
	"strings"
)

// RoleARN is the parsed ARN of one IAM role. It is comparable; the zero value is no ARN.
type RoleARN struct {
	Partition string // "aws", "aws-cn", "aws-us-gov", …
	Account   string // 12 digits; a leading zero is real
	Path      string // "/" or "/team/prod/": starts and ends with a slash
	Name      string // 1 to 64 of [A-Za-z0-9_+=,.@-]
}

// maxARN is the longest RoleArn that STS accepts, in characters.
const maxARN = 2048

// ParseRoleARN parses the full ARN of a role, as in arn:aws:iam::444455556666:role/team/ReadOnly. The error says why
// an input is not the ARN of one role.
//
// Source: IAM User Guide, "IAM identifiers"; IAM API Reference, CreateRole.
func ParseRoleARN(s string) (RoleARN, error) {
	const form = "a role's ARN has the form arn:aws:iam::123456789012:role/Name"
	switch {
	case s == "":
		return RoleARN{}, fmt.Errorf("is required; %s", form)
	case len(s) > maxARN:
		return RoleARN{}, fmt.Errorf("has %d characters; at most %d are allowed", len(s), maxARN)
	case strings.TrimSpace(s) != s:
		return RoleARN{}, fmt.Errorf("%q has white space around it", s)
	}
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" {
		return RoleARN{}, fmt.Errorf("%q is not an ARN; %s", s, form)
	}
	partition, service, region, account, resource := part[1], part[2], part[3], part[4], part[5]
	if err := checkRoleResource(service, resource); err != nil {
		return RoleARN{}, fmt.Errorf("%q %w; %s", s, err, form)
	}
	if _, ok := partitions[partition]; !ok {
		return RoleARN{}, fmt.Errorf("%q is in the unknown partition %q; known are %s", s, partition, knownPartitions())
	}
	if region != "" {
		return RoleARN{}, fmt.Errorf("%q has the region %q; IAM is global and a role's ARN has none: "+
			"give the region as the role's region", s, region)
	}
	if !IsAccountID(account) {
		return RoleARN{}, fmt.Errorf("%q has the account %q; an account ID is 12 digits", s, account)
	}
	resource = strings.TrimPrefix(resource, "role")
	slash := strings.LastIndexByte(resource, '/') + 1
	arn := RoleARN{Partition: partition, Account: account, Path: resource[:slash], Name: resource[slash:]}
	switch {
	case strings.ContainsAny(resource, "*?"):
		return RoleARN{}, fmt.Errorf("%q has a wildcard; name one role", s)
	case !isIAMPath(arn.Path):
		return RoleARN{}, fmt.Errorf("%q has the path %q, which IAM does not allow", s, arn.Path)
	case !isIAMName(arn.Name):
		return RoleARN{}, fmt.Errorf("%q has the role name %q; IAM allows 1 to 64 letters, digits and _+=,.@-",
			s, arn.Name)
	}
	return arn, nil
}

// The checks below are loops and not regular expressions, which would be compiled at each start of exec.

// IsAccountID reports whether s has the form of the ID of an AWS account: 12 digits.
func IsAccountID(s string) bool { return len(s) == 12 && only(s, isDigit) }

func isIAMName(s string) bool {
	allowed := func(c byte) bool { return isNameStart(c) || strings.IndexByte("_+=,.@-", c) >= 0 }
	return 1 <= len(s) && len(s) <= 64 && only(s, allowed)
}

func isIAMPath(s string) bool {
	return s == "/" || 3 <= len(s) && len(s) <= 512 && s[0] == '/' && s[len(s)-1] == '/' &&
		only(s, func(c byte) bool { return 0x21 <= c && c <= 0x7e })
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isDirection(s string) bool {
	return s != "" && only(s, func(c byte) bool { return isLower(c) || isDigit(c) })
}

// only reports whether every byte of s is allowed.
func only(s string, allowed func(byte) bool) bool {
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

// checkRoleResource refuses the ARNs that people paste instead of a role's, and says what they are.
func checkRoleResource(service, resource string) error {
	kind, _, _ := strings.Cut(resource, "/")
	switch {
	case service == "iam" && kind == "role" && strings.Contains(resource, "/"):
		return nil
	case service == "sts" && kind == "assumed-role":
		return fmt.Errorf("is the ARN of an assumed-role session, not of a role")
	case service == "iam" && kind == "instance-profile":
		return fmt.Errorf("is the ARN of an instance profile, not of the role in it")
	case service == "iam" && kind == "root":
		return fmt.Errorf("is the ARN of an account, not of a role")
	case service == "iam" && (kind == "user" || kind == "group" || kind == "policy"):
		return fmt.Errorf("is the ARN of a %s, not of a role", kind)
	}
	return fmt.Errorf("is not the ARN of an IAM role")
}

// String returns the ARN as AWS writes it; "" for the zero value.
func (a RoleARN) String() string {
	if a == (RoleARN{}) {
		return ""
	}
	return "arn:" + a.Partition + ":iam::" + a.Account + ":role" + a.Path + a.Name
}

// MarshalText makes a RoleARN a string in JSON and YAML.
func (a RoleARN) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText parses text as ParseRoleARN does.
func (a *RoleARN) UnmarshalText(text []byte) (err error) {
	*a, err = ParseRoleARN(string(text))
	return err
}

// partitions are the AWS partitions and the beginnings of their regions. They are AWS's own patterns, narrowed to the
// characters of a host name, so that a new region needs no release.
//
// Source: the SDKs' partitions.json, regionRegex.
var partitions = map[string][]string{
	"aws":        {"us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"},
	"aws-cn":     {"cn-"},
	"aws-us-gov": {"us-gov-"},
	"aws-iso":    {"us-iso-"},
	"aws-iso-b":  {"us-isob-"},
	"aws-iso-e":  {"eu-isoe-"},
	"aws-iso-f":  {"us-isof-"},
	"aws-eusc":   {"eusc-de-"},
}

func knownPartitions() string {
	names := make([]string, 0, len(partitions))
	for name := range partitions {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Region is an AWS region, as in "eu-west-1".
type Region string

// CheckRegion checks that a region has the form of a region and belongs to a partition. An empty partition means any.
func CheckRegion(region Region, partition string) error {
	of := region.Partition()
	switch {
	case region == "":
		return fmt.Errorf("is required, as in us-east-1")
	case of == "":
		return fmt.Errorf("%q is not an AWS region; a region looks like us-east-1", string(region))
	case partition != "" && of != partition:
		return fmt.Errorf("%q is a region of the partition %s, but the role is in %s", string(region), of, partition)
	}
	return nil
}

// Partition returns the partition that a region belongs to by its form: a beginning, a direction, and a number of one
// or two digits. It returns "" for any other form.
func (r Region) Partition() string {
	for name, beginnings := range partitions {
		for _, beginning := range beginnings {
			rest, ok := strings.CutPrefix(string(r), beginning)
			direction, number, dashed := strings.Cut(rest, "-")
			if ok && dashed && isDirection(direction) && 1 <= len(number) && len(number) <= 2 && only(number, isDigit) {
				return name
			}
		}
	}
	return ""
}
