package awssim_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

const (
	readOnlyARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	viewOnlyARN = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
)

// outcomes are results or errors of calls, by session and call.
type outcomes map[string]map[string]any

// tryServices makes the calls of testdata/services.py with boto3, in sessions of a name
// each.
func tryServices(t *testing.T, w *world, sessions ...any) outcomes {
	t.Helper()
	srv, err := awssim.Start(w.aws)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	cmd := exec.Command("python3", "testdata/services.py", srv.URL)
	for _, s := range sessions {
		if k, ok := s.(awssim.Credentials); ok {
			s = k.AccessKeyID + ":" + k.SecretAccessKey + ":" + k.SessionToken
		}
		cmd.Args = append(cmd.Args, s.(string))
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NO_PROXY=127.0.0.1",
		"AWS_EC2_METADATA_DISABLED=true"}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got outcomes
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// denied lists the calls that were denied access, in order.
func (o outcomes) denied(session string) (calls []string) {
	for call, result := range o[session] {
		text, _ := json.Marshal(result)
		if strings.Contains(string(text), "AccessDenied") || strings.Contains(string(text), "UnauthorizedOperation") {
			calls = append(calls, call)
		}
	}
	slices.Sort(calls)
	return calls
}

func (o outcomes) want(t *testing.T, session, call string, want any) {
	t.Helper()
	got, _ := json.Marshal(o[session][call])
	expected, _ := json.Marshal(want)
	if string(got) != string(expected) {
		t.Errorf("%s, %s:\n got %s\nwant %s", session, call, got, expected)
	}
}

// administrator creates a role that may do everything.
func (w *world) administrator() awssim.Role {
	return w.customer.CreateRole(awssim.Role{Name: "all", TrustPolicy: trusting(`"*"`),
		Policies: map[string]string{"all": awssim.AllowAll}})
}

// TestServices makes the same calls in sessions of one role under several session policies.
func TestServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.administrator()
	under := func(policy string, arns ...string) awssim.Credentials {
		in := &sts.AssumeRoleInput{RoleArn: &role.ARN}
		if policy != "" {
			in.Policy = &policy
		}
		for _, arn := range arns {
			in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: aws.String(arn)})
		}
		return w.mustAssume(w.operator.Key, in)
	}
	got := tryServices(t, w, "admin", under(""), "read-only", under("", readOnlyARN), "view-only",
		under("", viewOnlyARN),
		"one object", under(policyFor("s3:*", "arn:aws:s3:::reports/plain")), "stranger", w.operator.Key)

	results := map[string]any{
		"list buckets": []string{"reports"}, "list objects": []string{"a b/ü+1.txt", "plain"},
		"folders": []string{"a b/"}, "pages": []string{"a b/ü+1.txt", "plain"}, "get object": "grüezi", "range": "12",
		"get missing": "NoSuchKey: The specified key does not exist.",
		"put object":  `"bbe08e77a44b51de811b3d30272b9916"`, "copy object": `"eb62f6b9306db575c2d596b1279627a4"`,
		"delete object": 204, "delete objects": []string{},
		"multipart": "NotImplemented: A header or query you provided implies functionality that is not implemented: " +
			"POST object uploads",
		"list tables": []string{"jobs"}, "put item": "ok", "get item": "new", "scan": 1, "delete item": "ok",
		"condition": "ValidationException: The parameter ConditionExpression is not simulated",
		"regions":   []string{"eu-west-1"}, "run": 2, "instances": 2, "terminate": []string{"terminated"},
		"dry run": "DryRunOperation: Request would have succeeded, but DryRun flag is set.",
	}
	for call, want := range results {
		got.want(t, "admin", call, want)
	}

	writes := []string{"copy object", "delete item", "delete object", "delete objects", "dry run", "put item",
		"put object", "run", "terminate"}
	reads := []string{"get item", "get missing", "get object", "range", "scan"}
	lists := []string{"folders", "instances", "list buckets", "list objects", "list tables", "pages", "regions"}
	for session, want := range map[string][]string{
		"admin":     nil,
		"read-only": writes,
		"view-only": slices.Concat(writes, reads),
		"one object": slices.DeleteFunc(slices.Concat(writes, reads, lists),
			func(call string) bool { return call == "range" }),
	} {
		slices.Sort(want)
		if denied := got.denied(session); !slices.Equal(denied, want) {
			t.Errorf("%s was denied\n     %q\nwant %q", session, denied, want)
		}
	}

	const who = "User: arn:aws:sts::444455556666:assumed-role/all/run-1 is not authorized to perform: "
	got.want(t, "read-only", "delete object", "AccessDenied: "+who+`s3:DeleteObject on resource: `+
		`"arn:aws:s3:::reports/new" because no session policy allows the s3:DeleteObject action`)
	got.want(t, "view-only", "get item", "AccessDeniedException: "+who+"dynamodb:GetItem on resource: "+
		"arn:aws:dynamodb:eu-west-1:444455556666:table/jobs because no session policy allows the dynamodb:GetItem "+
		"action")
	got.want(t, "read-only", "run", "UnauthorizedOperation: You are not authorized to perform this operation. "+who+
		"ec2:RunInstances on resource: arn:aws:ec2:eu-west-1:444455556666:instance/* because no session policy allows "+
		"the ec2:RunInstances action")
	got.want(t, "stranger", "range", "AccessDenied: User: arn:aws:iam::111122223333:user/operator is not authorized "+
		`to perform: s3:GetObject on resource: "arn:aws:s3:::reports/plain" because no resource-based policy allows the `+
		"s3:GetObject action")
	got.want(t, "stranger", "scan", "ResourceNotFoundException: Requested resource not found: Table: jobs not found")
}

// TestSessionsCanBeDeniedByNameAndAge denies what one session name was issued before a time.
func TestSessionsCanBeDeniedByNameAndAge(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	w := newWorld(t, awssim.Options{Now: func() time.Time { return now }})
	role := w.administrator()
	session := func(name string) awssim.Credentials {
		return w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: &name})
	}
	old, other := session("scout"), session("ranger")
	now = now.Add(2 * time.Second)
	w.customer.SetRolePolicy("all", "cut-off", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*",
		"Resource":"*","Condition":{"StringEquals":{"aws:userid":"`+role.ID+`:scout"},
		"DateLessThan":{"aws:TokenIssueTime":"`+now.UTC().Format(time.RFC3339)+`"}}}}`)
	got := tryServices(t, w, "admin", other, "old", old, "new", session("scout"))
	if len(got.denied("old")) != len(got["old"])-2 { // what is not simulated is refused as that
		t.Errorf("the old session was denied only %q", got.denied("old"))
	}
	if denied := slices.Concat(got.denied("admin"), got.denied("new")); len(denied) > 0 {
		t.Errorf("the other sessions were denied %q", denied)
	}
}
