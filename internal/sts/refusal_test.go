package sts_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
)

// refused tries an assumption that STS has to refuse.
func refused(t *testing.T, aws *awssim.AWS, key awssim.Credentials, a rolebroker.Assumption) *rolebroker.Refusal {
	t.Helper()
	assumed, err := newClient(aws, key).Try(t.Context(), a)
	var refusal *rolebroker.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("assuming %s gave %+v, %v", a.ARN, assumed, err)
	}
	return refusal
}

// Within an account AWS names the policy that denied a call; across accounts it does
// not.
func TestThePolicyThatDeniedIsKnownIfAWSNamesIt(t *testing.T) {
	const denyEverything = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
	const allowS3 = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	denyAll := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}}`
	nothing := func(*awssim.AWS, *rolebroker.Assumption) {}
	for name, c := range map[string]struct {
		policy  string // of the user; AllowAll
		session string // a session policy of ours
		arrange func(*awssim.AWS, *rolebroker.Assumption)
		here    rolebroker.Denier // for a role of our own account
	}{
		"our policy does not allow it": {policy: allowS3, arrange: nothing, here: rolebroker.DeniedByIdentity},
		"our policy denies it":         {policy: denyEverything, arrange: nothing, here: rolebroker.DeniedByIdentity},
		"our session policy does not":  {session: allowS3, arrange: nothing, here: rolebroker.DeniedByIdentity},
		"our session policy denies it": {session: denyEverything, arrange: nothing, here: rolebroker.DeniedByIdentity},
		"the organization denies it": {arrange: func(aws *awssim.AWS, _ *rolebroker.Assumption) {
			aws.Account(platform).SetSCP(denyEverything)
		}, here: rolebroker.DeniedByOrganization},
		"the role trusts somebody else": {arrange: func(aws *awssim.AWS, a *rolebroker.Assumption) {
			aws.Account(a.ARN.Account).SetTrustPolicy("target", trust("999999999999"))
		}, here: rolebroker.DeniedByTrust},
		"the role's trust policy denies it": {arrange: func(aws *awssim.AWS, a *rolebroker.Assumption) {
			aws.Account(a.ARN.Account).SetTrustPolicy("target", denyAll)
		}, here: rolebroker.DeniedByTrust},
		"there is no such role": {arrange: func(_ *awssim.AWS, a *rolebroker.Assumption) { a.ARN.Name = "gone" },
			here: rolebroker.DeniedByTrust},
	} {
		for account, want := range map[string]rolebroker.Denier{platform: c.here, customer: ""} {
			aws := awssim.New(awssim.Options{})
			key := us(t, aws, c.policy, c.session)
			a := assumption()
			a.ARN.Account, a.ARN.Name = account, "target"
			aws.Account(account).CreateRole(awssim.Role{Name: "target", TrustPolicy: trust(platform)})
			c.arrange(aws, &a)
			if r := refused(t, aws, key, a); r.Kind != rolebroker.RefusedDenied || r.DeniedBy != want || r.Chained {
				t.Errorf("%s, with a role of %s: denied by %q, want %q: %+v", name, account, r.DeniedBy, want, r)
			}
		}
	}
}

// us is the platform: a user with a policy (AllowAll if it is empty), or the session
// of a role with a session policy.
func us(t *testing.T, aws *awssim.AWS, policy, session string) awssim.Credentials {
	t.Helper()
	if policy == "" {
		policy = awssim.AllowAll
	}
	operator := aws.Account(platform).CreateUser("rolebroker", policy)
	if session == "" {
		return operator.Key
	}
	aws.Account(platform).CreateRole(awssim.Role{Name: "us", TrustPolicy: trust(platform),
		Policies: map[string]string{"all": awssim.AllowAll}})
	a := assumption()
	a.ARN.Account, a.ARN.Name, a.Policy = platform, "us", session
	assumed, err := newClient(aws, operator.Key).Try(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	c := assumed.Credentials
	return awssim.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey.Reveal(),
		SessionToken: c.SessionToken.Reveal()}
}

// The clause at the end of a denial names the policy, in the words of the IAM User
// Guide, "Troubleshoot access denied error messages".
func TestADenialsClauseNamesThePolicy(t *testing.T) {
	const (
		us     = "User: arn:aws:iam::111122223333:user/rolebroker is not authorized to perform: sts:AssumeRole"
		onRole = us + " on resource: arn:aws:iam::444455556666:role/ReadOnly"
	)
	means := func(message string, want rolebroker.Denier) {
		t.Helper()
		aws, operator := simulate()
		aws.Inject(awssim.Fault{Code: "AccessDenied", Message: message, Status: 403})
		r := refused(t, aws, operator.Key, assumption())
		if r.Kind != rolebroker.RefusedDenied || r.DeniedBy != want || r.Message != message {
			t.Errorf("%q is by %q, want %q: %+v", message, r.DeniedBy, want, r)
		}
	}
	means(onRole, "")
	means(onRole+" because no identity-based policy allows the sts:AssumeRole action", rolebroker.DeniedByIdentity)
	means(onRole+" because no session policy allows the sts:AssumeRole action", rolebroker.DeniedByIdentity)
	means(onRole+" because no permissions boundary allows the sts:AssumeRole action", rolebroker.DeniedByIdentity)
	means(onRole+" because no service control policy allows the sts:AssumeRole action", rolebroker.DeniedByOrganization)
	means(onRole+" because no resource control policy allows the sts:AssumeRole action",
		rolebroker.DeniedByOrganization)
	means(onRole+" because no VPC endpoint policy allows the sts:AssumeRole action", rolebroker.DeniedByOrganization)
	means(us+" because no role trust policy allows the sts:AssumeRole action", rolebroker.DeniedByTrust)

	means(us+" with an explicit deny in the role trust policy", rolebroker.DeniedByTrust)
	means(onRole+" with an explicit deny in an identity-based policy", rolebroker.DeniedByIdentity)
	means(onRole+" with an explicit deny in a session policy", rolebroker.DeniedByIdentity)
	means(onRole+" with an explicit deny in a permissions boundary", rolebroker.DeniedByIdentity)
	means(onRole+" with an explicit deny in a service control policy", rolebroker.DeniedByOrganization)
	means(onRole+" with an explicit deny in a resource control policy", rolebroker.DeniedByOrganization)
	means(onRole+" with an explicit deny in a VPC endpoint policy", rolebroker.DeniedByOrganization)
	means(onRole+" with an explicit deny in a service control policy: "+
		"arn:aws:organizations::777788889999:policy/o-example/service_control_policy/p-role-trust-policy",
		rolebroker.DeniedByOrganization)
	means(onRole+" with an explicit deny in an identity-based policy: "+
		"arn:aws:iam::111122223333:policy/role-trust-policy", rolebroker.DeniedByIdentity)

	// What has no such clause, or one that is not known, says nothing.
	means("Roles may not be assumed by root accounts.", "")
	means("User: arn:aws:iam::111122223333:user/rolebroker is not authorized to perform: sts:TagSession on resource: "+
		"arn:aws:iam::444455556666:role/ReadOnly", "")
	means("The source identity is already set for this assume role session", "")
	means(onRole+" because no resource-based policy allows the sts:AssumeRole action", "")
	means(onRole+" because no policy of a kind that is yet to come allows the sts:AssumeRole action", "")
	means(onRole+" because no ", "")
	means(onRole+" with an explicit deny in ", "")
	means(onRole+" with an explicit deny in a", "")

	// Names that look like a clause are none: IAM allows no spaces in them.
	means(us+" on resource: arn:aws:iam::444455556666:role/because-no-role-trust-policy-allows", "")
	means(us+" on resource: arn:aws:iam::444455556666:role/because_no/role+trust+policy", "")
	means(us+" on resource: arn:aws:iam::444455556666:role/with-an-explicit-deny-in-the-role-trust-policy", "")
	means("User: arn:aws:sts::111122223333:assumed-role/because-no-identity-based-policy/with,an,explicit,deny,in,a,session,policy is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole action", rolebroker.DeniedByTrust)
	means(us+" on resource: arn:aws:iam::444455556666:role/because-no-role-trust-policy with an explicit deny in a "+
		"service control policy", rolebroker.DeniedByOrganization)
}

func TestRoleChainingIsNotTheRolesMaximum(t *testing.T) {
	aws, operator := simulate()
	aws.Account(customer).SetMaxSessionDuration("ReadOnly", 3*time.Hour)
	session := instance(t, aws)
	long := func(d time.Duration) rolebroker.Assumption {
		a := assumption()
		a.Duration = d
		return a
	}
	if _, err := newClient(aws, operator.Key).Try(t.Context(), long(3*time.Hour)); err != nil {
		t.Errorf("three hours: %v", err)
	}
	if r := refused(t, aws, operator.Key, long(4*time.Hour)); r.Kind != rolebroker.RefusedDuration || r.Chained {
		t.Errorf("longer than the role allows: %+v", r)
	}
	if r := refused(t, aws, session, long(2*time.Hour)); r.Kind != rolebroker.RefusedDuration || !r.Chained ||
		r.DeniedBy != "" {
		t.Errorf("longer than an hour by a session: %+v", r)
	}
	if _, err := newClient(aws, session).Try(t.Context(), long(time.Hour)); err != nil {
		t.Errorf("an hour by a session: %v", err)
	}
	aws.Account(customer).SetTrustPolicy("ReadOnly", trust("999999999999"))
	if r := refused(t, aws, session, long(2*time.Hour)); r.Kind != rolebroker.RefusedDenied || r.Chained {
		t.Errorf("what is denied too: %+v", r)
	}
}
