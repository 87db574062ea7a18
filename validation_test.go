package rolebroker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

func TestARoleThatCanNeverBeAssumedHasAReason(t *testing.T) {
	at := func(path, name string) func(*rolebroker.Role) {
		return func(r *rolebroker.Role) { r.ARN.Path, r.ARN.Name = path, name }
	}
	in := func(partition, region string) func(*rolebroker.Role) {
		return func(r *rolebroker.Role) { r.ARN.Partition, r.Region = partition, rolebroker.Region(region) }
	}
	lasting := func(d time.Duration) func(*rolebroker.Role) {
		return func(r *rolebroker.Role) { r.SessionDuration = d }
	}
	for name, c := range map[string]struct {
		change func(*rolebroker.Role)
		code   rolebroker.ValidationCode // empty: only AWS can tell
		says   string
	}{
		"a role like others":   {func(*rolebroker.Role) {}, "", ""},
		"a disabled one":       {func(r *rolebroker.Role) { r.Enabled = false }, "", ""},
		"one without a name":   {func(r *rolebroker.Role) { r.Name = "" }, "", ""},
		"the shortest session": {lasting(15 * time.Minute), "", ""},
		"the longest session":  {lasting(12 * time.Hour), "", ""},
		"a role in China":      {in("aws-cn", "cn-north-1"), "", ""},
		"no ARN": {func(r *rolebroker.Role) {
			r.ARN = rolebroker.RoleARN{}
		}, rolebroker.ValidARNInvalid, "the ARN is required; a role's ARN has the form " +
			"arn:aws:iam::123456789012:role/Name"},
		"a service-linked role": {at("/aws-service-role/ecs.amazonaws.com/", "AWSServiceRoleForECS"),
			rolebroker.ValidServiceLinked, "linked to an AWS service"},
		"a role of IAM Identity Center": {at("/aws-reserved/sso.amazonaws.com/eu-west-1/",
			"AWSReservedSSO_Admin_0123456789abcdef"), rolebroker.ValidIdentityCenter, "IAM Identity Center"},
		"another partition's region": {in("aws", "cn-north-1"), rolebroker.ValidPartition,
			`the region "cn-north-1" is a region of the partition aws-cn, but the role is in aws`},
		"another partition's role": {in("aws-us-gov", "us-east-1"), rolebroker.ValidPartition,
			`but the role is in aws-us-gov`},
		"no region": {in("aws", ""), rolebroker.ValidRegionInvalid, "the region is required"},
		"what is no region": {in("aws", "mars-north-1"), rolebroker.ValidRegionInvalid,
			`the region "mars-north-1" is not an AWS region`},
		"a zone": {in("aws", "us-east-1a"), rolebroker.ValidRegionInvalid,
			"not an AWS region"},
		"a host": {in("aws", "us-east-1.evil.example"), rolebroker.ValidRegionInvalid,
			"not an AWS region"},
		"a session too short": {lasting(15*time.Minute - time.Second), rolebroker.ValidDurationInvalid,
			"the session duration 14m59s is out of range; AWS allows 15m to 12h"},
		"a session too long": {lasting(12*time.Hour + time.Second), rolebroker.ValidDurationInvalid,
			"out of range"},
		"a session of less than no time": {lasting(-time.Hour), rolebroker.ValidDurationInvalid, "out of range"},
		"a session with a fraction": {lasting(time.Hour + time.Millisecond), rolebroker.ValidDurationInvalid,
			"not in whole seconds"},
		"first what is wrong with the ARN": {func(r *rolebroker.Role) {
			*r = rolebroker.Role{Region: "moon", SessionDuration: 1}
		}, rolebroker.ValidARNInvalid, "the ARN"},
	} {
		r := role("readonly")
		c.change(&r)
		code, err := r.Unassumable()
		switch {
		case code != c.code || (err == nil) != (c.code == ""):
			t.Errorf("%s: %q, %v; want %q", name, code, err, c.code)
		case err != nil && !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %q does not say %q", name, err, c.says)
		}
	}
}

