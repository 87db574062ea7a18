package learn_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/learn"
)

// kind is a kind of calls: actions and resources, separated by spaces.
func kind(operation, actions, resources string) rolebroker.CallKind {
	service, name, _ := strings.Cut(operation, ":")
	role, err := rolebroker.ParseRoleARN("arn:aws:iam::444455556666:role/Deployer")
	if err != nil {
		panic(err)
	}
	return rolebroker.CallKind{Service: service, Operation: name, Actions: strings.Fields(actions),
		Resources: strings.Fields(resources), ARN: role, Calls: 2, Last: time.Unix(1e9, 0)}
}

func learned(o learn.Options, kinds ...rolebroker.CallKind) *learn.Learner {
	l := learn.New(o)
	for _, k := range kinds {
		l.Add(k)
	}
	return l
}

// objects are n calls that read objects of a folder.
func objects(folder string, n int) (all []rolebroker.CallKind) {
	for i := range n {
		all = append(all, kind("s3:GetObject", "s3:GetObject", fmt.Sprintf("arn:aws:s3:::%s/%d.csv", folder, i)))
	}
	return all
}

const (
	table = "arn:aws:dynamodb:eu-west-1:444455556666:table/orders"
	reads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":[%s]}]}`
)

func TestPolicy(t *testing.T) {
	for name, test := range map[string]struct {
		calls []rolebroker.CallKind
		want  string
	}{
		"none": {nil, ""},
		"actions on one resource": {
			[]rolebroker.CallKind{kind("dynamodb:PutItem", "dynamodb:PutItem", table), kind("dynamodb:GetItem", "dynamodb:GetItem", table)},
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:PutItem"],"Resource":["` + table + `"]}]}`},
		"services apart": {
			[]rolebroker.CallKind{kind("sqs:ListQueues", "sqs:ListQueues", "*"), kind("ec2:DescribeVpcs", "ec2:DescribeVpcs", "*")},
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:DescribeVpcs"],"Resource":["*"]},{"Effect":"Allow","Action":["sqs:ListQueues"],"Resource":["*"]}]}`},
		"five objects": {objects("b/f", 5), fmt.Sprintf(reads, `"arn:aws:s3:::b/f/0.csv","arn:aws:s3:::b/f/1.csv","arn:aws:s3:::b/f/2.csv","arn:aws:s3:::b/f/3.csv","arn:aws:s3:::b/f/4.csv"`)},
		"six objects":  {objects("b/f", 6), fmt.Sprintf(reads, `"arn:aws:s3:::b/f/*"`)},
		"six objects and another folder": {append(objects("b/f", 6), objects("b/g", 1)...),
			fmt.Sprintf(reads, `"arn:aws:s3:::b/f/*","arn:aws:s3:::b/g/0.csv"`)},
		"not recorded": {[]rolebroker.CallKind{kind("s3:GetObject", "s3:GetObject", "")}, fmt.Sprintf(reads, `"*"`)},
		"more than recorded": {[]rolebroker.CallKind{kind("s3:GetObject", "s3:GetObject", "arn:aws:s3:::b/1 *")},
			fmt.Sprintf(reads, `"*"`)},
		"escaped": {[]rolebroker.CallKind{kind("s3:GetObject", "s3:GetObject", "arn:aws:s3:::b/${*}<&")},
			fmt.Sprintf(reads, `"arn:aws:s3:::b/${*}<&"`)},
		"a copy": {
			[]rolebroker.CallKind{kind("s3:CopyObject", "s3:GetObject s3:PutObject", "arn:aws:s3:::from/a arn:aws:s3:::to/b")},
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::from/a"]},{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::to/b"]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := learned(learn.Options{}, test.calls...).Policy(rolebroker.MaxSessionPolicy)
			if diff := cmp.Diff(test.want, got.Policy); diff != "" {
				t.Error(diff)
			}
			if got.Policy == "" {
				return
			}
			if _, wrong := rolebroker.ParseSessionPolicy(got.Policy); wrong != nil {
				t.Errorf("it is no session policy: %v", wrong)
			}
			if got.Characters != len(got.Policy) || !got.Fits() || got.Calls != int64(2*len(test.calls)) {
				t.Errorf("it is described as %+v", got)
			}
		})
	}
}

