package action_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/action"
)

const (
	here  = "us-east-1:111122223333:"
	table = "arn:aws:dynamodb:" + here + "table/"
	queue = "arn:aws:sqs:" + here
)

// asked is a request with a body: JSON if it has a target, else a form.
func asked(line, target, body string) *action.Request {
	r := request(line)
	r.Body = []byte(body)
	switch {
	case target != "":
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	case strings.HasPrefix(body, "Action="):
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// The resources of a call are exact where the request names all of them, and have a * where it may be on others.
func TestAllResourcesOfACall(t *testing.T) {
	const dynamo, logs, stream = "DynamoDB_20120810.", "Logs_20140328.", "arn:aws:logs:" + here + "log-group:g:log-stream:s"
	const function, key = "arn:aws:lambda:" + here + "function:f", "arn:aws:kms:" + here + "key/1234"
	const secret, topic = "arn:aws:secretsmanager:" + here + "secret:", "arn:aws:sns:" + here + "t"
	for _, c := range []struct{ line, target, body, want string }{
		// All that the calls of most agents are on.
		{"dynamodb POST - /", dynamo + "PutItem", `{"TableName":"a"}`, table + "a"},
		{"dynamodb POST - /", dynamo + "Query", `{"TableName":"a"}`, table + "a"},
		{"dynamodb POST - /", dynamo + "Query", `{"TableName":"a","IndexName":"i"}`, table + "a " + table + "a/index/i"},
		{"sqs POST - /", "AmazonSQS.ReceiveMessage", `{"QueueUrl":"https://x/111122223333/q"}`, queue + "q"},
		{"sns POST - /", "", "Action=Publish&Message=m&TopicArn=" + url.QueryEscape(topic), topic},
		{"lambda POST - /2015-03-31/functions/f/invocations", "", `{"x":1}`, function},
		{"kms POST - /", "TrentService.Encrypt", `{"KeyId":"1234"}`, key},
		{"kms POST - /", "TrentService.Encrypt", `{"KeyId":"` + key + `"}`, key},
		{"secretsmanager POST - /", "secretsmanager.DeleteSecret", `{"SecretId":"` + secret + `db-AbCdEf"}`,
			secret + "db-AbCdEf"},
		{"logs POST - /", logs + "PutLogEvents", `{"logGroupName":"g","logStreamName":"s"}`, stream},
		{"logs POST - /", logs + "FilterLogEvents", `{"logGroupName":"g"}`, "arn:aws:logs:" + here + "log-group:g"},
		{"states POST - /", "AWSStepFunctions.StartExecution", `{"stateMachineArn":"arn:aws:states:x"}`, "arn:aws:states:x"},
		{"kinesis POST - /", "Kinesis_20131202.PutRecord", `{"StreamName":"s","PartitionKey":"k"}`,
			"arn:aws:kinesis:" + here + "stream/s"},

		// A type of resource that no template names, or an action that is not on single resources.
		{"ssm POST - /", "AmazonSSM.SendCommand", `{"DocumentName":"d","InstanceIds":["i-1"]}`,
			"arn:aws:ssm:" + here + "document/d *"},
		{"ssm POST - /", "AmazonSSM.StartSession", `{"DocumentName":"d","Target":"i-1"}`,
			"arn:aws:ssm:" + here + "document/d *"},
		{"iam POST - /", "", "Action=AttachRolePolicy&RoleName=Admin&PolicyArn=arn:aws:iam::1:policy/p",
			"arn:aws:iam::1:policy/p *"},
		{"rds POST rds.us-east-1.amazonaws.com /", "", "Action=ModifyDBInstance&Version=2014-10-31&" +
			"DBInstanceIdentifier=production&OptionGroupName=default", "arn:aws:rds:" + here + "og:default *"},
		{"lambda POST - /2015-03-31/event-source-mappings", "", `{"FunctionName":"f","EventSourceArn":"` + queue + `q"}`,
			queue + "q *"},
		{"eks POST - /clusters/c/access-entries/arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr/access-policies", "",
			`{"policyArn":"arn:aws:eks::aws:p","accessScope":{"type":"cluster"}}`, "arn:aws:eks::aws:p arn:aws:iam::1:role/r *"},
		// A name that every such request has, and no template.
		{"ssm POST - /", "AmazonSSM.UpdateOpsItem", `{"OpsItemId":"oi-1","OpsItemArn":"arn:aws:ssm:x"}`, "arn:aws:ssm:x *"},
		{"dynamodb POST - /", dynamo + "RestoreTableToPointInTime", `{"SourceTableArn":"` + table + `a","TargetTableName":"b"}`,
			table + "a *"},
		// Another name of the same thing beside the one that a template has.
		{"xray POST - /DeleteGroup", "", `{"GroupARN":"arn:aws:xray:x"}`, "arn:aws:xray:x"},
		{"xray POST - /DeleteGroup", "", `{"GroupARN":"arn:aws:xray:x","GroupName":"production"}`, "arn:aws:xray:x *"},
		{"logs POST - /", logs + "StartQuery", `{"logGroupName":"g","logGroupNames":["production"]}`,
			"arn:aws:logs:" + here + "log-group:g *"},
		// The only name of a type is not there, and another one is.
		{"dynamodb POST - /", dynamo + "Query", `{"IndexName":"i"}`, "*"},
		{"sns POST - /", "", "Action=Publish&Message=m&TargetArn=arn:aws:sns:x", "arn:aws:sns:x *"},

		// A parameter that is there twice, or in a form that cannot be read.
		{"sqs POST - /", "AmazonSQS.StartMessageMoveTask", `{"SourceArn":"` + queue + `mine","DestinationArn":"x",` +
			`"DestinationArn":"` + queue + `payments"}`, queue + "mine *"},
		{"dynamodb POST - /", dynamo + "Query", `{"TableName":"a","IndexName":"i","IndexName":"j"}`, table + "a *"},
		{"dynamodb POST - /", dynamo + "Query", `{"TableName":"a","IndexName":["i"]}`, table + "a *"},
		{"dynamodb POST - /", dynamo + "Query", `{"TableName":"a","IndexName":null}`, table + "a"},
		{"dynamodb POST - /", dynamo + "Query", `{"TableName":"a","IndexName":"` + table + `b"}`, table + "a *"},

		// Other names of a resource.
		{"dynamodb POST - /", dynamo + "Query", `{"TableName":"` + table + `a","IndexName":"i"}`,
			table + "a " + table + "a/index/i"},
		{"kms POST - /", "TrentService.Encrypt", `{"KeyId":"arn:aws:kms:` + here + `alias/a"}`, "*"},
		{"secretsmanager POST - /", "secretsmanager.DeleteSecret", `{"SecretId":"` + secret + `db"}`, secret + "db-??????"},
		{"lambda POST - /2015-03-31/functions/f/invocations?Qualifier=live", "", `{}`, function + ":live"},
		{"lambda POST - /2015-03-31/functions/f:live/invocations?Qualifier=live", "", `{}`, function + ":live"},
		{"lambda POST - /2015-03-31/functions/f:live/invocations?Qualifier=old", "", `{}`, function + ":live *"},
		{"lambda POST - /2015-03-31/functions/f/invocations?Qualifier=a&Qualifier=b", "", `{}`, function + " *"},
		{"rds POST rds.us-east-1.amazonaws.com /", "", "Action=DeleteOptionGroup&Version=2014-10-31&OptionGroupName=og",
			"arn:aws:rds:" + here + "og:og"},
		{"rds POST rds.us-east-1.amazonaws.com /", "", "Action=DeleteOptionGroup&Version=2014-10-31&OptionGroupName=OG", "*"},

		// SQS takes the queue from the body or, of older SDKs, from the path.
		{"sqs POST - /111122223333/q", "", "Action=SendMessage&MessageBody=m", queue + "q"},
		{"sqs POST - /111122223333/q", "", "Action=SendMessage&QueueUrl=https%3A%2F%2Fx%2F111122223333%2Fq", queue + "q"},
		{"sqs POST - /", "AmazonSQS.SendMessage", `{"QueueUrl":"https://x/111122223333/q?x"}`, "*"},
	} {
		r := asked(c.line, c.target, c.body)
		if r.Service == "rds" {
			r.Model = "rds" // others take its calls too
		}
		call, err := action.Classify(r)
		if got := strings.Join(call.Resources, " "); err != nil || got != c.want {
			t.Errorf("%s %s %.80s\n is on %s (%v),\nwant %s", c.line, c.target, c.body, got, err, c.want)
		}
	}
	for name, r := range map[string]*action.Request{
		"the path is another queue": asked("sqs POST - /111122223333/payments", "",
			"Action=SendMessage&QueueUrl=https%3A%2F%2Fx%2F111122223333%2Fmine"),
		"the body has two queues": asked("sqs POST - /", "",
			"Action=SendMessage&QueueUrl=https%3A%2F%2Fx%2F111122223333%2Fmine&QueueUrl=https%3A%2F%2Fx%2F111122223333%2Fp"),
		"the path is one of two queues": asked("sqs POST - /111122223333/mine", "AmazonSQS.SendMessage",
			`{"QueueUrl":"https://x/111122223333/mine","QueueUrl":"https://x/111122223333/payments"}`),
	} {
		if call, err := action.Classify(r); !errors.Is(err, action.ErrAmbiguous) {
			t.Errorf("%s: it is on %v (%v), want it refused", name, call.Resources, err)
		}
	}
}