func TestServiceLinkedAndIdentityCenterRolesNeverTrustUs(t *testing.T) {
	never := func(arn string, want rolebroker.ValidationCode) {
		t.Helper()
		parsed, err := rolebroker.ParseRoleARN(arn)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.NeverTrusts(); got != want {
			t.Errorf("%s: %q, want %q", arn, got, want)
		}
	}
	never("arn:aws:iam::444455556666:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
		rolebroker.ValidServiceLinked)
	never("arn:aws-cn:iam::444455556666:role/aws-service-role/x.amazonaws.com.cn/AWSServiceRoleForX_suffix",
		rolebroker.ValidServiceLinked)
	never("arn:aws:iam::444455556666:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_ReadOnly_0123456789abcdef", rolebroker.ValidIdentityCenter)
	never("arn:aws-us-gov:iam::444455556666:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_ReadOnly_0123456789abcdef", rolebroker.ValidIdentityCenter)
	// as people write it, without its path
	never("arn:aws:iam::444455556666:role/AWSReservedSSO_ReadOnly_0123456789abcdef", rolebroker.ValidIdentityCenter)

	never("arn:aws:iam::444455556666:role/ReadOnly", "")
	never("arn:aws:iam::444455556666:role/service-role/lambda", "") // made by the console, for anybody to change
	never("arn:aws:iam::444455556666:role/team/aws-service-role/x", "")
	never("arn:aws:iam::444455556666:role/aws-service-roles/x", "")
	never("arn:aws:iam::444455556666:role/aws-service-role", "")
	never("arn:aws:iam::444455556666:role/aws-reserved/other/x", "")
	never("arn:aws:iam::444455556666:role/awsreservedsso_x", "")
	if code := (rolebroker.RoleARN{}).NeverTrusts(); code != "" {
		t.Errorf("no ARN: %q", code)
	}
}

func TestRolesWorkWhenTheyCanBeLent(t *testing.T) {
	all := func(want bool, statuses ...rolebroker.ValidationStatus) {
		t.Helper()
		var results []rolebroker.RoleValidation
		for i, status := range statuses {
			results = append(results, rolebroker.RoleValidation{Index: i, Role: rolebroker.Role{Enabled: true},
				Validation: rolebroker.Validation{Status: status}})
		}
		if got := rolebroker.AllWork(results); got != want {
			t.Errorf("that all of %v work is %t", statuses, got)
		}
	}
	all(false) // there is nothing that works
	all(true, rolebroker.StatusAssumable)
	all(true, rolebroker.StatusAssumable, rolebroker.StatusWarning)
	all(false, rolebroker.StatusFailed)
	all(false, rolebroker.StatusUnknown)
	all(false, rolebroker.StatusAssumable, rolebroker.StatusUnknown)
	all(false, rolebroker.StatusFailed, rolebroker.StatusAssumable)
	all(false, "")
	all(false, "something new")
	paused := rolebroker.RoleValidation{Validation: rolebroker.Validation{Status: rolebroker.StatusFailed}}
	works := rolebroker.RoleValidation{Role: rolebroker.Role{Enabled: true},
		Validation: rolebroker.Validation{Status: rolebroker.StatusAssumable}}
	if !rolebroker.AllWork([]rolebroker.RoleValidation{paused, works}) {
		t.Error("a disabled role that fails counts")
	}
	if rolebroker.AllWork([]rolebroker.RoleValidation{paused}) {
		t.Error("all work although none is enabled")
	}
}

