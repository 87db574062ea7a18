package awssim_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

const (
	vendorID   = "111122223333"
	customerID = "444455556666"
)

// world is two accounts, a user in the vendor's who may do anything, and real
// SDK clients that reach them in-process.
type world struct {
	t        testing.TB
	aws      *awssim.AWS
	vendor   *awssim.Account
	customer *awssim.Account
	operator awssim.User
}

func newWorld(t testing.TB, o ...awssim.Options) *world {
	o = append(o, awssim.Options{})
	w := &world{t: t, aws: awssim.New(o[0])}
	w.vendor, w.customer = w.aws.Account(vendorID), w.aws.Account(customerID)
	w.operator = w.vendor.CreateUser("operator", awssim.AllowAll)
	return w
}

func (w *world) config(k awssim.Credentials) aws.Config {
	return aws.Config{
		Region:           "eu-west-1",
		HTTPClient:       w.aws.HTTPClient(),
		Credentials:      credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken),
		RetryMaxAttempts: 1,
	}
}

func (w *world) sts(k awssim.Credentials) *sts.Client { return sts.NewFromConfig(w.config(k)) }
func (w *world) iam(k awssim.Credentials) *iam.Client { return iam.NewFromConfig(w.config(k)) }

// role creates a role in the customer's account.
func (w *world) role(name, trust string) awssim.Role {
	return w.customer.CreateRole(awssim.Role{Name: name, TrustPolicy: trust})
}

// assume returns the session's credentials, and the error code, empty for
// success.
func (w *world) assume(k awssim.Credentials, in *sts.AssumeRoleInput) (awssim.Credentials, error) {
	if in.RoleSessionName == nil {
		in.RoleSessionName = aws.String("run-1")
	}
	out, err := w.sts(k).AssumeRole(context.Background(), in)
	if err != nil {
		return awssim.Credentials{}, err
	}
	return issued(out.Credentials.AccessKeyId, out.Credentials.SecretAccessKey, out.Credentials.SessionToken,
		out.Credentials.Expiration), nil
}

func issued(id, secret, token *string, expires *time.Time) awssim.Credentials {
	return awssim.Credentials{AccessKeyID: *id, SecretAccessKey: *secret, SessionToken: *token, Expires: *expires}
}

func (w *world) mustAssume(k awssim.Credentials, in *sts.AssumeRoleInput) awssim.Credentials {
	w.t.Helper()
	got, err := w.assume(k, in)
	if err != nil {
		w.t.Fatalf("assuming %s: %v", *in.RoleArn, err)
	}
	return got
}

// trusting is a trust policy of one statement.
func trusting(principal string, more ...string) string {
	actions := `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":` + actions +
		strings.Join(append([]string{""}, more...), ",") + `}]}`
}

func where(condition string) string { return `"Condition":` + condition }

// policyFor is an identity policy of one allowing statement.
func policyFor(action, resource string, more ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource +
		`"` + strings.Join(append([]string{""}, more...), ",") + `}]}`
}

// code is the error code of an answer, "" for none.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func message(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorMessage()
	}
	return ""
}

func status(err error) int {
	var e *awshttp.ResponseError
	if errors.As(err, &e) {
		return e.HTTPStatusCode()
	}
	return http.StatusOK
}

func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	if code(err) != want {
		t.Fatalf("error code %q, want %q (%v)", code(err), want, err)
	}
}

func wantMessage(t testing.TB, err error, want string) {
	t.Helper()
	if message(err) != want {
		t.Fatalf("message:\n got %q\nwant %q", message(err), want)
	}
}
