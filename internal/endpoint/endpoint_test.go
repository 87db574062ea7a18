package endpoint_test

import (
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
)

// TestWhereServicesAre compares with endpoints that AWS documents.
//
// Source: AWS General Reference, "Service endpoints and quotas".
func TestWhereServicesAre(t *testing.T) {
	for _, test := range []struct {
		service            string
		region             rolebroker.Region
		host, path, signed string
	}{
		{"dynamodb", "eu-west-1", "dynamodb.eu-west-1.amazonaws.com", "", "eu-west-1"},
		{"dynamodb", "cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn", "", "cn-north-1"},
		{"s3", "us-east-1", "s3.us-east-1.amazonaws.com", "", "us-east-1"},
		{"s3", "us-gov-west-1", "s3.us-gov-west-1.amazonaws.com", "", "us-gov-west-1"},
		{"sts", "ap-south-1", "sts.ap-south-1.amazonaws.com", "", "ap-south-1"},
		{"iam", "eu-central-1", "iam.amazonaws.com", "", "us-east-1"},
		{"iam", "cn-northwest-1", "iam.cn-north-1.amazonaws.com.cn", "", "cn-north-1"},
		{"iam", "us-gov-east-1", "iam.us-gov.amazonaws.com", "", "us-gov-west-1"},
		{"route53", "eu-west-1", "route53.amazonaws.com", "", "us-east-1"},
		{"organizations", "us-gov-west-1", "organizations.us-gov-west-1.amazonaws.com", "", "us-gov-west-1"},
		{"sdb", "us-east-1", "sdb.amazonaws.com", "", "us-east-1"},
		{"sdb", "eu-west-1", "sdb.eu-west-1.amazonaws.com", "", "eu-west-1"},
		{"timestream-query", "eu-west-1", "query.timestream.eu-west-1.amazonaws.com", "", "eu-west-1"},
		{"geo-maps", "eu-west-1", "maps.geo.eu-west-1.amazonaws.com", "/v2", "eu-west-1"},
		{"stepfunctions", "eu-west-1", "states.eu-west-1.amazonaws.com", "", "eu-west-1"},
	} {
		s, ok := endpoint.Named(test.service)
		at, err := s.In(test.region)
		if want := (endpoint.Endpoint{Host: test.host, Path: test.path, Region: rolebroker.Region(test.signed)}); !ok ||
			err != nil || at != want {
			t.Errorf("%s in %s is %+v, %v, want %+v", test.service, test.region, at, err, want)
		}
	}
}

func TestNoHostComesFromWhatIsNoRegion(t *testing.T) {
	s, _ := endpoint.Named("dynamodb")
	for _, region := range []rolebroker.Region{"", "evil.example/", "us-east-1.evil.example", "us-east-1/", "aws-global"} {
		if at, err := s.In(region); err == nil {
			t.Errorf("in %q it is %+v", region, at)
		}
	}
}

func TestServicesThatShareASigningName(t *testing.T) {
	var names []string
	for _, s := range endpoint.Signing("bedrock") {
		names = append(names, s.Name)
	}
	if len(names) < 4 || names[0] != "bedrock" {
		t.Errorf("bedrock is the signing name of %q", names)
	}
	if all := endpoint.Ambiguous(); len(all) < 70 || len(all) > 140 {
		t.Errorf("%d services share a signing name", len(all))
	}
	if _, ok := endpoint.Named("nothing"); ok {
		t.Error("a service that there is not has an endpoint")
	}
}

func TestHostsOfAWS(t *testing.T) {
	for host, want := range map[string]bool{
		"b.s3.amazonaws.com": true, "s3.dualstack.eu-west-1.amazonaws.com": true, "ce.us-east-1.api.aws": true,
		"amazonaws.com": false, "evilamazonaws.com": false, "amazonaws.com.evil.example": false,
		"dynamodb.cn-north-1.amazonaws.com.cn": false,
	} {
		if got := endpoint.IsAWS(host, "aws"); got != want {
			t.Errorf("%s is of AWS: %v", host, got)
		}
	}
}

