package rolebroker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// What an exempt policy surely allows needs no approval; all that is not sure does.
func TestExempts(t *testing.T) {
	t.Parallel()
	const statement = `{"Version":"2012-10-17","Statement":`
	buckets, err := rolebroker.ReadBuckets("aws", []string{"reports", "arn:aws-cn:s3:::cn-logs", "s3://media/"})
	if err != nil {
		t.Fatal(err)
	}
	const allBut = statement + `[{"Effect":"Allow","NotAction":"iam:*","Resource":"*"},` +
		`{"Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::payroll","arn:aws:s3:::payroll/?"]}]}`
	const oneCharacter = statement + `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/a?c"}}`
	const hands = statement + `{"Effect":"Allow","Action":["lambda:*","iam:PassRole"],"Resource":"*"}}`
	role := rolebroker.RoleARN{Partition: "aws", Account: "111122223333", Path: "/", Name: "R"}
	for name, c := range map[string]struct {
		policy    string
		actions   string
		resources string
		want      bool
	}{
		"an object of the bucket":           {buckets, "s3:GetObject", "arn:aws:s3:::reports/2026/q1.csv", true},
		"its list":                          {buckets, "s3:ListBucket", "arn:aws:s3:::reports", true},
		"in another partition":              {buckets, "s3:GetObject", "arn:aws-cn:s3:::cn-logs/a", true},
		"not in this one":                   {buckets, "s3:GetObject", "arn:aws:s3:::cn-logs/a", false},
		"by its address":                    {buckets, "s3:GetObject", "arn:aws:s3:::media/a", true},
		"capital letters of an action":      {buckets, "S3:getobject", "arn:aws:s3:::reports/a", true},
		"capital letters of a bucket":       {buckets, "s3:GetObject", "arn:aws:s3:::Reports/a", false},
		"a change in the bucket":            {buckets, "s3:PutObject", "arn:aws:s3:::reports/a", false},
		"another bucket":                    {buckets, "s3:GetObject", "arn:aws:s3:::reports2/a", false},
		"a bucket whose name begins so":     {buckets, "s3:ListBucket", "arn:aws:s3:::reports/", false},
		"all buckets":                       {buckets, "s3:ListAllMyBuckets", "*", false},
		"an object that is not named":       {buckets, "s3:GetObject", "", false},
		"one that is, and more":             {buckets, "s3:GetObject", "arn:aws:s3:::reports/a *", false},
		"what any part of a key may be":     {buckets, "s3:GetObject", "arn:aws:s3:::reports/*", true},
		"what any bucket may be":            {buckets, "s3:GetObject", "arn:aws:s3:::*/a", false},
		"two objects":                       {buckets, "s3:GetObject", "arn:aws:s3:::reports/a arn:aws:s3:::media/b", true},
		"two objects, of which one is not":  {buckets, "s3:GetObject", "arn:aws:s3:::reports/a arn:aws:s3:::other/b", false},
		"two actions, of which one is not":  {buckets, "s3:GetObject s3:PutObject", "arn:aws:s3:::reports/a", false},
		"a copy out of it":                  {buckets, "s3:GetObject s3:PutObject", "arn:aws:s3:::reports/a arn:aws:s3:::x/a", false},
		"actions that are not known":        {buckets, "", "arn:aws:s3:::reports/a", false},
		"who am I":                          {"", "sts:GetCallerIdentity", "*", true},
		"who am I, and more":                {"", "sts:GetCallerIdentity s3:GetObject", "*", false},
		"no policy":                         {"", "s3:GetObject", "arn:aws:s3:::reports/a", false},
		"all but an action":                 {allBut, "s3:GetObject", "arn:aws:s3:::reports/a", true},
		"that action":                       {allBut, "iam:GetRole", "*", false},
		"a denied resource":                 {allBut, "s3:GetObject", "arn:aws:s3:::payroll/1", false},
		"a denied one, in two bytes":        {allBut, "s3:GetObject", "arn:aws:s3:::payroll/é", false},
		"what may be the denied one":        {allBut, "s3:GetObject", "arn:aws:s3:::pay*", false},
		"a resource that is not known":      {allBut, "s3:GetObject", "*", false},
		"? is one character":                {oneCharacter, "s3:GetObject", "arn:aws:s3:::b/abc", true},
		"? is not any text":                 {oneCharacter, "s3:GetObject", "arn:aws:s3:::b/a*c", false},
		"handing a role on":                 {hands, "lambda:CreateFunction iam:PassRole", "arn:aws:lambda:eu-west-1:1:function:f", true},
		"handing one on, without the leave": {buckets, "s3:GetObject iam:PassRole", "arn:aws:s3:::reports/a", false},
	} {
		connection := rolebroker.Connection{Approval: rolebroker.ApprovalCall, ExemptPolicy: c.policy}
		got := connection.Exempts(strings.Fields(c.actions), strings.Fields(c.resources), role)
		if got != c.want {
			t.Errorf("%s: exempt %t, want %t", name, got, c.want)
		}
	}
}

