package sts

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rolebroker/rolebroker"
)

// PutRolePolicy puts an inline policy on a role, as a session of another role, in the place of one of the same name, and
// reads it back. Codes of the error: denied (AWS does not permit it), unavailable.
func (c *Client) PutRolePolicy(
	ctx context.Context, as rolebroker.Assumption, role rolebroker.RoleARN, name, policy string,
) error {
	iam, err := c.openPolicy(ctx, as, role, name)
	if err != nil {
		return err
	}
	if _, err := iam.call(ctx, "PutRolePolicy", url.Values{"PolicyDocument": {policy}}); err != nil {
		return err
	}
	for try := range attempts {
		if err = pause(ctx, try); err != nil {
			break
		}
		var body []byte
		if body, err = iam.call(ctx, "GetRolePolicy", nil); err == nil && isPolicy(body, policy) {
			return nil
		}
		if rolebroker.CodeOf(err) == rolebroker.CodeDenied {
			return err
		}
	}
	return unavailable(err, "IAM took the policy, but does not show it yet")
}

// pause waits before another try, for half a second more each time.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return nil
	}
	select {
	case <-time.After(time.Duration(try) * time.Second / 2):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DeleteRolePolicy removes an inline policy from a role, as a session of another role. It is no error if the policy or
// the role does not exist. Codes of the error: denied (AWS does not permit it), unavailable.
func (c *Client) DeleteRolePolicy(
	ctx context.Context, as rolebroker.Assumption, role rolebroker.RoleARN, name string,
) error {
	iam, err := c.openPolicy(ctx, as, role, name)
	if err != nil {
		return err
	}
	var answer *iamRefusal
	if _, err = iam.call(ctx, "DeleteRolePolicy", nil); errors.As(err, &answer) && answer.code == "NoSuchEntity" {
		return nil
	}
	return err
}

// rolePolicy is an inline policy of a role, with keys to change it.
type rolePolicy struct {
	client     *Client
	cfg        aws.Config
	iam        place
	keys       aws.Credentials
	role, name string
}

// openPolicy assumes the role that may change an inline policy.
func (c *Client) openPolicy(
	ctx context.Context, as rolebroker.Assumption, role rolebroker.RoleARN, name string,
) (*rolePolicy, error) {
	iam, known := iams[role.Partition]
	if !known {
		return nil, unavailable(nil, "IAM's endpoint in the partition %s is not known here", role.Partition)
	}
	cfg, err := c.config(ctx)
	if err != nil {
		return nil, unavailable(err, "the AWS configuration cannot be read")
	}
	endpoint, err := c.iamEndpoint(cfg, iam.url)
	if err != nil {
		return nil, unavailable(err, "there is no endpoint of IAM")
	}
	assumed, err := c.Assume(ctx, as)
	if err != nil {
		return nil, notAssumed(as.ARN, err)
	}
	return &rolePolicy{client: c, cfg: cfg, iam: place{endpoint, iam.region}, role: role.Name, name: name,
		keys: aws.Credentials{AccessKeyID: assumed.Credentials.AccessKeyID,
			SecretAccessKey: assumed.Credentials.SecretAccessKey.Reveal(),
			SessionToken:    assumed.Credentials.SessionToken.Reveal()}}, nil
}

// notAssumed explains why the role that may change policies was not assumed.
func notAssumed(role rolebroker.RoleARN, err error) error {
	var refused *rolebroker.Refusal
	code, words := rolebroker.CodeUnavailable, ""
	if errors.As(err, &refused) {
		words = strings.TrimPrefix(refused.Code+": "+refused.Message, ": ")
		if refused.Kind == rolebroker.RefusedDenied {
			code = rolebroker.CodeDenied
		}
	}
	return &rolebroker.Error{Code: code, Cause: err,
		Message: fmt.Sprintf("the server could not assume %s: %s", role, cmp.Or(words, "AWS did not answer"))}
}

// call does an action on the policy, and returns IAM's answer. It repeats what IAM throttles or does not answer.
func (p *rolePolicy) call(ctx context.Context, action string, more url.Values) (body []byte, err error) {
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}, "RoleName": {p.role}, "PolicyName": {p.name}}
	maps.Copy(form, more)
	for try := range attempts {
		if pause(ctx, try) != nil {
			break
		}
		var response *http.Response
		if response, err = p.client.askIAM(ctx, p.cfg, p.iam, p.keys, form); err != nil {
			err = unavailable(err, "IAM did not answer iam:%s", action)
			continue
		}
		var again bool
		if body, again, err = iamAnswer(action, response); err == nil || !again {
			break
		}
	}
	return body, err
}

// iamRefusal is the cause of an error for a refusal of IAM.
type iamRefusal struct{ code string }

func (r *iamRefusal) Error() string { return "IAM answers " + r.code }

// iamAnswer returns the body of an answer, or the refusal in it, and whether the request is worth another try.
func iamAnswer(action string, response *http.Response) (body []byte, again bool, err error) {
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, true, unavailable(err, "IAM's answer to iam:%s was broken off", action)
	}
	if response.StatusCode == http.StatusOK {
		return body, false, nil
	}
	var refused struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	_ = xml.Unmarshal(body, &refused) // then there is no code
	again = response.StatusCode >= http.StatusInternalServerError || kinds[refused.Code] == rolebroker.RefusedThrottled
	words := cmp.Or(strings.Trim(refused.Code+": "+refused.Message, ": "), response.Status)
	code := rolebroker.CodeUnavailable
	if kinds[refused.Code] == rolebroker.RefusedDenied {
		code = rolebroker.CodeDenied
	}
	return nil, again, &rolebroker.Error{Code: code, Message: "iam:" + action + ": " + words,
		Cause: &iamRefusal{refused.Code}}
}

// isPolicy reports whether an answer to GetRolePolicy has the policy.
func isPolicy(body []byte, policy string) bool {
	var answer struct {
		Document string `xml:"GetRolePolicyResult>PolicyDocument"`
	}
	var got, want any
	err := xml.Unmarshal(body, &answer)
	if err == nil {
		answer.Document, err = url.PathUnescape(answer.Document)
	}
	if err == nil {
		err = json.Unmarshal([]byte(answer.Document), &got)
	}
	if err == nil {
		err = json.Unmarshal([]byte(policy), &want)
	}
	return err == nil && reflect.DeepEqual(got, want)
}

// unavailable is an error of AWS that is no refusal of a permission.
func unavailable(cause error, format string, args ...any) error {
	return &rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: fmt.Sprintf(format, args...), Cause: cause}
}
