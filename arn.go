package rolebroker

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// RoleARN is the ARN of one IAM role, taken apart. It is comparable; the zero
// value is no ARN.
type RoleARN struct {
	Partition string // "aws", "aws-cn", "aws-us-gov", …
	Account   string // 12 digits; a leading zero is real
	Path      string // "/" or "/team/prod/": starts and ends with a slash
	Name      string // 1 to 64 of [A-Za-z0-9_+=,.@-]
}

// maxARN is the longest RoleArn that STS takes, in characters.
const maxARN = 2048

var (
	accountPattern  = regexp.MustCompile(`^[0-9]{12}$`)
	roleNamePattern = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	rolePathPattern = regexp.MustCompile(`^/(?:[\x21-\x7e]{1,510}/)?$`)
)

// ParseRoleARN takes a role's full ARN apart, as in
// arn:aws:iam::444455556666:role/team/ReadOnly. Whatever is not the ARN of
// one role is refused with the reason.
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
		return RoleARN{}, fmt.Errorf("%q has the region %q; IAM is global and a role's ARN has none: give the region as the role's region", s, region)
	}
	if !accountPattern.MatchString(account) {
		return RoleARN{}, fmt.Errorf("%q has the account %q; an account ID is 12 digits", s, account)
	}
	resource = strings.TrimPrefix(resource, "role")
	slash := strings.LastIndexByte(resource, '/') + 1
	arn := RoleARN{Partition: partition, Account: account, Path: resource[:slash], Name: resource[slash:]}
	switch {
	case strings.ContainsAny(resource, "*?"):
		return RoleARN{}, fmt.Errorf("%q has a wildcard; name one role", s)
	case !rolePathPattern.MatchString(arn.Path):
		return RoleARN{}, fmt.Errorf("%q has the path %q, which IAM does not allow", s, arn.Path)
	case !roleNamePattern.MatchString(arn.Name):
		return RoleARN{}, fmt.Errorf("%q has the role name %q; IAM allows 1 to 64 letters, digits and _+=,.@-", s, arn.Name)
	}
	return arn, nil
}

// checkRoleResource tells the kinds of ARN apart that people paste instead of
// a role's.
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

// String is the ARN as AWS writes it; "" for the zero value.
func (a RoleARN) String() string {
	if a == (RoleARN{}) {
		return ""
	}
	return "arn:" + a.Partition + ":iam::" + a.Account + ":role" + a.Path + a.Name
}

// MarshalText and UnmarshalText make a RoleARN a string in JSON and YAML.
func (a RoleARN) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText parses as ParseRoleARN does.
func (a *RoleARN) UnmarshalText(text []byte) (err error) {
	*a, err = ParseRoleARN(string(text))
	return err
}

// partitions are the AWS partitions with the pattern of their regions. The
// patterns are AWS's own, narrowed to what can stand in a host name, so a
// region that opens tomorrow is already allowed.
//
// Source: the SDKs' partitions.json, regionRegex.
var partitions = map[string]*regexp.Regexp{
	"aws":        regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z0-9]+-[0-9]{1,2}$`),
	"aws-cn":     regexp.MustCompile(`^cn-[a-z0-9]+-[0-9]{1,2}$`),
	"aws-us-gov": regexp.MustCompile(`^us-gov-[a-z0-9]+-[0-9]{1,2}$`),
	"aws-iso":    regexp.MustCompile(`^us-iso-[a-z0-9]+-[0-9]{1,2}$`),
	"aws-iso-b":  regexp.MustCompile(`^us-isob-[a-z0-9]+-[0-9]{1,2}$`),
	"aws-iso-e":  regexp.MustCompile(`^eu-isoe-[a-z0-9]+-[0-9]{1,2}$`),
	"aws-iso-f":  regexp.MustCompile(`^us-isof-[a-z0-9]+-[0-9]{1,2}$`),
	"aws-eusc":   regexp.MustCompile(`^eusc-[a-z]{2}-[a-z0-9]+-[0-9]{1,2}$`),
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

// CheckRegion says what is wrong with a region that has to belong to a
// partition: it does not have the form of a region, or is another
// partition's.
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

// Partition is the partition a region belongs to by its form, "" when it has
// the form of none.
func (r Region) Partition() string {
	for name, pattern := range partitions {
		if pattern.MatchString(string(r)) {
			return name
		}
	}
	return ""
}