// An agent chooses the names of resources, and must not keep the gateway busy with one.
func TestAPolicyIsJudgedInTime(t *testing.T) {
	t.Parallel()
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/` +
		strings.Repeat("*a", 500) + `"}}`
	c := rolebroker.Connection{Approval: rolebroker.ApprovalCall, ExemptPolicy: policy}
	done := make(chan bool)
	go func() {
		done <- c.Exempts([]string{"s3:GetObject"}, []string{"arn:aws:s3:::b/" + strings.Repeat("a", 2000) + "b"},
			rolebroker.RoleARN{})
	}()
	select {
	case exempt := <-done:
		if exempt {
			t.Error("the name ends otherwise than the pattern")
		}
	case <-time.After(time.Minute):
		t.Fatal("it is not judged after a minute")
	}
}

// The names and ARNs of buckets make a policy, and what is neither is named.
func TestReadBuckets(t *testing.T) {
	t.Parallel()
	for _, bucket := range []string{"", "b", "reports*", "reports/a", "arn:aws:s3:::", "arn:aws:iam::1:role/r", "a b c"} {
		_, err := rolebroker.ReadBuckets("aws", []string{"reports", bucket})
		if e := rolebroker.AsError(err); err == nil || len(e.Fields) != 1 || e.Fields[0].Path != "exempt_bucket" ||
			!strings.Contains(e.Fields[0].Message, rolebroker.Quote(strings.TrimPrefix(bucket, "arn:aws:s3:::"))) {
			t.Errorf("%q is %v", bucket, err)
		}
	}
	if _, err := rolebroker.ReadBuckets("aws", nil); rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
		t.Errorf("no bucket is %v", err)
	}
	policy, err := rolebroker.ReadBuckets("aws", []string{"reports"})
	if err != nil {
		t.Fatal(err)
	}
	if compact, wrong := rolebroker.ParseExemptPolicy(policy); compact != policy || wrong != nil {
		t.Errorf("%s is wrong in %v", policy, wrong)
	}
	arns, ok := rolebroker.BucketsRead(policy)
	if !ok || len(arns) != 1 || arns[0] != "arn:aws:s3:::reports" {
		t.Errorf("it is for %v, %t", arns, ok)
	}
	if _, ok := rolebroker.BucketsRead(strings.Replace(policy, "s3:GetObjectVersion", "s3:PutObject", 1)); ok {
		t.Error("a policy that allows to write is one that reads")
	}
}

// An exempt policy has nothing that only AWS can judge, and belongs to approval call with keys withheld.
func TestAConnectionWithAnExemptPolicy(t *testing.T) {
	t.Parallel()
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	with := func(old, new string) string { return strings.Replace(document, old, new, 1) }
	for name, c := range map[string]struct {
		keys     rolebroker.Keys
		approval rolebroker.Approval
		policy   string
		says     string // empty: it is valid
	}{
		"valid": {rolebroker.KeysWithheld, rolebroker.ApprovalCall, document, ""},
		"none":  {rolebroker.KeysWithheld, rolebroker.ApprovalCall, "", ""},
		"lent":  {rolebroker.KeysLent, rolebroker.ApprovalCall, document, `approval: call is possible only with keys "withheld"`},
		"write": {rolebroker.KeysWithheld, rolebroker.ApprovalWrite, document, `exempt_policy: is allowed only with approval call`},
		"a condition": {rolebroker.KeysWithheld, rolebroker.ApprovalCall,
			with(`"*"}`, `"*","Condition":{"Bool":{"a:b":"true"}}}`), "exempt_policy.Statement[0].Condition: cannot be judged"},
		"a variable": {rolebroker.KeysWithheld, rolebroker.ApprovalCall,
			with(`"Resource":"*"`, `"Resource":"arn:aws:s3:::b/${aws:username}"`), "exempt_policy.Statement[0].Resource: "},
		"characters that stand for themselves": {rolebroker.KeysWithheld, rolebroker.ApprovalCall,
			with(`"Resource":"*"`, `"Resource":"arn:aws:s3:::b/${*}${?}${$}"`), ""},
		"too long": {rolebroker.KeysWithheld, rolebroker.ApprovalCall, with("GetObject", strings.Repeat("x", 6144)), "a connection takes at most 6144"},
		"longer than STS takes": {rolebroker.KeysWithheld, rolebroker.ApprovalCall, with("GetObject", strings.Repeat("x", 6000)),
			""},
	} {
		connection := rolebroker.Connection{Access: rolebroker.AccessFull, Keys: c.keys, Approval: c.approval,
			ExemptPolicy: c.policy}
		err := connection.Check()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
