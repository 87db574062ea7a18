package awssim_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

func TestRoleLife(t *testing.T) {
	w := newWorld(t)
	ctx, c := context.Background(), w.iam(w.customer.RootKey())
	trust := trusting(`{"AWS":"111122223333"}`)
	made, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("Deploy"), Path: aws.String("/ci/"),
		AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(7200),
		Description: aws.String("deploys <things>"), Tags: []types.Tag{{Key: aws.String("team"),
			Value: aws.String("blue")}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:iam::444455556666:role/ci/Deploy"; *made.Role.Arn != want {
		t.Errorf("ARN %s, want %s", *made.Role.Arn, want)
	}
	_, err = c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("dePLOY"), AssumeRolePolicyDocument: &trust})
	wantCode(t, err, "EntityAlreadyExists")
	if status(err) != 409 {
		t.Errorf("status %d", status(err))
	}
	got, err := c.GetRole(ctx, getRole("Deploy"))
	if err != nil {
		t.Fatal(err)
	}
	document, _ := url.PathUnescape(*got.Role.AssumeRolePolicyDocument)
	if want := strings.Replace(trust, "111122223333", "arn:aws:iam::111122223333:root", 1); document != want {
		t.Errorf("trust policy\n got %s\nwant %s", document, want)
	}
	if *got.Role.Description != "deploys <things>" || *got.Role.MaxSessionDuration != 7200 ||
		*got.Role.Tags[0].Key != "team" {
		t.Errorf("role %+v", got.Role)
	}
	policy := policyFor("s3:Get*", "*")
	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("Deploy"),
		PolicyName: aws.String("read"), PolicyDocument: &policy})
	wantCode(t, err, "")
	read, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String("Deploy"),
		PolicyName: aws.String("read")})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := url.PathUnescape(*read.PolicyDocument); text != policy {
		t.Errorf("policy %s, want %s", text, policy)
	}
	_, err = c.DeleteRole(ctx, deleteRole("Deploy"))
	wantCode(t, err, "DeleteConflict")
	_, err = c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("Deploy"),
		MaxSessionDuration: aws.Int32(43200)})
	wantCode(t, err, "")
	_, err = c.TagRole(ctx, &iam.TagRoleInput{RoleName: aws.String("Deploy"),
		Tags: []types.Tag{{Key: aws.String("TEAM"), Value: aws.String("red")}}})
	wantCode(t, err, "")
	if r, _ := w.customer.Role("deploy"); r.MaxSessionDuration.Hours() != 12 || len(r.Tags) != 1 ||
		r.Tags["TEAM"] != "red" || r.Description != "deploys <things>" {
		t.Errorf("role %+v", r)
	}
	attached, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String("Deploy")})
	if err != nil || len(attached.AttachedPolicies) != 0 {
		t.Errorf("attached %v, %v", attached, err)
	}
	bad := trusting(`{"AWS":"arn:aws:iam::111122223333:user/nobody"}`)
	_, err = c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("Deploy"),
		PolicyDocument: &bad})
	wantCode(t, err, "MalformedPolicyDocument")
	wantMessage(t, err, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/nobody"`)
	_, err = c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: aws.String("Deploy"),
		PolicyName: aws.String("read")})
	wantCode(t, err, "")
	_, err = c.DeleteRole(ctx, deleteRole("Deploy"))
	wantCode(t, err, "")
	_, err = c.GetRole(ctx, getRole("Deploy"))
	wantCode(t, err, "NoSuchEntity")
	if status(err) != 404 {
		t.Errorf("status %d", status(err))
	}
}

func TestListRolesInPages(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("role-%d", i)
		w.customer.CreateRole(awssim.Role{Name: name, Path: "/in/", TrustPolicy: trusting(`"*"`)})
		want = append(want, name)
	}
	w.role("other", trusting(`"*"`))
	pages := iam.NewListRolesPaginator(w.iam(w.customer.AdminKey()),
		&iam.ListRolesInput{PathPrefix: aws.String("/in/"), MaxItems: aws.Int32(3)})
	var got []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Roles {
			got = append(got, *r.RoleName)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("roles %v, want %v", got, want)
	}
}

