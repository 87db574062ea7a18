package setup_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/setup"
)

const (
	externalID = "rb-0123456789abcdef"
	nextID     = "rb-fedcba9876543210"
	earlierID  = "rb-aaaaaaaaaaaaaaaa"
)

// world has the platform's account and a customer's. The platform is a session of a
// role; a colleague in its account has the same permissions.
type world struct {
	t         testing.TB
	aws       *awssim.AWS
	customer  *awssim.Account
	platform  awssim.Credentials
	colleague awssim.Credentials
	identity  rolebroker.Identity
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, aws: awssim.New(awssim.Options{})}
	vendor := w.aws.Account(vendorID)
	w.customer = w.aws.Account(customerID)
	w.colleague = vendor.CreateUser("colleague", awssim.AllowAll).Key
	broker := vendor.CreateRole(awssim.Role{Name: "broker", Path: "/ops/",
		Policies:    map[string]string{"all": awssim.AllowAll},
		TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}`})
	out, err := w.sts(w.colleague).AssumeRole(context.Background(),
		&sts.AssumeRoleInput{RoleArn: &broker.ARN, RoleSessionName: aws.String("server-1")})
	if err != nil {
		t.Fatal(err)
	}
	w.platform = awssim.Credentials{AccessKeyID: *out.Credentials.AccessKeyId,
		SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	w.identity = rolebroker.Identity{Account: vendorID, ARN: *out.AssumedRoleUser.Arn,
		UserID: *out.AssumedRoleUser.AssumedRoleId, RoleARN: broker.ARN}
	return w
}

func (w *world) sts(k awssim.Credentials) *sts.Client {
	return sts.New(sts.Options{Region: "eu-west-1", HTTPClient: w.aws.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken)})
}

// subject is an integration of the roles, in platform mode.
func (w *world) subject(roles ...rolebroker.Role) setup.Subject {
	return setup.Subject{Integration: "production", Mode: rolebroker.ModePlatform, Platform: w.identity,
		ExternalIDs: []string{externalID}, Roles: roles}
}

// assume assumes a role as rolebroker does, with a tag and a source identity.
func (w *world) assume(k awssim.Credentials, role rolebroker.Role, id string) error {
	in := &sts.AssumeRoleInput{RoleArn: aws.String(role.ARN.String()), RoleSessionName: aws.String("scout"),
		DurationSeconds: aws.Int32(3600),
		SourceIdentity:  aws.String("scout"), Tags: []types.Tag{{Key: aws.String(rolebroker.TagAgent),
			Value: aws.String("scout")}}}
	if id != "" {
		in.ExternalId = &id
	}
	_, err := w.sts(k).AssumeRole(context.Background(), in)
	return err
}

func (w *world) allow(why string, k awssim.Credentials, role rolebroker.Role, id string) {
	w.t.Helper()
	if err := w.assume(k, role, id); err != nil {
		w.t.Errorf("%s: %v", why, err)
	}
}

func (w *world) deny(why string, k awssim.Credentials, role rolebroker.Role, id string) {
	w.t.Helper()
	denied(w.t, why, w.assume(k, role, id))
}

func denied(t testing.TB, why string, err error) {
	t.Helper()
	var refusal smithy.APIError
	if !errors.As(err, &refusal) || refusal.ErrorCode() != "AccessDenied" {
		t.Errorf("%s: want AccessDenied, got %v", why, err)
	}
}

// paste runs a script in bash, with the real AWS CLI, as the customer's
// administrator.
func (w *world) paste(text string) {
	w.t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		w.t.Fatal("the aws command is not on PATH; run make setup")
	}
	srv, err := awssim.Start(w.aws)
	if err != nil {
		w.t.Fatal(err)
	}
	defer srv.Close()
	k := w.customer.AdminKey()
	run := bash(w.t, `aws() { command aws --endpoint-url "$SIMULATOR" "$@"; }`+"\n"+text)
	run.Env = append(run.Env, "SIMULATOR="+srv.URL, "AWS_ACCESS_KEY_ID="+k.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+
		k.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "AWS_DEFAULT_REGION=eu-central-1",
		"NO_PROXY=127.0.0.1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	if out, err := run.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s\n%s", err, out, text)
	}
}

// run makes the calls of aws iam in a script, in the customer's account.
func (w *world) run(text string) {
	w.t.Helper()
	for _, call := range arguments(w.t, text) {
		command, option := call[1], options(call[2:])
		switch command {
		case "create-role":
			w.customer.CreateRole(awssim.Role{Name: option["--role-name"], Path: option["--path"],
				TrustPolicy: option["--assume-role-policy-document"]})
		case "update-assume-role-policy":
			w.customer.SetTrustPolicy(option["--role-name"], option["--policy-document"])
		default:
			w.t.Fatalf("a command for the AWS CLI only: %q", call)
		}
	}
}

// options parses --name=value and --name value.
func options(args []string) map[string]string {
	values := map[string]string{}
	for len(args) > 0 {
		name, value, joined := strings.Cut(args[0], "=")
		args = args[1:]
		if !joined && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		values[name] = value
	}
	return values
}

// bash runs a script in a folder of its own. It ends with the first command that
// fails.
func bash(t testing.TB, text string) *exec.Cmd {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("bash", "-eu", file)
	run.Dir = folder
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
	return run
}
