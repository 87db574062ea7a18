package rolebroker_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestARNsOfEveryPartitionAreRoles(t *testing.T) {
	for _, arn := range []string{
		"arn:aws:iam::444455556666:role/ReadOnly",
		"arn:aws:iam::012345678901:role/team/prod/ReadOnly",
		"arn:aws:iam::444455556666:role/a_B+=,.@-9",
		"arn:aws:iam::444455556666:role/odd:path/Name",
		"arn:aws-cn:iam::444455556666:role/ReadOnly",
		"arn:aws-us-gov:iam::444455556666:role/ReadOnly",
		"arn:aws-iso:iam::444455556666:role/ReadOnly",
		"arn:aws-iso-b:iam::444455556666:role/ReadOnly",
		"arn:aws-iso-e:iam::444455556666:role/ReadOnly",
		"arn:aws-iso-f:iam::444455556666:role/ReadOnly",
		"arn:aws-eusc:iam::444455556666:role/ReadOnly",
		"arn:aws:iam::444455556666:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
		"arn:aws:iam::444455556666:role/" + strings.Repeat("n", 64),
	} {
		if parsed, err := rolebroker.ParseRoleARN(arn); err != nil {
			t.Errorf("%s: %v", arn, err)
		} else if parsed.String() != arn {
			t.Errorf("%s came back as %s", arn, parsed)
		}
	}
}

func TestWhatIsNotARoleIsRefusedWithTheReason(t *testing.T) {
	for arn, reason := range map[string]string{
		"":             "is required",
		"ReadOnly":     "is not an ARN",
		"444455556666": "is not an ARN",
		" arn:aws:iam::444455556666:role/ReadOnly":                     "white space",
		"arn:aws:iam::444455556666:role/ReadOnly\n":                    "white space",
		"arn:aws:iam::444455556666:user/alice":                         "is the ARN of a user",
		"arn:aws:iam::444455556666:group/admins":                       "is the ARN of a group",
		"arn:aws:iam::444455556666:policy/ReadOnly":                    "is the ARN of a policy",
		"arn:aws:iam::444455556666:root":                               "is the ARN of an account",
		"arn:aws:iam::444455556666:instance-profile/web":               "instance profile",
		"arn:aws:sts::444455556666:assumed-role/ReadOnly/scout":        "assumed-role session",
		"arn:aws:s3:::bucket":                                          "is not the ARN of an IAM role",
		"arn:aws:iam::444455556666:role/*":                             "wildcard",
		"arn:aws:iam::444455556666:role/team/*/ReadOnly":               "wildcard",
		"arn:aws:iam::444455556666:role/Read?nly":                      "wildcard",
		"arn:aws:iam::*:role/ReadOnly":                                 "an account ID is 12 digits",
		"arn:aws:iam::44445555666:role/ReadOnly":                       "an account ID is 12 digits",
		"arn:aws:iam::4444-5555-6666:role/ReadOnly":                    "an account ID is 12 digits",
		"arn:aws:iam:us-east-1:444455556666:role/ReadOnly":             "IAM is global",
		"arn:aws-mars:iam::444455556666:role/ReadOnly":                 "unknown partition",
		"arn::iam::444455556666:role/ReadOnly":                         "unknown partition",
		"arn:aws:iam::444455556666:role/":                              "role name",
		"arn:aws:iam::444455556666:role":                               "is not the ARN of an IAM role",
		"arn:aws:iam::444455556666:role/Read Only":                     "role name",
		"arn:aws:iam::444455556666:role//ReadOnly":                     "path",
		"arn:aws:iam::444455556666:role/Réadonly":                      "role name",
		"arn:aws:iam::444455556666:role/" + strings.Repeat("n", 65):    "role name",
		"arn:aws:iam::444455556666:role/" + strings.Repeat("p/", 2000): "at most 2048",
	} {
		if parsed, err := rolebroker.ParseRoleARN(arn); err == nil {
			t.Errorf("%q was taken as %s", arn, parsed)
		} else if !strings.Contains(err.Error(), reason) {
			t.Errorf("%q is refused with %q, want %q in it", arn, err, reason)
		}
	}
}

func TestRegionsBelongToTheirPartition(t *testing.T) {
	allow := func(region, partition string) {
		t.Helper()
		if err := rolebroker.CheckRegion(rolebroker.Region(region), partition); err != nil {
			t.Errorf("%s in %s: %v", region, partition, err)
		}
	}
	refuse := func(region, partition string) {
		t.Helper()
		if rolebroker.CheckRegion(rolebroker.Region(region), partition) == nil {
			t.Errorf("%q in %s is allowed", region, partition)
		}
	}
	allow("us-east-1", "aws")
	allow("ap-southeast-7", "aws")
	allow("mx-central-1", "aws")
	allow("cn-northwest-1", "aws-cn")
	allow("us-gov-west-1", "aws-us-gov")
	allow("us-isob-east-1", "aws-iso-b")
	allow("eusc-de-east-1", "aws-eusc")
	refuse("us-gov-west-1", "aws")
	refuse("us-east-1", "aws-us-gov")
	refuse("cn-north-1", "aws")
	refuse("us-east-1", "aws-cn")
	refuse("", "aws")
	refuse("us-east-1a", "aws")
	refuse("US-EAST-1", "aws")
	refuse("us-east-1.evil.example", "aws")
	refuse("us-east-1 ", "aws")
	refuse("global", "aws")
	refuse("aws-global", "aws")
	refuse("us-east-123", "aws")
}

func FuzzParseRoleARN(f *testing.F) {
	for _, seed := range []string{
		"arn:aws:iam::444455556666:role/ReadOnly", "arn:aws:iam::444455556666:role/team/prod/ReadOnly",
		"arn:aws:sts::444455556666:assumed-role/R/s", "arn:aws:iam::444455556666:role/*", "arn:::::",
		"arn:aws:iam::444455556666:role", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		arn, err := rolebroker.ParseRoleARN(s)
		if err != nil {
			return
		}
		if arn.String() != s {
			t.Errorf("%q came back as %q", s, arn)
		}
		if again, err := rolebroker.ParseRoleARN(arn.String()); err != nil || again != arn {
			t.Errorf("%q does not parse as itself: %v", s, err)
		}
	})
}
