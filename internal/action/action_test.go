package action_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/action"
)

// request makes a request from a line such as "s3 GET b.s3.amazonaws.com /key?acl" and headers such as "X-Amz-Acl:
// private".
func request(line string, headers ...string) *action.Request {
	f := strings.Fields(line)
	path, query, _ := strings.Cut(f[3], "?")
	r := &action.Request{Service: f[0], Region: "us-east-1", Account: "111122223333", Method: f[1], Host: f[2], Path: path,
		Query: query, Header: http.Header{}}
	if r.Host == "-" {
		r.Host = ""
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestS3(t *testing.T) {
	is := func(line, operation, actions, resources string, headers ...string) {
		t.Helper()
		c, err := action.Classify(request(line, headers...))
		if err != nil || c.Operation != operation || strings.Join(c.Actions, " ") != actions ||
			strings.Join(c.Resources, " ") != resources {
			t.Errorf("%s %v\n got %s %v %v %s %v\nwant %s [%s] [%s]", line, headers, c.Operation, c.Actions, c.Resources,
				c.Unknown, err, operation, actions, resources)
		}
	}
	const object, bucket = "arn:aws:s3:::bkt/a/k", "arn:aws:s3:::bkt"
	// Where the bucket is.
	is("s3 GET bkt.s3.amazonaws.com /a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET bkt.s3.us-east-1.amazonaws.com /a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET bkt.s3.dualstack.us-east-1.amazonaws.com /a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET bkt.s3-fips.us-east-1.amazonaws.com /a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET bkt.s3-eu-west-1.amazonaws.com /a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET bkt.s3-accelerate.amazonaws.com /a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET s3.us-east-1.amazonaws.com /bkt/a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET s3.cn-north-1.amazonaws.com.cn /bkt/a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET my.s3.s3.us-east-1.amazonaws.com /a/k", "GetObject", "s3:GetObject", "arn:aws:s3:::my.s3/a/k")
	is("s3 GET bucket.vpce-1a.s3.us-east-1.vpce.amazonaws.com /bkt/a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET bkt.bucket.vpce-1a.s3.us-east-1.vpce.amazonaws.com /a/k", "GetObject", "s3:GetObject", object)
	is("s3 PUT vpce-1a.s3.us-east-1.amazonaws.com /bkt/a/k", "PutObject", "s3:PutObject", "arn:aws:s3:::vpce-1a/bkt/a/k")
	is("s3 PUT my-vpce-1a.s3.us-east-1.amazonaws.com /bkt/a/k", "PutObject", "s3:PutObject",
		"arn:aws:s3:::my-vpce-1a/bkt/a/k")
	for _, label := range []string{"control", "111122223333.control", "accesspoint", "ap-111122223333.accesspoint"} {
		is("s3 PUT "+label+".vpce-1a.s3.us-east-1.vpce.amazonaws.com /v20180820/accesspoint/ap/policy", "", "", "*")
	}
	is("s3 GET - /bkt/a/k", "GetObject", "s3:GetObject", object)
	is("s3 GET - /bkt/a%2Fk", "GetObject", "s3:GetObject", object)
	is("s3 GET - /bkt//k", "GetObject", "s3:GetObject", "arn:aws:s3:::bkt//k")
	is("s3 GET - /bkt/a*k", "GetObject", "s3:GetObject", "arn:aws:s3:::bkt/a${*}k")
	is("s3 GET - /bkt/../other/k", "GetObject", "s3:GetObject", "*")
	is("s3 GET my-111122223333.s3-accesspoint.us-east-1.amazonaws.com /a/k", "GetObject", "s3:GetObject",
		"arn:aws:s3:us-east-1:111122223333:accesspoint/my/object/a/k")
	is("s3-object-lambda GET my-111122223333.s3-object-lambda.us-east-1.amazonaws.com /a/k", "GetObject",
		"s3-object-lambda:GetObject", "arn:aws:s3-object-lambda:us-east-1:111122223333:accesspoint/my/object/a/k")
	is("s3-outposts GET my-111122223333.op-01.s3-outposts.us-east-1.amazonaws.com /a/k", "GetObject",
		"s3-outposts:GetObject", "arn:aws:s3-outposts:us-east-1:111122223333:outpost/op-01/accesspoint/my/object/a/k")
	is("s3 GET mfz.mrap.accesspoint.s3-global.amazonaws.com /a/k", "GetObject", "s3:GetObject",
		"arn:aws:s3::111122223333:accesspoint/mfz.mrap/object/a/k")
	// Subresources.
	is("s3 GET - /", "ListBuckets", "s3:ListAllMyBuckets", "*")
	is("s3express GET s3express-control.us-east-1.amazonaws.com /", "ListDirectoryBuckets",
		"s3express:ListAllMyDirectoryBuckets", "*")
	is("s3 GET - /bkt", "ListObjects", "s3:ListBucket", bucket)
	is("s3 GET - /bkt/?list-type=2&prefix=a%2F", "ListObjectsV2", "s3:ListBucket", bucket)
	is("s3 HEAD - /bkt", "HeadBucket", "s3:ListBucket", bucket)
	is("s3 GET - /bkt?versions", "ListObjectVersions", "s3:ListBucketVersions", bucket)
	is("s3 PUT - /bkt?policy", "PutBucketPolicy", "s3:PutBucketPolicy", bucket)
	is("s3 GET - /bkt?inventory", "ListBucketInventoryConfigurations", "s3:GetInventoryConfiguration", bucket)
	is("s3 GET - /bkt?inventory&id=1", "GetBucketInventoryConfiguration", "s3:GetInventoryConfiguration", bucket)
	is("s3 DELETE - /bkt?lifecycle", "DeleteBucketLifecycle", "s3:PutLifecycleConfiguration", bucket)
	is("s3 POST - /bkt?delete=", "DeleteObjects", "s3:DeleteObject s3:DeleteObjectVersion", bucket+"/*")
	is("s3 GET - /bkt/a/k?x-id=GetObject", "GetObject", "s3:GetObject", object)
	is("s3 GET - /bkt/a/k?X-Amz-Signature=0&X-Amz-Date=1", "GetObject", "s3:GetObject", object)
	is("s3 GET - /bkt/a/k?versionId=1", "GetObject", "s3:GetObjectVersion", object)
	is("s3 GET - /bkt/a/k?acl&versionId=1", "GetObjectAcl", "s3:GetObjectVersionAcl", object)
	is("s3 DELETE - /bkt/a/k?versionId=1", "DeleteObject", "s3:DeleteObjectVersion", object)
	is("s3 POST - /bkt/a/k?select&select-type=2", "SelectObjectContent", "s3:GetObject", object)
	is("s3 PUT - /bkt/a/k?acl", "PutObjectAcl", "s3:PutObjectAcl", object)
	// Uploads and copies.
	is("s3 POST - /bkt/a/k?uploads", "CreateMultipartUpload", "s3:PutObject", object)
	is("s3 PUT - /bkt/a/k?partNumber=1&uploadId=u", "UploadPart", "s3:PutObject", object)
	is("s3 POST - /bkt/a/k?uploadId=u", "CompleteMultipartUpload", "s3:PutObject", object)
	is("s3 DELETE - /bkt/a/k?uploadId=u", "AbortMultipartUpload", "s3:AbortMultipartUpload", object)
	is("s3 GET - /bkt/a/k?uploadId=u", "ListParts", "s3:ListMultipartUploadParts", object)
	is("s3 PUT - /bkt/a/k", "CopyObject", "s3:GetObject s3:PutObject", "arn:aws:s3:::src/x y "+object,
		"X-Amz-Copy-Source: /src/x%20y")
	is("s3 PUT - /bkt/a/k?partNumber=1&uploadId=u", "UploadPartCopy", "s3:GetObjectVersion s3:PutObject",
		"arn:aws:s3:::src/x "+object, "X-Amz-Copy-Source: src/x?versionId=v")
	is("s3 PUT - /bkt/a/k", "PutObject", "s3:PutObject s3:PutObjectAcl s3:PutObjectTagging", object,
		"X-Amz-Acl: public-read", "X-Amz-Tagging: a=b")
	is("s3 DELETE - /bkt/a/k", "DeleteObject", "s3:DeleteObject s3:BypassGovernanceRetention", object,
		"X-Amz-Bypass-Governance-Retention: true")
	// Directory buckets.
	is("s3express GET b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com /?session", "CreateSession",
		"s3express:CreateSession", "arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3")
	is("s3express PUT b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com /k", "PutObject",
		"s3express:CreateSession", "arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3")
	is("s3express GET - /b--use1-az4--x-s3/?list-type=2", "ListObjectsV2", "s3express:CreateSession",
		"arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3")
	is("s3express PUT s3express-control.us-east-1.amazonaws.com /b--use1-az4--x-s3?policy", "PutBucketPolicy",
		"s3express:PutBucketPolicy", "arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3")
	// S3 Control.
	control := func(line, operation, actions string) {
		t.Helper()
		c, err := action.Classify(request(line))
		if err != nil || c.Operation != operation || strings.Join(c.Actions, " ") != actions {
			t.Errorf("%s: %s %v %s %v", line, c.Operation, c.Actions, c.Unknown, err)
		}
	}
	const path = " /v20180820/accesspoint/my"
	control("s3 GET 111122223333.s3-control.us-east-1.amazonaws.com"+path, "GetAccessPoint", "s3:GetAccessPoint")
	control("s3-outposts GET s3-outposts.us-east-1.amazonaws.com"+path, "GetAccessPoint", "s3-outposts:GetAccessPoint")
	control("s3express GET s3express-control.us-east-1.amazonaws.com"+path, "GetAccessPoint", "s3express:GetAccessPoint")
}

func TestLevelsOfS3(t *testing.T) {
	level := func(line string, want action.Level, headers ...string) {
		t.Helper()
		if c, err := action.Classify(request(line, headers...)); err != nil || c.Level != want {
			t.Errorf("%s is %s %v, want %s", line, c.Level, err, want)
		}
	}
	level("s3 GET - /bkt", action.List)
	level("s3 GET - /bkt/k", action.Read)
	level("s3 PUT - /bkt/k", action.Write)
	level("s3 PUT - /bkt/k", action.Permissions, "X-Amz-Grant-Read: uri=all")
	level("s3 GET b--a--x-s3.s3express-use1-az4.us-east-1.amazonaws.com /k", action.Read)
	level("s3 GET b--a--x-s3.s3express-use1-az4.us-east-1.amazonaws.com /?session", action.Permissions)
}

func TestResources(t *testing.T) {
	is := func(service, host, target, body, want string) {
		t.Helper()
		r := request(service+" POST "+host+" /", "X-Amz-Target: "+target, "Content-Type: application/x-amz-json-1.0")
		r.Body = []byte(body)
		c, err := action.Classify(r)
		if err != nil || strings.Join(c.Resources, " ") != want {
			t.Errorf("%s %s: %v %v, want %s", target, body, c.Resources, err, want)
		}
	}
	const table = "arn:aws:dynamodb:us-east-1:111122223333:table/"
	get := "DynamoDB_20120810.GetItem"
	is("dynamodb", "-", get, `{"Key":{"TableName":"no"},"TableName":"orders"}`, table+"orders")
	is("dynamodb", "-", get, `{"TableName":"arn:aws:dynamodb:eu-west-1:444455556666:table/x"}`,
		"arn:aws:dynamodb:eu-west-1:444455556666:table/x")
	is("dynamodb", "-", get, `{"TableName":"*"}`, table+"${*}")
	is("dynamodb", "-", get, `{"TableName":"a","TableName":"b"}`, "*")
	is("dynamodb", "-", get, `{"TableName":"a"`, "*")
	is("kms", "-", "TrentService.Decrypt", `{"KeyId":"1234"}`, "arn:aws:kms:us-east-1:111122223333:key/1234")
	is("kms", "-", "TrentService.Decrypt", `{"KeyId":"alias/a"}`, "*")
	is("secretsmanager", "-", "secretsmanager.GetSecretValue", `{"SecretId":"db"}`,
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:db-??????")
	is("sqs", "-", "AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/111122223333/jobs"}`,
		"arn:aws:sqs:us-east-1:111122223333:jobs")

	c, err := action.Classify(request("lambda POST - /2015-03-31/functions/hello/invocations"))
	if want := "arn:aws:lambda:us-east-1:111122223333:function:hello"; err != nil || c.Resources[0] != want {
		t.Errorf("%v %v, want %s", c.Resources, err, want)
	}
}

func TestCredentials(t *testing.T) {
	returns := func(line, target, body string, want bool) {
		t.Helper()
		r := request(line)
		if target != "" {
			r.Header.Set("X-Amz-Target", target)
		}
		r.Body = []byte(body)
		if body != "" && target == "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if c, err := action.Classify(r); err != nil || c.Credentials != want {
			t.Errorf("%s %s %s: %v %v, want %v", line, target, body, c.Credentials, err, want)
		}
	}
	returns("sts POST - /", "", "Action=AssumeRole&Version=2011-06-15", true)
	returns("sts POST - /", "", "Action=GetCallerIdentity&Version=2011-06-15", false)
	returns("iam POST - /", "", "Action=CreateAccessKey&Version=2010-05-08", true)
	returns("ssm POST - /", "AmazonSSM.GetParameter", `{"Name":"x"}`, false)
	returns("ssm POST - /", "AmazonSSM.GetParameter", `{"Name":"x","WithDecryption":false}`, false)
	returns("ssm POST - /", "AmazonSSM.GetParameter", `{"Name":"x","WithDecryption":true}`, true)
	returns("ssm POST - /", "AmazonSSM.GetParameter", `{"Name":"x","With\u0044ecryption":true}`, true)
	returns("ssm POST - /", "AmazonSSM.GetParameter", `{"WithDecryption":false,"WithDecryption":true}`, true)
	returns("s3 GET b--a--x-s3.s3express-use1-az4.us-east-1.amazonaws.com /?session", "", "", true)
	returns("s3 GET - /bkt/k", "", "", false)
	returns("nosuchservice GET - /", "", "", true)
}

func TestPassesRole(t *testing.T) {
	passes := func(body string, want bool) {
		t.Helper()
		r := request("ec2 POST - /", "Content-Type: application/x-www-form-urlencoded")
		r.Body = []byte("Action=RunInstances&Version=2016-11-15&" + body)
		if c, err := action.Classify(r); err != nil || c.PassesRole != want {
			t.Errorf("%s: %v %v, want %v", body, c.PassesRole, err, want)
		}
	}
	passes("ImageId=ami-1", false)
	passes("IamInstanceProfile.Name=admin", true)
	passes("%49am%49nstance%50rofile.Name=admin", true)
}

// What makes something together with its policy manages permissions, and what only makes it does not.
func TestGrants(t *testing.T) {
	level := func(body string, want action.Level) {
		t.Helper()
		r := request("dynamodb POST - /", "X-Amz-Target: DynamoDB_20120810.CreateTable")
		r.Body = []byte(body)
		if c, err := action.Classify(r); err != nil || c.Level != want {
			t.Errorf("%s: %v %v, want %s", body, c.Level, err, want)
		}
	}
	level(`{"TableName":"a"}`, action.Write)
	level(`{"TableName":"a","ResourcePolicy":"{}"}`, action.Permissions)
	level(`{"TableName":"a","Resource\u0050olicy":"{}"}`, action.Permissions)
}

// A statement that only selects is a read, and anything that is not certainly one is not.
func TestPartiQL(t *testing.T) {
	level := func(body string, want action.Level) {
		t.Helper()
		r := request("dynamodb POST - /", "X-Amz-Target: DynamoDB_20120810.ExecuteStatement")
		r.Body = []byte(body)
		if c, err := action.Classify(r); err != nil || c.Level != want {
			t.Errorf("%s: %v %v, want %s", body, c.Level, err, want)
		}
	}
	level(`{"Statement":" select * from orders"}`, action.Read)
	level(`{"Statement":"DELETE FROM orders WHERE id = 'SELECT'"}`, action.Write)
	level(`{"Statement":"/* SELECT */ DELETE FROM orders"}`, action.Write)
	level(`{"Statement":"SELECT * FROM a","Statement":"DELETE FROM a"}`, action.Write)
	level(`{"Statement":"SELECT * FROM a","\u0053tatement":"DELETE FROM a"}`, action.Write)
	level(`{}`, action.Write)
}

// Hosts of the customer's own, which no service model has.
func TestDataPlane(t *testing.T) {
	is := func(line, actions, resource string) {
		t.Helper()
		c, err := action.Classify(request(line))
		if err != nil || strings.Join(c.Actions, " ") != actions || c.Resources[0] != resource {
			t.Errorf("%s: %v %v %s %v, want %s %s", line, c.Actions, c.Resources, c.Unknown, err, actions, resource)
		}
	}
	is("execute-api GET abc.execute-api.us-east-1.amazonaws.com /prod/pets/1", "execute-api:Invoke",
		"arn:aws:execute-api:us-east-1:111122223333:abc/prod/GET/pets/1")
	is("execute-api POST abc.execute-api.us-east-1.amazonaws.com /prod/@connections/1", "execute-api:ManageConnections",
		"*")
	is("lambda POST abc.lambda-url.us-east-1.on.aws /", "lambda:InvokeFunctionUrl", "*")
	is("es GET search-d-x.us-east-1.es.amazonaws.com /index/_search", "es:ESHttpGet", "*")
	is("es DELETE search-d-x.us-east-1.es.amazonaws.com /index", "es:ESHttpDelete", "*")
	is("aoss POST abc.us-east-1.aoss.amazonaws.com /index/_search", "aoss:APIAccessAll", "*")
	is("appsync POST abc.appsync-api.us-east-1.amazonaws.com /graphql", "appsync:GraphQL", "*")
}

// A request that an agent makes up to look milder than it is: it is refused, or has at least the level of the real
// call.
func TestHostile(t *testing.T) {
	const form = "Content-Type: application/x-www-form-urlencoded"
	tests := []struct {
		name, line, body string
		headers          []string
	}{
		{"two actions in the body", "iam POST - /", "Action=ListUsers&Action=CreateUser", []string{form}},
		{"an action in query and body", "iam POST - /?Action=ListUsers", "Action=CreateUser", []string{form}},
		{"an encoded name", "iam POST - /", "Action=ListUsers&%41ction=CreateUser", []string{form}},
		{"a name with a space", "iam POST - /", "Action=ListUsers&Action+=CreateUser", []string{form}},
		{"a semicolon", "iam POST - /", "Action=ListUsers;Action=CreateUser", []string{form}},
		{"a semicolon in another parameter", "iam POST - /", "Action=ListUsers&x=y;Action=CreateUser", []string{form}},
		{"an action in another charset", "iam POST - /?Action=ListUsers", "%C1", []string{form + "; charset=ibm037"}},
		{"a form that says it is JSON", "iam POST - /?Action=ListUsers", "Action=CreateUser",
			[]string{"Content-Type: application/json"}},
		{"two content types", "iam POST - /?Action=ListUsers", "Action=CreateUser",
			[]string{form, "Content-Type: text/plain"}},
		{"a compressed form", "iam POST - /", "Action=ListUsers", []string{form, "Content-Encoding: gzip"}},
		{"a GET with a body", "iam GET - /?Action=ListUsers", "Action=CreateUser", []string{form}},
		{"a target and an action", "sqs POST - /", "Action=DeleteQueue",
			[]string{form, "X-Amz-Target: AmazonSQS.ListQueues"}},
		{"a target and an action in the query", "dynamodb POST - /?Action=DeleteTable", "",
			[]string{"X-Amz-Target: DynamoDB_20120810.ListTables"}},
		{"two targets", "dynamodb POST - /", "", []string{"X-Amz-Target: DynamoDB_20120810.ListTables",
			"X-Amz-Target: DynamoDB_20120810.DeleteTable"}},
		{"a target and a path", "monitoring POST - /service/GraniteServiceVersion20100801/operation/DeleteAlarms", "",
			[]string{"X-Amz-Target: GraniteServiceVersion20100801.ListMetrics"}},
		{"a target and CBOR", "monitoring POST - /", "",
			[]string{"X-Amz-Target: GraniteServiceVersion20100801.ListMetrics", "Smithy-Protocol: rpc-v2-cbor"}},
		{"the target of another service", "sqs POST - /", "", []string{"X-Amz-Target: DynamoDB_20120810.ListTables"}},
		{"a target at a REST service", "lambda GET - /2015-03-31/functions", "",
			[]string{"X-Amz-Target: AWSLambda.DeleteFunction"}},
		{"the host of another service", "sqs POST dynamodb.us-east-1.amazonaws.com /", "Action=ListQueues", []string{form}},
		{"another method", "lambda GET - /2015-03-31/functions", "", []string{"X-HTTP-Method-Override: DELETE"}},
		{"dots", "lambda GET - /2015-03-31/functions/a/../b", "", nil},
		{"dots at the end", "lambda GET - /2015-03-31/functions/..", "", nil},
		{"a dot at the end", "lambda GET - /2015-03-31/functions/%2E", "", nil},
		{"encoded dots", "lambda GET - /2015-03-31/functions/%2e%2e/b", "", nil},
		{"dots behind an encoded slash", "lambda GET - /2015-03-31/functions/a%2F..%2Fb", "", nil},
		{"two slashes", "lambda GET - /2015-03-31/functions//b", "", nil},
		{"a path parameter", "lambda GET - /2015-03-31/functions/a;b", "", nil},
		{"a backslash", "lambda GET - /2015-03-31/functions/a\\b", "", nil},
		{"a literal twice", "chime POST - /accounts/1/users/2?operation=a&operation=logout", "", nil},
		{"a literal that is not known", "chime POST - /accounts/1/users/2?operation=new", "", nil},
		{"two subresources", "s3 PUT - /bkt/k?tagging&acl", "", nil},
		{"two subresources, the worse one first", "s3 PUT - /bkt/k?acl&tagging", "", nil},
		{"a subresource that is not known", "s3 PUT - /bkt/k?newthing", "", nil},
		{"a subresource in another case", "s3 PUT - /bkt?Policy", "", nil},
		{"an encoded subresource beside another", "s3 PUT - /bkt?tagging&%70olicy", "", nil},
		{"a subresource twice", "s3 PUT - /bkt?tagging&tagging", "", nil},
		{"a subresource and an upload", "s3 PUT - /bkt/k?acl&uploadId=1", "", nil},
		{"a copy that reads like a GET", "s3 GET - /bkt/k", "", []string{"X-Amz-Copy-Source: a/b"}},
		{"a path of S3 Control", "s3 GET - /v20180820/jobs", "", nil},
		{"a host that is not AWS", "s3 GET bkt.example.org /k", "", nil},
		{"a website", "s3 GET bkt.s3-website.us-east-1.amazonaws.com /k", "", nil},
		{"an ACL in the query", "s3 PUT - /bkt/k?x-amz-acl=public-read", "", nil},
		{"a copy in the query", "s3 PUT - /bkt/k?X-Amz-Copy-Source=a/b", "", nil},
		{"a target in the query", "lambda GET - /2015-03-31/functions?x%2Damz-target=a", "", nil},
		{"a fragment", "s3 GET - /bkt/k#?policy", "", nil},
		{"a character that is not encoded", "s3 GET - /bkt/\u00e9", "", nil},
		{"a path without a slash", "s3 GET - bkt/k", "", nil},
	}
	for _, test := range tests {
		r := request(test.line, test.headers...)
		r.Body = []byte(test.body)
		c, err := action.Classify(r)
		if err != nil && !errors.Is(err, action.ErrAmbiguous) {
			t.Errorf("%s: the error %v is not ErrAmbiguous", test.name, err)
		}
		if err == nil && c.Level != action.Permissions {
			t.Errorf("%s: it is %s, %s", test.name, c.Operation, c.Level)
		}
	}
}

func TestATruncatedFormIsRefused(t *testing.T) {
	r := request("iam POST - /", "Content-Type: application/x-www-form-urlencoded")
	r.Body, r.Truncated = []byte("Action=ListUsers"), true
	if _, err := action.Classify(r); !errors.Is(err, action.ErrAmbiguous) {
		t.Error(err)
	}
	if !action.NeedsBody("iam") || action.NeedsBody("s3") || action.NeedsBody("lambda") {
		t.Error("NeedsBody")
	}
}

// Services that sign with one name are told apart by the host, by the model, or not at all.
func TestSharedNames(t *testing.T) {
	of := func(host, model string) action.Call {
		r := request("bedrock GET - /agents/ABC")
		r.Host, r.Model = host, model
		c, err := action.Classify(r)
		if err != nil {
			t.Errorf("%s %s: %v", host, model, err)
		}
		return c
	}
	if c := of("bedrock-agent.us-east-1.amazonaws.com", ""); c.Operation != "GetAgent" {
		t.Error(c)
	}
	if c := of("", "bedrock-agent"); c.Operation != "GetAgent" {
		t.Error(c)
	}
	if c := of("bedrock-runtime.us-east-1.amazonaws.com", ""); c.Operation != "" || c.Level != action.Permissions {
		t.Error(c)
	}
	r := request("bedrock GET bedrock-runtime.us-east-1.amazonaws.com /agents/ABC")
	r.Model = "bedrock-agent"
	if _, err := action.Classify(r); !errors.Is(err, action.ErrAmbiguous) {
		t.Error("the host and the model may differ:", err)
	}
	// The version tells the two load balancers apart.
	for version, want := range map[string]string{"2012-06-01": "elb", "2015-12-01": "elbv2"} {
		r := request("elasticloadbalancing GET - /?Action=DescribeLoadBalancers&Version=" + version)
		if c, err := action.Classify(r); err != nil || c.Service != want {
			t.Error(version, c.Service, err)
		}
	}
}

// However a request of an SDK is changed, the classifier does not panic, and what it does not refuse keeps its
// promises.
func FuzzClassify(f *testing.F) {
	all, err := corpus()
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(all); i += 400 {
		r := all[i].request
		h, _ := json.Marshal(r.Header)
		f.Add(r.Service, r.Host, r.Method, r.Path, r.Query, string(h), r.Body)
	}
	f.Fuzz(func(t *testing.T, service, host, method, path, query, headers string, body []byte) {
		var h http.Header
		if json.Unmarshal([]byte(headers), &h) != nil {
			return
		}
		r := &action.Request{Service: service, Host: host, Method: method, Path: path, Query: query, Header: h, Body: body}
		c, err := action.Classify(r)
		if err != nil {
			return
		}
		if c.Level < action.List || c.Level > action.Permissions || len(c.Resources) == 0 {
			t.Fatalf("%+v", c)
		}
		if c.Operation == "" && (c.Level != action.Permissions || c.Unknown == "" || !c.Credentials) {
			t.Fatalf("an unknown operation is not the worst: %+v", c)
		}
		// The form that AWS reads has the operation once.
		values, err := url.ParseQuery(query)
		if err == nil && len(values["Action"]) > 1 && c.Operation != "" && c.Service != "s3" {
			t.Fatalf("two actions: %+v", c)
		}
		again, err := action.Classify(r)
		if err != nil || again.Operation != c.Operation || !slices.Equal(again.Actions, c.Actions) {
			t.Fatal("the second answer is another one")
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	getItem := request("dynamodb POST dynamodb.us-east-1.amazonaws.com /", "X-Amz-Target: DynamoDB_20120810.GetItem",
		"Content-Type: application/x-amz-json-1.0")
	getItem.Body = []byte(`{"TableName":"orders","Key":{"id":{"S":"0123456789abcdef"}},"ConsistentRead":true}`)
	query := request("ec2 POST ec2.us-east-1.amazonaws.com /",
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8")
	query.Body = []byte("Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-0123456789abcdef0")
	for name, r := range map[string]*action.Request{
		"DynamoDB": getItem, "EC2": query,
		"S3":     request("s3 GET bkt.s3.us-east-1.amazonaws.com /some/key?x-id=GetObject"),
		"Lambda": request("lambda POST lambda.us-east-1.amazonaws.com /2015-03-31/functions/hello/invocations"),
		// 370 operations.
		"Connect": request("connect GET connect.us-east-1.amazonaws.com /queues/aaaaaaaa-bbbb/cccccccc-dddd"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c, err := action.Classify(r); err != nil || c.Operation == "" {
					b.Fatal(c, err)
				}
			}
		})
	}
}