func TestAFingerprintCoversEverythingThatShapesTheAssumption(t *testing.T) {
	sample := func() rolebroker.Integration {
		in := integration("production", role("readonly"), role("deployer"))
		in.Roles[0].ID, in.ExternalID, in.NextExternalID = "rol_x", "rolebroker-one", "rolebroker-two"
		return in
	}
	seen := map[string]string{}
	for name, change := range map[string]func(*rolebroker.Integration, *rolebroker.Role){
		"nothing":    func(*rolebroker.Integration, *rolebroker.Role) {},
		"the runner": func(in *rolebroker.Integration, _ *rolebroker.Role) { in.Runner = "run_other" },
		"the mode": func(in *rolebroker.Integration, _ *rolebroker.Role) {
			in.AssumptionMode = rolebroker.ModeCluster
		},
		"the partition":   func(_ *rolebroker.Integration, r *rolebroker.Role) { r.ARN.Partition = "aws-cn" },
		"the account":     func(_ *rolebroker.Integration, r *rolebroker.Role) { r.ARN.Account = "444455556667" },
		"the path":        func(_ *rolebroker.Integration, r *rolebroker.Role) { r.ARN.Path = "/team/" },
		"the name in IAM": func(_ *rolebroker.Integration, r *rolebroker.Role) { r.ARN.Name = "Readonly" },
		"no ARN":          func(_ *rolebroker.Integration, r *rolebroker.Role) { r.ARN = rolebroker.RoleARN{} },
		"the region":      func(_ *rolebroker.Integration, r *rolebroker.Role) { r.Region = "us-east-2" },
		"the duration":    func(_ *rolebroker.Integration, r *rolebroker.Role) { r.SessionDuration = 2 * time.Hour },
		"the external ID": func(in *rolebroker.Integration, _ *rolebroker.Role) { in.ExternalID = "rolebroker-three" },
		"an external ID finished": func(in *rolebroker.Integration, _ *rolebroker.Role) {
			in.ExternalID, in.NextExternalID = in.NextExternalID, ""
		},
		"an external ID less": func(in *rolebroker.Integration, _ *rolebroker.Role) { in.ExternalID = "" },
		"session tags":        func(in *rolebroker.Integration, _ *rolebroker.Role) { in.SessionTags = true },
		"the source identity": func(in *rolebroker.Integration, _ *rolebroker.Role) { in.SourceIdentity = true },
		"both attributions": func(in *rolebroker.Integration, _ *rolebroker.Role) {
			in.SessionTags, in.SourceIdentity = true, true
		},
	} {
		in := sample()
		change(&in, &in.Roles[0])
		fingerprint := in.Fingerprint(&in.Roles[0])
		if other, taken := seen[fingerprint]; taken {
			t.Errorf("%s and %s have the same fingerprint %s", name, other, fingerprint)
		}
		seen[fingerprint] = name
	}

	for name, change := range map[string]func(*rolebroker.Integration, *rolebroker.Role){
		"the next external ID": func(in *rolebroker.Integration, _ *rolebroker.Role) {
			in.NextExternalID = "rolebroker-three"
		},
		"names": func(in *rolebroker.Integration, r *rolebroker.Role) {
			in.Name, r.Name, in.DefaultRole = "prod", "look", "look"
		},
		"a description": func(in *rolebroker.Integration, _ *rolebroker.Role) { in.Description = "Other words" },
		"IDs":           func(in *rolebroker.Integration, r *rolebroker.Role) { in.ID, r.ID = "int_y", "rol_y" },
		"the version": func(in *rolebroker.Integration, _ *rolebroker.Role) {
			in.Version, in.UpdatedAt = 9, time.Now()
		},
		"other roles": func(in *rolebroker.Integration, _ *rolebroker.Role) { in.Roles = in.Roles[:1] },
		"disabling":   func(_ *rolebroker.Integration, r *rolebroker.Role) { r.Enabled = false },
		"an hour": func(_ *rolebroker.Integration, r *rolebroker.Role) {
			r.SessionDuration = rolebroker.DefaultSessionDuration
		},
		"the validation": func(_ *rolebroker.Integration, r *rolebroker.Role) {
			r.Validation = &rolebroker.Validation{}
		},
	} {
		in := sample()
		change(&in, &in.Roles[0])
		if fingerprint := in.Fingerprint(&in.Roles[0]); seen[fingerprint] != "nothing" {
			t.Errorf("%s changed the fingerprint to %s", name, fingerprint)
		}
	}
}

