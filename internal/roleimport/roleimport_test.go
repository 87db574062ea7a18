package roleimport

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

const arn = "arn:aws:iam::444455556666:role/"

// written writes roles one a line.
func written(roles []Role) string {
	var b strings.Builder
	for _, r := range roles {
		b.WriteString(strings.TrimRight(r.Name+" "+r.ARN+" "+r.Region+" "+r.SessionDuration, " ") + "\n")
	}
	return b.String()
}

func said(remarks []Remark) string {
	var b strings.Builder
	for _, r := range remarks {
		b.WriteString(r.What + ": " + r.Says + "\n")
	}
	return b.String()
}

// Lists that people have, and the roles that follow a role in us-east-1.
func TestReading(t *testing.T) {
	other := Role{"first", arn + "First", "us-east-1", ""}
	for name, test := range map[string]struct{ text, want, skipped, notes string }{
		"ARNs": {arn + "ReadOnly\n  " + arn + "ci/Deploy \n\n# a comment\n" + `"` + arn + `A+b",`,
			"ReadOnly " + arn + "ReadOnly us-east-1\n" +
				"Deploy " + arn + "ci/Deploy us-east-1\nA-b " + arn + "A+b us-east-1\n", "", ""},
		"one line":          {arn + "A " + arn + "B", "A " + arn + "A us-east-1\nB " + arn + "B us-east-1\n", "", ""},
		"names with commas": {arn + "a,b", "a-b " + arn + "a,b us-east-1\n", "", ""},
		"a name in two accounts": {
			arn + "Audit\narn:aws:iam::777788889999:role/Audit\n" + arn + "x/Audit\n" + arn + "y/Audit",
			"Audit " + arn + "Audit us-east-1\nAudit-777788889999 arn:aws:iam::777788889999:role/Audit us-east-1\n" +
				"Audit-444455556666 " + arn + "x/Audit us-east-1\n" +
				"Audit-444455556666-2 " + arn + "y/Audit us-east-1\n", "", ""},
		"what is there": {arn + "First\n" + arn + "Second\n" + arn + "Second", "Second " + arn + "Second us-east-1\n",
			arn + "First: it is there already, as \"first\"\n" +
				arn + "Second: it is there already, as \"Second\"\n", ""},
		"another partition": {"arn:aws-cn:iam::444455556666:role/A", "A arn:aws-cn:iam::444455556666:role/A\n", "", ""},
		"CSV": {"Name,ARN,Region,Session duration\na," + arn + "A,eu-west-1,2h\n,\"" + arn + "b,c\",,\n",
			"a " + arn + "A eu-west-1 2h\nb-c " + arn + "b,c eu-west-1\n", "", ""},
		"CSV without a header": {"a," + arn + "A,eu-west-1\nb," + arn + "B",
			"a " + arn + "A eu-west-1\nb " + arn + "B eu-west-1\n", "", ""},
		"CSV of a spreadsheet": {"\ufeffrole_arn;region\r\n" + arn + "A;eu-west-1\r\n",
			"A " + arn + "A eu-west-1\n", "", ""},
		"cells of a spreadsheet": {"a\t" + arn + "A\teu-west-1\n", "a " + arn + "A eu-west-1\n", "", ""},
		"a config file": {`# of mine
[default]
region = eu-west-2
[profile base]
aws_access_key_id = AKIASECRETSECRET
aws_secret_access_key=verysecret
region = eu-central-1
[profile "ops"]
role_arn = ` + arn + `Ops
source_profile = base
duration_seconds = 7200
s3 =
  region = mars
[profile deep er]
role_arn = ` + arn + `Deep # the second hop
source_profile = ops
mfa_serial = arn:aws:iam::111122223333:mfa/me
[profile circle]
role_arn = ` + arn + `Circle
source_profile = circle
[profile sso]
sso_session = company
[sso-session company]
region = us-east-1
[profile wrong]
role_arn = ` + arn + `*
[nothing]
`, "ops " + arn + "Ops eu-central-1 2h\ndeep-er " + arn + "Deep eu-central-1\ncircle " + arn + "Circle eu-west-2\n",
			"profile default: it has no role_arn\n" +
				"profile base: it has access keys, which are not imported, and no role_arn\n" +
				"profile sso: it signs in with IAM Identity Center, and has no role_arn\n" +
				"profile wrong: its role_arn, in the section at line 25, \"" + arn + "*\" has a wildcard; name one role\n" +
				"profile nothing: it has no role_arn\n",
			"profile deep er: its trust policy names the role of profile ops; it has to trust the platform too\n" +
				"profile deep er: it asks for MFA, which an agent does not have; " +
				"its trust policy must not require MFA of the platform\n"},
		"keys without a section": {"aws_access_key_id = AKIA\n", "",
			"profile without a name: it has access keys, which are not imported, and no role_arn\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := Read(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := written(list.After([]Role{other})); got != test.want {
				t.Errorf("the roles are\n%s, not\n%s", got, test.want)
			}
			if got := said(list.Skipped); got != test.skipped {
				t.Errorf("these are skipped\n%s, not\n%s", got, test.skipped)
			}
			if got := said(list.Notes); got != test.notes {
				t.Errorf("the notes are\n%s, not\n%s", got, test.notes)
			}
		})
	}
}