func TestIAMAsksForPermission(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.customer.CreateRole(awssim.Role{Name: "mine", TrustPolicy: trusting(`"*"`),
		Tags: map[string]string{"team": "blue"}})
	w.role("theirs", trusting(`"*"`))
	user := w.customer.CreateUser("blue", policyFor("iam:GetRole", "arn:aws:iam::444455556666:role/*",
		where(`{"StringEquals":{"aws:ResourceTag/team":"blue"}}`)))
	_, err := w.iam(user.Key).GetRole(ctx, getRole("mine"))
	wantCode(t, err, "")
	_, err = w.iam(user.Key).GetRole(ctx, getRole("theirs"))
	wantCode(t, err, "AccessDenied")
	wantMessage(t, err,
		"User: "+user.ARN+" is not authorized to perform: iam:GetRole on resource: "+
			"arn:aws:iam::444455556666:role/theirs because no identity-based policy allows the iam:GetRole action")
	_, err = w.iam(user.Key).GetRole(ctx, getRole("missing"))
	wantCode(t, err, "AccessDenied")
	_, err = w.iam(w.operator.Key).GetRole(ctx, getRole("mine"))
	wantCode(t, err, "NoSuchEntity") // one's own account is the only one there is

	w.customer.SetSCP(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:DeleteRole","Resource":"*"}}`)
	_, err = w.iam(w.customer.RootKey()).DeleteRole(ctx, deleteRole("mine"))
	wantCode(t, err, "AccessDenied")
}

func TestUserLife(t *testing.T) {
	w := newWorld(t)
	ctx, c := context.Background(), w.iam(w.customer.AdminKey())
	name := aws.String("ann")
	made, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	if err != nil || *made.User.Arn != "arn:aws:iam::444455556666:user/ann" {
		t.Fatalf("user %v, %v", made, err)
	}
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	if err != nil {
		t.Fatal(err)
	}
	ann := awssim.Credentials{AccessKeyID: *key.AccessKey.AccessKeyId, SecretAccessKey: *key.AccessKey.SecretAccessKey}
	_, err = w.iam(ann).GetUser(ctx, &iam.GetUserInput{})
	wantCode(t, err, "AccessDenied")
	policy := policyFor("iam:GetUser", "arn:aws:iam::*:user/${aws:username}")
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("self"),
		PolicyDocument: &policy})
	wantCode(t, err, "")
	me, err := w.iam(ann).GetUser(ctx, &iam.GetUserInput{})
	if err != nil || *me.User.UserName != "ann" {
		t.Fatalf("ann is %v, %v", me, err)
	}
	_, err = c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	wantCode(t, err, "DeleteConflict")
	keys, err := c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: name})
	if err != nil || len(keys.AccessKeyMetadata) != 1 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	_, err = c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: &ann.AccessKeyID})
	wantCode(t, err, "")
	_, err = w.whoami(ann)
	wantCode(t, err, "InvalidClientTokenId")
	_, err = c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("self")})
	wantCode(t, err, "")
	_, err = c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	wantCode(t, err, "")
}

// A role session of the customer's may use IAM as its policies say.
func TestRoleSessionUsesIAM(t *testing.T) {
	w := newWorld(t)
	role := w.customer.CreateRole(awssim.Role{Name: "lister", TrustPolicy: trusting(`{"AWS":"111122223333"}`),
		Policies: map[string]string{"list": policyFor("iam:ListRoles", "*")}})
	k := w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	roles, err := w.iam(k).ListRoles(context.Background(), &iam.ListRolesInput{})
	if err != nil || len(roles.Roles) != 1 {
		t.Fatalf("roles %v, %v", roles, err)
	}
	_, err = w.iam(k).GetRole(context.Background(), getRole("lister"))
	wantCode(t, err, "AccessDenied")
}

// A role may do what the managed policies that are attached to it say, as long as they are.
func TestAttachedPolicies(t *testing.T) {
	w := newWorld(t)
	ctx, admin := context.Background(), w.iam(w.customer.AdminKey())
	role := w.role("reader", trusting(`"*"`))
	k := w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	lists := func(want string) {
		t.Helper()
		_, err := w.iam(k).ListRoles(ctx, &iam.ListRolesInput{})
		wantCode(t, err, want)
	}
	name, policy := aws.String("reader"), aws.String(readOnlyARN)
	lists("AccessDenied")
	_, err := admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: policy})
	wantCode(t, err, "")
	lists("")
	attached, err := admin.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	if err != nil || len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyName != "ReadOnlyAccess" {
		t.Errorf("%+v, %v", attached, err)
	}
	_, err = admin.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	wantCode(t, err, "DeleteConflict")
	_, err = admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name,
		PolicyArn: aws.String("arn:aws:iam::aws:policy/Unknown")})
	wantCode(t, err, "NoSuchEntity")
	_, err = admin.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policy})
	wantCode(t, err, "")
	lists("AccessDenied")
	_, err = admin.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policy})
	wantCode(t, err, "NoSuchEntity")
}