func TestAnIdentityHasThePrincipalOfATrustPolicy(t *testing.T) {
	const account = "111122223333"
	who := func(arn, roleARN string) rolebroker.Identity {
		return rolebroker.Identity{Account: account, ARN: arn, RoleARN: roleARN}
	}
	type names struct {
		Partition, Principal string
		Certain              bool
		AccountPrincipal     string
		Root, RoleSession    bool
	}
	for name, c := range map[string]struct {
		identity rolebroker.Identity
		want     names
	}{
		"a user": {who("arn:aws:iam::111122223333:user/team/rolebroker", ""),
			names{"aws", "arn:aws:iam::111122223333:user/team/rolebroker", true, "arn:aws:iam::111122223333:root",
				false, false}},
		"a user called root": {who("arn:aws:iam::111122223333:user/root", ""),
			names{"aws", "arn:aws:iam::111122223333:user/root", true, "arn:aws:iam::111122223333:root", false, false}},
		"a root user": {who("arn:aws:iam::111122223333:root", ""),
			names{"aws", "arn:aws:iam::111122223333:root", true, "arn:aws:iam::111122223333:root", true, false}},
		"a role's session": {who("arn:aws:sts::111122223333:assumed-role/broker/i-0abc", ""),
			names{"aws", "arn:aws:iam::111122223333:role/broker", false,
				"arn:aws:iam::111122223333:root", false, true}},
		"a session of a role that is known": {who("arn:aws:sts::111122223333:assumed-role/broker/i-0abc",
			"arn:aws:iam::111122223333:role/team/broker"),
			names{"aws", "arn:aws:iam::111122223333:role/team/broker", true,
				"arn:aws:iam::111122223333:root", false, true}},
		"a session called root": {who("arn:aws:sts::111122223333:assumed-role/broker/root", ""),
			names{"aws", "arn:aws:iam::111122223333:role/broker", false,
				"arn:aws:iam::111122223333:root", false, true}},
		"a session in China": {who("arn:aws-cn:sts::111122223333:assumed-role/broker/pod", ""),
			names{"aws-cn", "arn:aws-cn:iam::111122223333:role/broker", false,
				"arn:aws-cn:iam::111122223333:root", false, true}},
		"a user in China": {who("arn:aws-cn:iam::111122223333:user/rolebroker", ""),
			names{"aws-cn", "arn:aws-cn:iam::111122223333:user/rolebroker", true, "arn:aws-cn:iam::111122223333:root",
				false, false}},
		"a federated user": {who("arn:aws:sts::111122223333:federated-user/bob", ""),
			names{"aws", "arn:aws:sts::111122223333:federated-user/bob", true, "arn:aws:iam::111122223333:root",
				false, false}},
	} {
		id := c.identity
		got := names{Partition: id.Partition(), AccountPrincipal: id.AccountPrincipal(), Root: id.IsRoot(),
			RoleSession: id.IsRoleSession()}
		got.Principal, got.Certain = id.Principal()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, nobody := range []rolebroker.Identity{{}, {Account: account},
		{RoleARN: "arn:aws:iam::111122223333:role/broker"}} {
		principal, certain := nobody.Principal()
		if principal != "" || certain || nobody.Partition() != "" || nobody.IsRoot() || nobody.IsRoleSession() {
			t.Errorf("%+v is named %q (certain: %t) in the partition %q", nobody, principal, certain,
				nobody.Partition())
		}
	}
	for _, nonsense := range []string{"nonsense", "arn", "arn:aws", ":::"} {
		if partition := (rolebroker.Identity{ARN: nonsense}).Partition(); partition != "" {
			t.Errorf("%q is in the partition %q", nonsense, partition)
		}
	}
}
