package setup_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

var update = flag.Bool("update", false, "write golden files anew")

const (
	vendorID   = "111122223333"
	customerID = "444455556666"
	otherID    = "777788889999"
	idp        = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABCDEF0123456789ABCDEF0123456789"
)

// The platform: user is an IAM user, session a session of a role whose path is not
// known, and placed a session of a role whose path is known.
var (
	user = rolebroker.Identity{Account: vendorID, ARN: "arn:aws:iam::111122223333:user/broker",
		UserID: "AIDAEXAMPLE"}
	session = rolebroker.Identity{Account: vendorID, ARN: "arn:aws:sts::111122223333:assumed-role/broker/i-0abc",
		UserID: "AROAEXAMPLE:i-0abc"}
	placed = rolebroker.Identity{Account: vendorID, ARN: session.ARN, UserID: session.UserID,
		RoleARN: "arn:aws:iam::111122223333:role/ops/broker"}
)

func role(t testing.TB, name, arn string, d ...time.Duration) rolebroker.Role {
	t.Helper()
	parsed, err := rolebroker.ParseRoleARN(arn)
	if err != nil {
		t.Fatal(err)
	}
	r := rolebroker.Role{ID: rolebroker.RoleID("rol_" + name), Name: name, ARN: parsed, Region: "eu-west-1",
		Enabled: true}
	for _, r.SessionDuration = range d {
	}
	return r
}

// write writes a setup, which has to succeed.
func write(t testing.TB, s setup.Subject) *rolebroker.Setup {
	t.Helper()
	s.Request = s.Request.WithDefaults()
	done, err := setup.New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// currentPolicy is the trust policy of a role that others use. It has an earlier
// statement of ours.
const currentPolicy = `{"Version":"2012-10-17","Statement":[
	{"Sid":"Build","Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole"},
	{"Sid":"Broker","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::777788889999:root"]},"Action":"sts:AssumeRole"},
	{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}]}`

// subjects are those of the golden files.
func subjects(t testing.TB) map[string]setup.Subject {
	readonly := role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")
	deployer := role(t, "deployer", "arn:aws:iam::444455556666:role/team/prod/Deployer", 4*time.Hour)
	archive := role(t, "archive.eu", "arn:aws:iam::777788889999:role/Archive")
	china := role(t, "readonly", "arn:aws-cn:iam::444455556666:role/ReadOnly")
	linked := role(t, "linked",
		"arn:aws:iam::444455556666:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
	platform := setup.Subject{Integration: "production", Mode: rolebroker.ModePlatform, Platform: user,
		ExternalIDs: []string{"rb-0123456789abcdef"}, Roles: []rolebroker.Role{readonly}}
	cluster := setup.Subject{Integration: "production", Mode: rolebroker.ModeCluster, Platform: user,
		Roles: []rolebroker.Role{readonly}}

	all := map[string]setup.Subject{}
	add := func(name string, s setup.Subject, change func(*setup.Subject)) {
		change(&s)
		all[name] = s
	}
	add("platform", platform, func(s *setup.Subject) {})
	add("platform-accounts", platform, func(s *setup.Subject) {
		s.Roles = []rolebroker.Role{readonly, archive, deployer, linked}
	})
	add("platform-exact", platform, func(s *setup.Subject) {
		s.Platform, s.Request.Principal = session, rolebroker.PrincipalExact
	})
	add("platform-unknown", platform, func(s *setup.Subject) { s.Platform = rolebroker.Identity{} })
	add("platform-current", platform, func(s *setup.Subject) {
		s.Request.Role, s.Request.CurrentPolicy = "readonly", currentPolicy
	})
	add("platform-draft", platform, func(s *setup.Subject) { s.Draft = true })
	add("platform-cut-off", platform, func(s *setup.Subject) {
		s.Roles, s.Request.CutOff = []rolebroker.Role{readonly, deployer, archive}, true
	})
	add("platform-change-over", platform, func(s *setup.Subject) {
		s.ExternalIDs = append(s.ExternalIDs, "rb-fedcba9876543210")
	})
	add("cluster-irsa", cluster, func(s *setup.Subject) {
		s.Roles, s.Request.Cluster.Issuer = []rolebroker.Role{readonly, archive}, idp
	})
	add("cluster-irsa-china", cluster, func(s *setup.Subject) { s.Roles = []rolebroker.Role{china} })
	add("cluster-pod-identity", cluster, func(s *setup.Subject) {
		s.Request.Cluster = rolebroker.ClusterIdentity{Variant: rolebroker.ClusterPodIdentity, Namespace: "agents",
			ServiceAccount: "runner"}
	})
	add("cluster-runner", cluster, func(s *setup.Subject) {
		s.ExternalIDs, s.Request.Cluster.Variant = []string{externalID}, rolebroker.ClusterAssumeRole
		s.Runner = rolebroker.Identity{Account: "777788889999",
			ARN: "arn:aws:sts::777788889999:assumed-role/rolebroker-runner/i-0abc", UserID: "AROA:i-0abc"}
	})
	return all
}

// The template that operators put into a bucket has names that links are made from.
func TestGenericTemplate(t *testing.T) {
	const file = "testdata/generic.json"
	got := setup.GenericTemplate()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is written (-committed +written); run with -update:\n%s", file, diff)
	}
}

// To accept changes of the golden files, read the difference after: go test ./internal/setup -run TestGolden -update
func TestGolden(t *testing.T) {
	for name, s := range subjects(t) {
		t.Run(name, func(t *testing.T) {
			done := write(t, s)
			if (done.CutOff != "") != s.Request.CutOff {
				t.Errorf("the commands for cut-off roles are %q", done.CutOff)
			}
			archive := &txtar.Archive{Files: []txtar.File{
				{Name: "guide.txt", Data: []byte(done.Text)},
				{Name: "commands.sh", Data: []byte(done.AWSCLI)},
				{Name: "template.json", Data: []byte(done.CloudFormation)},
				{Name: "roles.tf", Data: []byte(done.Terraform)},
			}}
			for _, one := range done.StackSets {
				file := txtar.File{Name: one.Name + ".json", Data: []byte(one.Template + "\n")}
				archive.Files = append(archive.Files, file)
			}
			got := txtar.Format(archive)
			file := filepath.Join("testdata", name+".txtar")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s is not what is written (-committed +written); run with -update:\n%s", file, diff)
			}
		})
	}
}
