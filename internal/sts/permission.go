package sts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
)

// iams are the endpoints of IAM, by partition, and the region to sign for.
//
// Source: the SDKs' endpoint rules of IAM.
var iams = map[string]struct{ url, region string }{
	"aws":        {"https://iam.amazonaws.com", "us-east-1"},
	"aws-cn":     {"https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
	"aws-us-gov": {"https://iam.us-gov.amazonaws.com", "us-gov-west-1"},
}

// Permits asks IAM whether the policies of our identity allow actions on a role. The
// answer has the actions about which IAM is certain. It fails if our identity may not
// call iam:SimulatePrincipalPolicy on itself, as most may not.
//
// The package speaks to IAM by itself, since the SDK's client of IAM would double what
// every command loads.
func (c *Client) Permits(
	ctx context.Context, who rolebroker.Identity, role rolebroker.RoleARN, actions ...string,
) (map[string]bool, error) {
	arn, _ := who.Principal()
	iam, known := iams[who.Partition()]
	if !known || arn == "" {
		return nil, errors.New("IAM cannot be asked about this identity")
	}
	form := url.Values{"Action": {"SimulatePrincipalPolicy"}, "Version": {"2010-05-08"}, "PolicySourceArn": {arn},
		"ResourceArns.member.1": {role.String()}}
	for i, action := range actions {
		form.Set("ActionNames.member."+strconv.Itoa(i+1), action)
	}
	cfg, err := c.config(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := c.iamEndpoint(cfg, iam.url)
	if err != nil {
		return nil, err
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	response, err := c.askIAM(ctx, cfg, place{endpoint, iam.region}, keys, form)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("IAM answers %s", response.Status)
	}
	return decisions(response.Body)
}

// iamEndpoint is the endpoint of IAM. If only STS has another endpoint than AWS's, our
// credentials are none of AWS's, and IAM is not asked.
func (c *Client) iamEndpoint(cfg aws.Config, ofAWS string) (string, error) {
	given := cmp.Or(c.opts.Endpoint, os.Getenv("AWS_ENDPOINT_URL_IAM"), aws.ToString(cfg.BaseEndpoint))
	if given == "" && os.Getenv("AWS_ENDPOINT_URL_STS") != "" {
		return "", errors.New("there is no endpoint of IAM")
	}
	return cmp.Or(given, ofAWS), nil
}

// place is an endpoint of IAM, and the region to sign for.
type place struct{ endpoint, region string }

// askIAM sends a request to IAM that is signed with the keys.
func (c *Client) askIAM(
	ctx context.Context, cfg aws.Config, iam place, keys aws.Credentials, values url.Values,
) (*http.Response, error) {
	form := values.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, iam.endpoint+"/", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	hash := sha256.Sum256([]byte(form))
	err = v4.NewSigner().SignHTTP(ctx, keys, request, hex.EncodeToString(hash[:]), "iam", iam.region, time.Now())
	if err != nil {
		return nil, err
	}
	var client aws.HTTPClient = cfg.HTTPClient
	if c.opts.HTTPClient != nil {
		client = c.opts.HTTPClient
	}
	return client.Do(request)
}

// decisions are the certain decisions in IAM's answer, by action. One that depends on a
// condition key without a value is not certain.
func decisions(body io.Reader) (map[string]bool, error) {
	var answer struct {
		Results []struct {
			Action   string   `xml:"EvalActionName"`
			Decision string   `xml:"EvalDecision"`
			Missing  []string `xml:"MissingContextValues>member"`
		} `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
	}
	if err := xml.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("reading IAM's answer: %w", err)
	}
	certain := map[string]bool{}
	for _, r := range answer.Results {
		if len(r.Missing) == 0 || r.Decision == "explicitDeny" {
			certain[r.Action] = r.Decision == "allowed"
		}
	}
	return certain, nil
}
