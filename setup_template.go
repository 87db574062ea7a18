package rolebroker

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// TemplateURL is where an operator put the CloudFormation template that makes one role, in a bucket of S3. Links of the
// AWS console that create a stack in one step need such a URL.
type TemplateURL struct {
	Address string
	Region  Region // of the bucket, in which stacks have to be
}

// Partition is the partition of the bucket.
func (t TemplateURL) Partition() string { return t.Region.Partition() }

// maxTemplateURL is how long the URL can be.
//
// Source: CloudFormation User Guide, "Create quick-create links for stacks".
const maxTemplateURL = 1024

// s3Host matches the hosts of S3 with the bucket in the name or in the path. It takes out the region and the ending of
// China.
var s3Host = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[a-z0-9][a-z0-9.-]*\.)?s3(?:[.-]([a-z]+(?:-[a-z]+)+-\d+))?\.amazonaws\.com(\.cn)?$`)
})

// ParseTemplateURL parses the URL of a template in S3. A URL without a region is one of us-east-1.
func ParseTemplateURL(address string) (TemplateURL, error) {
	const like = "as in https://BUCKET.s3.eu-west-1.amazonaws.com/rolebroker-role.json"
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || strings.Trim(u.Path, "/") == "" {
		return TemplateURL{}, fmt.Errorf("%s is not the https:// URL of a file in S3, %s", Quote(address), like)
	}
	found := s3Host().FindStringSubmatch(u.Host)
	if found == nil {
		return TemplateURL{}, fmt.Errorf("%s is not in S3, and the AWS console takes templates from there only, %s",
			Quote(address), like)
	}
	if len(address) > maxTemplateURL {
		return TemplateURL{}, fmt.Errorf("has %d characters; the AWS console takes at most %d", len(address),
			maxTemplateURL)
	}
	t := TemplateURL{Address: address, Region: "us-east-1"}
	if found[1] != "" {
		t.Region = Region(found[1])
	}
	if china := found[2] != ""; t.Partition() == "" || china != (t.Partition() == "aws-cn") {
		return TemplateURL{}, fmt.Errorf("%s is not in a bucket of an AWS region that has such a host: %s",
			Quote(address), t.Region)
	}
	return t, nil
}