func TestWhatIncludesAWS(t *testing.T) {
	for host, want := range map[string]bool{"amazonaws.com": true, "s3.eu-west-1.amazonaws.com": true, "com": true,
		"api.aws": true, "aws": true, "com.cn": true, "example.com": false, "evilamazonaws.com": false,
		"amazon.com": false,
	} {
		if got := endpoint.IncludesAWS(host); got != want {
			t.Errorf("%s includes a host of AWS: %v", host, got)
		}
	}
}

// TestWhoseHostItIs has hosts that SDKs use, and hosts in AWS's domains that anybody can have.
func TestWhoseHostItIs(t *testing.T) {
	for _, c := range []struct {
		host, service string
		region        rolebroker.Region
		owns          bool
	}{
		{"b.s3.amazonaws.com", "s3", "us-east-1", true},
		{"b.s3.us-east-1.amazonaws.com", "s3", "us-east-1", true},
		{"b.s3.amazonaws.com", "s3", "eu-west-1", true},
		{"s3.amazonaws.com", "s3", "eu-west-1", true},
		{"b.s3.amazonaws.com", "s3", "us-gov-west-1", false},
		{"evils3.amazonaws.com", "s3", "eu-west-1", false},
		{"my.dotted.bucket.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1", true},
		{"b.s3.dualstack.us-east-1.amazonaws.com", "s3", "us-east-1", true},
		{"b.s3-fips.us-east-1.amazonaws.com", "s3", "us-east-1", true},
		{"b.s3-accelerate.amazonaws.com", "s3", "eu-west-1", true},
		{"myap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "s3", "eu-west-1", true},
		{"123456789012.s3-control.eu-west-1.amazonaws.com", "s3control", "eu-west-1", true},
		{"sts.amazonaws.com", "sts", "us-east-1", true},
		{"queue.amazonaws.com", "sqs", "us-east-1", true},
		{"rds.amazonaws.com", "rds", "us-east-1", true},
		{"dynamodb-fips.us-west-2.amazonaws.com", "dynamodb", "us-west-2", true},
		{"lambda.us-west-2.api.aws", "lambda", "us-west-2", true},
		{"sync-states.eu-west-1.amazonaws.com", "stepfunctions", "eu-west-1", true},
		{"stream-logs.eu-west-1.amazonaws.com", "logs", "eu-west-1", true},
		{"444455556666.ddb.eu-west-1.amazonaws.com", "dynamodb", "eu-west-1", true},
		{"ingest-cell1.timestream.eu-west-1.amazonaws.com", "timestream-write", "eu-west-1", true},
		{"query-cell12.timestream.eu-west-1.amazonaws.com", "timestream-query", "eu-west-1", true},
		{"query-cell1.timestream.eu-west-1.amazonaws.com", "timestream-write", "eu-west-1", false},
		{"ingest-cell.timestream.eu-west-1.amazonaws.com", "timestream-write", "eu-west-1", false},
		{"ingest-cell1x.timestream.eu-west-1.amazonaws.com", "timestream-write", "eu-west-1", false},
		{"dynamodb-cell1.eu-west-1.amazonaws.com", "dynamodb", "eu-west-1", false},
		{"4444.ddb.eu-west-1.amazonaws.com", "dynamodb", "eu-west-1", false},
		{"444455556666.ddb.eu-west-1.amazonaws.com", "s3control", "eu-west-1", false},
		{"sts.amazonaws.com", "sts", "eu-west-1", false},
		{"b.s3.eu-west-2.amazonaws.com", "s3", "eu-west-1", false},
		{"evil.dynamodb.us-east-1.amazonaws.com", "dynamodb", "us-east-1", false},
		{"ec2-192-0-2-1.compute-1.amazonaws.com", "dynamodb", "us-east-1", false},
		{"evil.us-east-1.elb.amazonaws.com", "s3", "us-east-1", false},
		{"evils3.us-east-1.amazonaws.com", "s3", "us-east-1", false},
		{"b_/.s3.us-east-1.amazonaws.com", "s3", "us-east-1", false},
		{"evil.sync-states.eu-west-1.amazonaws.com", "stepfunctions", "eu-west-1", false},
	} {
		s, _ := endpoint.Named(c.service)
		if got := s.Owns(c.host, c.region); got != c.owns {
			t.Errorf("%s in %s owns %s: %v", c.service, c.region, c.host, got)
		}
	}
}
