package action

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

// everyOperation is all operations of all services.
func everyOperation() []*operation {
	var all []*operation
	seen := map[string]bool{}
	for signing := range loadIndex().groups {
		for _, s := range groupOf(signing).services {
			if seen[s.name] {
				continue
			}
			seen[s.name] = true
			for _, op := range s.byID {
				all = append(all, op)
			}
		}
	}
	return all
}

// No operation has a lower level than the data gives its actions, and one without actions has the highest.
func TestNoOperationIsPlacedTooLow(t *testing.T) {
	all := everyOperation()
	if len(all) < 18000 {
		t.Fatalf("the table has only %d operations", len(all))
	}
	for _, op := range all {
		want := List
		if len(op.actions) == 0 {
			want = Permissions
		}
		for _, a := range op.actions {
			want = max(want, LevelOf(a))
		}
		if op.level != want {
			t.Errorf("%s.%s has the level %s; its actions %v have %s", op.service.name, op.name, op.level, op.actions, want)
		}
	}
}

// The levels that are known to differ from the name of the action are those of the data.
func TestLevelsAreNotThoseOfTheVerb(t *testing.T) {
	for action, want := range map[string]Level{
		"s3:GetObject": Read, "s3:ListBucket": List, "s3:PutObject": Write, "s3:PutBucketPolicy": Permissions,
		"S3:getobject": Read, "redshift:GetClusterCredentials": Write, "bedrock:InvokeModel": Read,
		"iam:PassRole": Permissions, "sts:GetSessionToken": Permissions, "ec2:CreateTags": Tagging, "kms:Decrypt": Write,
		"bedrock:PutResourcePolicy": Permissions, "ssm:ExecuteAPI": Write, "eks:AccessKubernetesApi": Write,
		"s3:NoSuchAction": Permissions, "nosuchservice:Get": Permissions, "": Permissions,
	} {
		if got := LevelOf(action); got != want {
			t.Errorf("%s is %s, want %s", action, got, want)
		}
	}
}

// Every line of the lists of credentials is about an action or an operation, and none is there twice.
func TestCredentialListsAreAboutSomething(t *testing.T) {
	names := map[string]bool{}
	for _, op := range everyOperation() {
		names[strings.ToLower(op.service.prefix+":"+op.name)] = true
		names[strings.ToLower(op.service.name+":"+op.name)] = true
	}
	for prefix := range loadIndex().prefixes {
		for name := range actionLevels(prefix) {
			names[prefix+":"+name] = true
		}
	}
	for _, p := range append(rolebroker.CredentialActions(), rolebroker.FurtherCredentialActions()...) {
		// Devices and workloads call these two with a certificate; neither source knows them.
		found := p == "iot:AssumeRoleWithCertificate" || p == "rolesanywhere:CreateSession"
		for name := range names {
			found = found || matches(strings.ToLower(p), name)
		}
		if !found {
			t.Errorf("%s matches no action and no operation", p)
		}
	}
	for _, p := range rolebroker.FurtherCredentialActions() {
		if slices.ContainsFunc(rolebroker.CredentialActions(), func(q string) bool { return matches(q, p) }) {
			t.Errorf("%s is on both lists", p)
		}
	}
}

func TestModels(t *testing.T) {
	byName := map[string]Model{}
	for _, m := range Models() {
		if m.Name == "" || m.ID == "" || len(m.Signing) == 0 || groupOf(m.Signing[0]) == nil {
			t.Errorf("%+v", m)
		}
		byName[m.Name] = m
	}
	if m := byName["bedrock-runtime"]; m.ID != "Bedrock Runtime" || m.Signing[0] != "bedrock" {
		t.Errorf("%+v", m)
	}
	if m := byName["geo-maps"]; m.BasePath != "/v2" {
		t.Errorf("%+v", m)
	}
}

// What the operations of S3 are called in s3.go, the models have.
func TestS3NamesAreOperations(t *testing.T) {
	var s3 *service
	for _, s := range groupOf("s3").services {
		if s.s3 {
			s3 = s
		}
	}
	for key, name := range s3Names {
		if s3.byID[name] == nil {
			t.Errorf("%s: S3 has no operation %s", key, name)
		}
	}
	for key, noun := range s3Subresources {
		if s3.byID["Get"+noun] == nil {
			t.Errorf("%s: S3 has no operation Get%s", key, noun)
		}
	}
}

func TestAWSHost(t *testing.T) {
	for host, want := range map[string]string{
		"s3.amazonaws.com": "s3", "b.s3.us-east-1.amazonaws.com": "b.s3", "b.s3.dualstack.eu-west-1.amazonaws.com": "b.s3",
		"b.s3-fips.dualstack.us-gov-west-1.amazonaws.com": "b.s3", "s3.cn-north-1.amazonaws.com.cn": "s3",
		"a.b.s3-accelerate.dualstack.amazonaws.com": "a.b.s3-accelerate", "SQS.us-east-1.amazonaws.com:443": "sqs",
		"sqs.us-east-1.api.aws": "sqs", "us-east-1.queue.amazonaws.com": "queue", "queue.amazonaws.com": "queue",
		"vpce-1a2b.sqs.us-east-1.vpce.amazonaws.com":     "vpce-1a2b.sqs",
		"fips.transcribe.us-east-1.amazonaws.com":        "transcribe",
		"runtime-fips.sagemaker.us-east-1.amazonaws.com": "runtime.sagemaker",
	} {
		if got, ok := awsHost(host); !ok || got != want {
			t.Errorf("%s: %q %v, want %q", host, got, ok, want)
		}
	}
	for _, host := range []string{"", "127.0.0.1:8484", "s3.amazonaws.com.example.org", "amazonaws.com", "localhost"} {
		if got, ok := awsHost(host); ok {
			t.Errorf("%s is taken for %q of AWS", host, got)
		}
	}
}

func TestJSONMember(t *testing.T) {
	for text, want := range map[string]string{
		`{"A":"x"}`: `"x" 1 true`, ` { "B" : {"A":1} , "A" : [1,{"]":"}"}] } `: `[1,{"]":"}"}] 1 true`,
		`{"\u0041":"x"}`: `"x" 1 true`, `{"A":1,"\u0041":2}`: `2 2 true`, `{}`: ` 0 true`, `{"B":{"A":1}}`: ` 0 true`,
		`{"A":"x"} x`: ` false`, `{"A":"x"`: ` false`, `[1]`: ` false`, ``: ` false`,
		`{"A":tru}`: ` false`, `{"A":1]}`: ` false`,
	} {
		value, n, ok := jsonMember([]byte(text), "A")
		got := value + " " + string(rune('0'+n)) + " true"
		if !ok {
			got = " false"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// A path that only its case keeps from being that of a worse operation is refused. The models have no such pair today.
func TestCaseHidesNoWorseOperation(t *testing.T) {
	read, grant := &operation{name: "GetThing", level: Read}, &operation{name: "PutPolicy", level: Permissions}
	s := &service{routes: map[string][]*route{"POST": {
		parseRoute("/things/{Name}", read), parseRoute("/things/policy", grant),
	}}}
	for path, want := range map[string]*operation{"/things/a": read, "/things/policy": grant, "/things/Policy": nil} {
		r := &Request{Method: "POST", Path: path}
		rt, _, err := r.findRoute(s)
		if want == nil && err == nil || want != nil && (err != nil || rt.op != want) {
			t.Errorf("%s: %v %v", path, rt, err)
		}
	}
}