// TestTheOrderOfCallsDoesNotMatter has to hold for the output to be stable: a database may return calls in any order.
func TestTheOrderOfCallsDoesNotMatter(t *testing.T) {
	calls := slices.Concat(objects("a/x", 7), objects("a/y", 3), objects("a", 4), objects("b/deep/er", 2),
		[]rolebroker.CallKind{kind("dynamodb:Query", "dynamodb:Query", table), kind("iam:CreateUser", "iam:CreateUser", "*"),
			kind("iam:DeleteUser", "iam:DeleteUser", "*")})
	for i := range 30 {
		calls = append(calls, kind("s3:ListObjectsV2", "s3:ListBucket", fmt.Sprintf("arn:aws:s3:::bucket-%d", i)))
	}
	want := learned(learn.Options{}, calls...).Policy(0)
	for range 50 {
		rand.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
		if diff := cmp.Diff(want, learned(learn.Options{}, calls...).Policy(0)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestALearnedPolicyIsNotPower leaves out what would give the agent more than it did, unless that is asked for.
func TestALearnedPolicyIsNotPower(t *testing.T) {
	calls := []rolebroker.CallKind{
		kind("s3:GetObject", "s3:GetObject", "arn:aws:s3:::b/k"),
		kind("iam:PutRolePolicy", "iam:PutRolePolicy", "*"),
		kind("lambda:CreateFunction", "lambda:CreateFunction iam:PassRole", "arn:aws:lambda:eu-west-1:444455556666:function:f"),
		kind("secretsmanager:GetSecretValue", "secretsmanager:GetSecretValue", "*"),
		kind("?:?", "", "*"),
		kind("s3:PutBucketPolicy", "s3:PutBucketPolicy", "arn:aws:s3:::b"),
	}
	got := learned(learn.Options{}, calls...).Policy(0)
	if want := fmt.Sprintf(reads, `"arn:aws:s3:::b/k"`); got.Policy != want {
		t.Errorf("the policy is %s", got.Policy)
	}
	var refused []string
	for _, r := range got.WouldRefuse {
		refused = append(refused, fmt.Sprintf("%d %s: %s", r.Calls, r.Call, r.Reason))
	}
	if diff := cmp.Diff([]string{
		"2 ?:?: its IAM actions are not known",
		"2 iam:PutRolePolicy: iam:PutRolePolicy manages permissions",
		"2 lambda:CreateFunction: it hands a role to a service, with iam:PassRole",
		"2 s3:PutBucketPolicy: s3:PutBucketPolicy manages permissions",
		"2 secretsmanager:GetSecretValue: secretsmanager:GetSecretValue returns credentials",
	}, refused); diff != "" {
		t.Error(diff)
	}
	for options, action := range map[learn.Options]string{
		{Permissions: true}: `"iam:PutRolePolicy"`,
		{Credentials: true}: `"secretsmanager:GetSecretValue"`,
		{PassRole: true}:    `"iam:PassRole"],"Resource":["arn:aws:iam::444455556666:role/*"]`,
	} {
		if p := learned(options, calls...).Policy(0).Policy; strings.Count(p, action) != 1 || strings.Contains(p, "?:?") {
			t.Errorf("with %+v the policy is %s", options, p)
		}
	}
}

// TestALongPolicyIsMadeWider takes the first step that fits.
func TestALongPolicyIsMadeWider(t *testing.T) {
	folders := func(n, each int) (all []rolebroker.CallKind) {
		for i := range n {
			all = append(all, objects(fmt.Sprintf("bucket-%d/%s", i, strings.Repeat("x", 20)), each)...)
		}
		return all
	}
	var writes []rolebroker.CallKind
	for i := range 40 {
		writes = append(writes, kind("dynamodb:PutItem", "dynamodb:PutItem", fmt.Sprintf("%s-%d/%d", table, i%20, i)))
	}
	for name, test := range map[string]struct {
		calls []rolebroker.CallKind
		want  rolebroker.Widening
		has   string
	}{
		"as it is": {folders(5, 2), rolebroker.WidenNothing, "/1.csv"},
		"siblings": {folders(15, 5), rolebroker.WidenSiblings, `xx/*"`},
		"reads":    {slices.Concat(folders(20, 5), writes), rolebroker.WidenReads, `"s3:GetObject"],"Resource":["*"]`},
	} {
		t.Run(name, func(t *testing.T) {
			l := learned(learn.Options{}, test.calls...)
			got := l.Policy(rolebroker.MaxSessionPolicy)
			if got.Wider != test.want || !strings.Contains(got.Policy, test.has) || !got.Fits() {
				t.Errorf("it is %s, with %d characters: %s", got.Wider, got.Characters, got.Policy)
			}
			if whole := l.Policy(0); whole.Wider != rolebroker.WidenNothing {
				t.Errorf("without a limit it is %s", whole.Wider)
			}
		})
	}
}

// TestAPolicyThatCannotFit is exact, and says that it is no session policy.
func TestAPolicyThatCannotFit(t *testing.T) {
	l := learn.New(learn.Options{Permissions: true}) // their names are not known
	for i := range 200 {
		l.Add(kind("ec2:DescribeVpcs", fmt.Sprintf("ec2:DescribeSomethingThatHasALongName%d", i), "*"))
	}
	got := l.Policy(rolebroker.MaxSessionPolicy)
	if got.Fits() || got.Wider != rolebroker.WidenNothing || got.Characters < 5000 {
		t.Errorf("it is %s, with %d characters", got.Wider, got.Characters)
	}
}

// TestAMillionObjectsTakeLittle bounds what is kept.
func TestAMillionObjectsTakeLittle(t *testing.T) {
	l := learn.New(learn.Options{})
	n := testing.AllocsPerRun(1, func() {
		for i := range 100_000 {
			l.Add(rolebroker.CallKind{Actions: []string{"s3:GetObject"},
				Resources: []string{fmt.Sprintf("arn:aws:s3:::b/%d/%d", i%1000, i)}, Calls: 1})
		}
	})
	if got, want := l.Policy(0).Policy, fmt.Sprintf(reads, `"arn:aws:s3:::b/*"`); got != want {
		t.Errorf("the policy of a million objects is %s", got)
	}
	t.Logf("%.1f allocations a call", n/100_000)
}
