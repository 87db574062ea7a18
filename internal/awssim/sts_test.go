package awssim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

func getRole(name string) *iam.GetRoleInput       { return &iam.GetRoleInput{RoleName: &name} }
func deleteRole(name string) *iam.DeleteRoleInput { return &iam.DeleteRoleInput{RoleName: &name} }

func (w *world) whoami(k awssim.Credentials) (*sts.GetCallerIdentityOutput, error) {
	return w.sts(k).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	role := w.customer.CreateRole(awssim.Role{Name: "ReadOnly", Path: "/team/",
		TrustPolicy: trusting(`{"AWS":"111122223333"}`)})
	before := time.Now().Truncate(time.Second)
	out, err := w.sts(w.operator.Key).AssumeRole(context.Background(), &sts.AssumeRoleInput{
		RoleArn: &role.ARN, RoleSessionName: aws.String("run-1"), DurationSeconds: aws.Int32(900),
		SourceIdentity: aws.String("alice"),
		Tags:           []types.Tag{{Key: aws.String("team"), Value: aws.String("")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *out.AssumedRoleUser.Arn, "arn:aws:sts::444455556666:assumed-role/ReadOnly/run-1"; got != want {
		t.Errorf("session ARN %s, want %s", got, want)
	}
	if got, want := *out.AssumedRoleUser.AssumedRoleId, role.ID+":run-1"; got != want {
		t.Errorf("session id %s, want %s", got, want)
	}
	//lint:ignore SA1019 the SDK has newer names for it, but this is what comes over the wire
	packed := *out.PackedPolicySize
	if *out.SourceIdentity != "alice" || packed < 1 {
		t.Errorf("source identity %q, packed policy size %d", *out.SourceIdentity, packed)
	}
	k := out.Credentials
	if len(*k.AccessKeyId) != 20 || !strings.HasPrefix(*k.AccessKeyId, "ASIA") || len(*k.SecretAccessKey) != 40 ||
		len(role.ID) != 21 {
		t.Errorf("access key %s and role id %s do not look real", *k.AccessKeyId, role.ID)
	}
	if lasts := k.Expiration.Sub(before); lasts < 900*time.Second || lasts > 902*time.Second ||
		k.Expiration.Nanosecond() != 0 {
		t.Errorf("expires at %s, %s after the call", k.Expiration, lasts)
	}
	me, err := w.whoami(issued(k.AccessKeyId, k.SecretAccessKey, k.SessionToken, k.Expiration))
	if err != nil {
		t.Fatal(err)
	}
	if *me.Arn != *out.AssumedRoleUser.Arn || *me.UserId != role.ID+":run-1" || *me.Account != customerID {
		t.Errorf("the session is %s, %s, %s", *me.Arn, *me.UserId, *me.Account)
	}
	secrets := strings.Join(w.aws.Secrets(), " ")
	for _, s := range []string{*k.SecretAccessKey, *k.SessionToken, w.operator.Key.SecretAccessKey} {
		if !strings.Contains(secrets, s) {
			t.Error("Secrets forgot one")
		}
	}
}

func TestAssumeRoleRefusals(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`"*"`))
	long := strings.Repeat("x", 2100)
	for _, test := range []struct {
		name    string
		in      sts.AssumeRoleInput
		code    string
		message string
	}{
		{"longer than the role's maximum", sts.AssumeRoleInput{DurationSeconds: aws.Int32(3601)}, "ValidationError",
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"too short", sts.AssumeRoleInput{DurationSeconds: aws.Int32(899)}, "ValidationError",
			"1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member " +
				"must have value greater than or equal to 900"},
		{"too long", sts.AssumeRoleInput{DurationSeconds: aws.Int32(43201)}, "ValidationError",
			"1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: Member " +
				"must have value less than or equal to 43200"},
		{"a name with a slash", sts.AssumeRoleInput{RoleSessionName: aws.String("bad/name")}, "ValidationError",
			`1 validation error detected: Value 'bad/name' at 'roleSessionName' failed to satisfy constraint: ` +
				`Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"a name too short", sts.AssumeRoleInput{RoleSessionName: aws.String("a")}, "ValidationError",
			"1 validation error detected: Value 'a' at 'roleSessionName' failed to satisfy constraint: Member must " +
				"have length greater than or equal to 2"},
		{"an empty ARN", sts.AssumeRoleInput{RoleArn: aws.String("")}, "ValidationError",
			"2 validation errors detected: Value '' at 'roleArn' failed to satisfy constraint: Member must satisfy " +
				"regular expression pattern: " +
				"[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD\\u10000-\\u10FFFF]+; " +
				"Value '' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal " +
				"to 20"},
		{"no ARN", sts.AssumeRoleInput{RoleArn: aws.String("just twenty characters")}, "ValidationError",
			"just twenty characters is invalid"},
		{"not a role's ARN", sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::444455556666:oidc-provider/x")},
			"ValidationError", "Request ARN is invalid"},
		{"a policy that is not JSON", sts.AssumeRoleInput{Policy: aws.String("{")}, "MalformedPolicyDocument",
			"This policy contains invalid Json"},
		{"a policy too large", sts.AssumeRoleInput{Policy: aws.String(policyFor("s3:Get", "arn:aws:s3:::"+long))},
			"PackedPolicyTooLarge", ""},
		{"a policy that does not exist", sts.AssumeRoleInput{PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String(
			"arn:aws:iam::444455556666:policy/none")}}}, "MalformedPolicyDocument", ""},
		{"an MFA device", sts.AssumeRoleInput{SerialNumber: aws.String("arn:aws:iam::1:mfa/x"),
			TokenCode: aws.String("123456")}, "AccessDenied",
			"MultiFactorAuthentication failed with invalid MFA one time pass code."},
		{"tags that differ by case", sts.AssumeRoleInput{Tags: []types.Tag{{Key: aws.String("a"),
			Value: aws.String("")}, {Key: aws.String("A"), Value: aws.String("")}}}, "InvalidParameterValue",
			"Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"a transitive key without its tag", sts.AssumeRoleInput{TransitiveTagKeys: []string{"a"}},
			"InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."},
		{"a source identity of AWS's", sts.AssumeRoleInput{SourceIdentity: aws.String("aws:x")}, "ValidationError", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.in.RoleArn == nil {
				test.in.RoleArn = &role.ARN
			}
			_, err := w.assume(w.operator.Key, &test.in)
			wantCode(t, err, test.code)
			if test.message != "" {
				wantMessage(t, err, test.message)
			}
		})
	}
}

func TestRootMayNotAssume(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`"*"`))
	root := w.customer.RootKey()
	_, err := w.assume(root, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	wantCode(t, err, "AccessDenied")
	wantMessage(t, err, "Roles may not be assumed by root accounts.")
	me, err := w.whoami(root)
	if err != nil || *me.Arn != "arn:aws:iam::444455556666:root" || *me.UserId != customerID {
		t.Errorf("root is %v, %v", me, err)
	}
	w.mustAssume(w.customer.AdminKey(), &sts.AssumeRoleInput{RoleArn: &role.ARN})
}

func TestGetSessionToken(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	out, err := w.sts(w.operator.Key).GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	k := issued(out.Credentials.AccessKeyId, out.Credentials.SecretAccessKey, out.Credentials.SessionToken,
		out.Credentials.Expiration)
	me, err := w.whoami(k)
	if err != nil || *me.Arn != w.operator.ARN {
		t.Fatalf("the session is %v, %v", me, err)
	}
	role := w.customer.CreateRole(awssim.Role{Name: "long", TrustPolicy: trusting(`"*"`),
		MaxSessionDuration: 2 * time.Hour})
	_, err = w.assume(k, &sts.AssumeRoleInput{RoleArn: &role.ARN, DurationSeconds: aws.Int32(7200)})
	wantMessage(t, err,
		"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN, DurationSeconds: aws.Int32(7200)})
	_, err = w.sts(k).GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	wantMessage(t, err, "Cannot call GetSessionToken with session credentials")
	_, err = w.iam(k).ListRoles(ctx, &iam.ListRolesInput{})
	wantCode(t, err, "InvalidClientTokenId")
}

func TestExpiry(t *testing.T) {
	now := time.Now()
	w := newWorld(t, awssim.Options{Now: func() time.Time { return now }})
	role := w.role("readonly", trusting(`"*"`))
	w.aws.SetLifetime(4 * time.Second)
	short := w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	if want := now.Truncate(time.Second).Add(4 * time.Second); !short.Expires.Equal(want) {
		t.Errorf("expires %s, want %s", short.Expires, want)
	}
	_, err := w.whoami(short)
	wantCode(t, err, "")
	now = now.Add(4 * time.Second)
	_, err = w.whoami(short)
	wantCode(t, err, "ExpiredToken")
	wantMessage(t, err, "The security token included in the request is expired")
	w.aws.SetLifetime(0)
	long := w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	w.customer.DeleteRole("readonly")
	_, err = w.whoami(long)
	wantCode(t, err, "InvalidClientTokenId")
}

func TestRegionsAndPartitions(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`"*"`))
	w.customer.DisableRegion("eu-west-1")
	_, err := w.assume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	wantCode(t, err, "RegionDisabledException")
	wantMessage(t, err,
		"STS is not activated in this region for account:444455556666. Your account administrator can activate STS "+
			"in this region using the IAM Console.")

	china := w.aws.AccountIn("aws-cn", "777788889999").CreateUser("wei", awssim.AllowAll)
	if want := "arn:aws-cn:iam::777788889999:user/wei"; china.ARN != want {
		t.Errorf("ARN %s, want %s", china.ARN, want)
	}
	_, err = w.whoami(china.Key)
	wantCode(t, err, "InvalidClientTokenId")
	cfg := w.config(china.Key)
	cfg.Region = "cn-north-1"
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "")
}

func TestPropagation(t *testing.T) {
	now := time.Now()
	w := newWorld(t, awssim.Options{Now: func() time.Time { return now }})
	w.aws.SetPropagation(5 * time.Second)
	role := w.role("readonly", trusting(`"*"`))
	_, err := w.assume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	wantCode(t, err, "AccessDenied")
	now = now.Add(6 * time.Second)
	w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
}
