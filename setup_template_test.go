package rolebroker_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestTemplatesAreInS3(t *testing.T) {
	for address, region := range map[string]rolebroker.Region{
		"https://acme.s3.eu-west-1.amazonaws.com/rolebroker-role.json":             "eu-west-1",
		"https://acme.templates.s3.us-gov-west-1.amazonaws.com/a/b.json":           "us-gov-west-1",
		"https://s3.ap-southeast-2.amazonaws.com/acme/rolebroker-role.json":        "ap-southeast-2",
		"https://acme.s3-eu-west-1.amazonaws.com/rolebroker-role.json":             "eu-west-1",
		"https://acme.s3.amazonaws.com/rolebroker-role.json":                       "us-east-1",
		"https://acme.s3.cn-north-1.amazonaws.com.cn/rolebroker-role.json":         "cn-north-1",
		"https://acme.s3.eu-west-1.amazonaws.com/rolebroker-role.json?versionId=1": "eu-west-1",
	} {
		got, err := rolebroker.ParseTemplateURL(address)
		if err != nil || got.Address != address || got.Region != region {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
	for _, address := range []string{
		"", "rolebroker-role.json", "http://acme.s3.eu-west-1.amazonaws.com/rolebroker-role.json",
		"https://rolebroker.example.com/rolebroker-role.json", "https://acme.s3.eu-west-1.amazonaws.com/",
		"https://acme.s3.eu-west-1.amazonaws.com.example.com/a.json", "https://evils3.amazonaws.com/a.json",
		"https://acme.s3-website-eu-west-1.amazonaws.com/a.json", "https://u:p@acme.s3.eu-west-1.amazonaws.com/a.json",
		"https://acme.s3.cn-north-1.amazonaws.com/a.json", "https://acme.s3.eu-west-1.amazonaws.com.cn/a.json",
		"https://acme.s3.eu-west-1.amazonaws.com/" + strings.Repeat("a", 1024),
	} {
		if got, err := rolebroker.ParseTemplateURL(address); err == nil {
			t.Errorf("%s is taken as %+v", address, got)
		}
	}
}