// An error says where.
func TestWhatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		" \n# nothing\n": "there is nothing to add",
		arn + "A\nhello": `line 2: "hello" is not an ARN`,
		"name,arn\na," + arn + "A\nb c,arn:aws:iam::1:role/B": `line 3, column 2 (arn): "arn:aws:iam::1:role/B" has `,
		"name,arn\nb c," + arn + "B": "line 2, column 1 (name): \"b c\" has the character ' '; " +
			"letters, digits, '.', '_' and '-' are allowed: write b-c",
		"a," + arn + "A,mars":              `line 1, column 3 (region): "mars" is not an AWS region`,
		"a," + arn + "A,us-east-1,1":       `line 1, column 4 (session_duration): "1" is not a duration`,
		"a," + arn + "A,us-east-1,13h":     `line 1, column 4 (session_duration): 13h is out of range`,
		"a," + arn + "A,us-east-1,1h,more": "line 1, column 5: there are only 4 columns",
		"arn,owner\n" + arn + "A,me":       `line 1, column 2: "owner" is not a column here`,
		"name,arn\n\"a," + arn + "A":       "line 2: the quotes are not those of CSV",
		"[sso-session a]\n":                "there is no profile",
	} {
		_, err := Read(text)
		if rolebroker.CodeOf(err) != rolebroker.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
}

// The keys of a file are in nothing that is shown.
func TestKeysAreNotKept(t *testing.T) {
	text := "[a]\n  AWS_Secret_Access_Key : verysecret\naws_access_key_id=AKIAVERY\n" +
		"aws_session_token = sesame\nrole_arn=" + arn + "A\n"
	if got := WithoutKeys(text); strings.Contains(got, "secret\n") || strings.Contains(got, "AKIA") ||
		strings.Contains(got, "sesame") || !strings.Contains(got, arn+"A") {
		t.Error(got)
	}
}

// Strangers send anything.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{arn + "A\n" + arn + "A", "name,arn\na," + arn + "A",
		"[profile a]\nrole_arn=" + arn + "A\nsource_profile=a\n",
		"a;b\n\"", "aws_secret_access_key = topsecret\n[", "[profile]\n", "\x00,\xff", "a\tb\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Read(text)
		if err != nil && rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, r := range list.After(nil) {
			parsed, err := rolebroker.ParseRoleARN(r.ARN)
			if err != nil {
				t.Errorf("the ARN %q: %v", r.ARN, err)
			}
			if err := rolebroker.CheckName(r.Name); err != nil {
				t.Errorf("the name %q: %v", r.Name, err)
			}
			if r.Region != "" && rolebroker.CheckRegion(rolebroker.Region(r.Region), parsed.Partition) != nil {
				t.Errorf("the region %q of %s", r.Region, r.ARN)
			}
			names[r.Name] = true
		}
		if strings.Contains(WithoutKeys(text+"\naws_secret_access_key=longenoughsecret"), "longenoughsecret") {
			t.Error("a key is still there")
		}
	})
}
