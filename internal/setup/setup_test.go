package setup_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// A hint has the statement alone, written with the defaults of a request.
func TestStatementStandsByItself(t *testing.T) {
	readonly := role(t, "readonly", "arn:aws:iam::444455556666:role/a<b>&c/ReadOnly")
	for _, s := range []setup.Subject{
		{}, {Platform: user, ExternalIDs: []string{"", externalID, externalID}}, {Mode: rolebroker.ModeCluster},
		{Mode: rolebroker.ModeCluster,
			Request: rolebroker.SetupRequest{Cluster: rolebroker.ClusterIdentity{Variant: rolebroker.ClusterPodIdentity}}},
	} {
		for _, text := range []string{s.Statement(readonly), s.TrustPolicy(readonly),
			setup.AllowPlatform(readonly.ARN)} {
			if !strings.HasPrefix(text, "{\n  \"") || !strings.HasSuffix(text, "\n}") || strings.Contains(text, `\u`) {
				t.Errorf("it is\n%s", text)
			}
		}
	}
	s := setup.Subject{Platform: user, ExternalIDs: []string{"", externalID, externalID}}
	if got := strings.Join(strings.Fields(s.Statement(readonly)), ""); got != strings.ReplaceAll(ours(), " ", "") {
		t.Errorf("it is %s", got)
	}
}

func TestNewRefuses(t *testing.T) {
	readonly := role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")
	for _, test := range []struct {
		why     string
		request rolebroker.SetupRequest
		code    rolebroker.Code
		path    string
	}{
		{"a role that is not there", rolebroker.SetupRequest{Role: "other"}, rolebroker.CodeNotFound, ""},
		{"a policy of no one role", rolebroker.SetupRequest{CurrentPolicy: document(ec2)}, rolebroker.CodeInvalid,
			"role"},
		{"an issuer that is two lines",
			rolebroker.SetupRequest{Cluster: rolebroker.ClusterIdentity{Issuer: "https://a\nb"}},
			rolebroker.CodeInvalid, "issuer"},
		{"a form of principal that there is not", rolebroker.SetupRequest{Principal: "x"}, rolebroker.CodeInvalid,
			"principal"},
	} {
		_, err := setup.New(t.Context(), setup.Subject{Platform: user, Roles: []rolebroker.Role{readonly},
			Request: test.request})
		e := rolebroker.AsError(err)
		if err == nil || e.Code != test.code || test.path != "" && e.Fields[0].Path != test.path {
			t.Errorf("%s: %v", test.why, err)
		}
	}
}

func TestOneRoleByNameOrID(t *testing.T) {
	s := setup.Subject{Platform: user, Roles: []rolebroker.Role{
		role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"),
		role(t, "deployer", "arn:aws:iam::444455556666:role/Deployer"),
	}}
	for _, name := range []string{"deployer", "rol_deployer"} {
		s.Request.Role = name
		done := write(t, s)
		if len(done.Roles) != 1 || done.Roles[0].Role.Name != "deployer" || strings.Contains(done.AWSCLI, "ReadOnly ") {
			t.Errorf("%s: of %+v", name, done.Roles)
		}
	}
}

// An external ID can be reserved before there are roles.
func TestWithoutRoles(t *testing.T) {
	done := write(t, setup.Subject{Platform: user, ExternalIDs: []string{externalID}})
	for _, want := range []string{done.CreateRole, "111122223333 already with it", "is not locked"} {
		if want == "" || !strings.Contains(done.Text, want) {
			t.Errorf("the guide does not have %q:\n%s", want, done.Text)
		}
	}
	if done.TrustPolicy == "" || len(done.StackSets) != 0 {
		t.Errorf("it is %+v", done)
	}
}

// A role that can never be assumed is in no command; a comment tells why.
func TestRolesThatCannotBeSetUpAreLeftOut(t *testing.T) {
	for _, arn := range []string{
		"arn:aws:iam::444455556666:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
		"arn:aws:iam::444455556666:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef",
		"arn:aws-cn:iam::444455556666:role/ReadOnly",
	} {
		done := write(t, setup.Subject{Platform: user, Roles: []rolebroker.Role{role(t, "odd", arn)}})
		made, _ := templates(t, done.CloudFormation)
		if len(made) != 1 || len(made[0].Resources) != 0 || len(made[0].Metadata.Rolebroker.LeftOut) != 1 {
			t.Errorf("%s: the templates are %+v", arn, made)
		}
		for _, text := range []string{done.AWSCLI, done.Terraform} {
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "#") && line != "\n" {
					t.Errorf("%s: %s", arn, line)
				}
			}
		}
		if !strings.Contains(done.Text, "    It is ") {
			t.Errorf("the guide does not say why %s cannot be set up", arn)
		}
	}
}

// Every partition has ARNs of its own.
func TestPartitions(t *testing.T) {
	for _, partition := range []string{"aws-cn", "aws-us-gov"} {
		odd := role(t, "odd", "arn:"+partition+":iam::444455556666:role/Odd")
		platform := rolebroker.Identity{Account: vendorID, ARN: "arn:" + partition + ":iam::111122223333:user/broker"}
		for _, s := range []setup.Subject{{Platform: platform}, {}, {Mode: rolebroker.ModeCluster}} {
			s.Roles = []rolebroker.Role{odd}
			done := write(t, s)
			for _, text := range []string{done.Text, done.AWSCLI, done.CloudFormation, done.Terraform} {
				if strings.Contains(text, "arn:aws:") || !strings.Contains(text, "arn:"+partition+":iam::") {
					t.Errorf("%s:\n%s", partition, text)
				}
			}
		}
	}
}

// Lines of the guide fit a terminal. Only text to be copied may be longer.
func TestGuideFitsATerminal(t *testing.T) {
	for name, s := range subjects(t) {
		for line := range strings.Lines(write(t, s).Text) {
			if len(line) > 100 && !strings.HasPrefix(line, "    ") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// The guide has the steps of the product's documentation.
func TestGuideHasTheSteps(t *testing.T) {
	for name, want := range map[string][]string{
		"platform": {"Step 1:", "[x] Give the platform", "(recommended)", "[ ] Give your cluster", "Step 2:",
			"Click Create role", `"AWS account"`, `"Another AWS account"`,
			vendorID, `"Require external ID"`, externalID, `Do not tick "Require MFA"`, "all that your agents need",
			"Trust relationships > Edit trust policy", "Click Update policy",
			"[x] account", "[ ] exact", "rolebroker integration validate production"},
		"platform-draft": {"until then the role works, but is not locked", "Next", "Create the integration; its " +
			"roles are validated then."},
		"platform-current": {"About the current policy", `statement 2 ("Broker") asks for no external ID`,
			"statement 3 denies", "What changes in the trust policy of ReadOnly", "Next"},
		"platform-exact": {"[ ] account", "[x] exact", "the path of its own role", "aws iam get-role " +
			"--role-name broker --query Role.Arn"},
		"platform-change-over": {"has to accept both", externalID + " and " + nextID, "rolebroker integration " +
			"rotate-external-id production --finish"},
		"platform-unknown": {"identity is not known", "PLATFORM_ACCOUNT_ID"},
		"cluster-irsa": {"[ ] Give the platform", "[x] Give your cluster", "Step 2:", "service account",
			"needs no annotation", "that the integration names"},
		"cluster-irsa-china": {"aws eks describe-cluster --name CLUSTER --query " +
			"cluster.identity.oidc.issuer --output text", "oidc.eks.REGION.amazonaws.com.cn/id/CLUSTER_ID"},
		"cluster-runner": {"[x] Give your cluster", "arn:aws:iam::777788889999:role/rolebroker-runner",
			"In account 777788889999", externalID},
		"cluster-pod-identity": {"[x] Give your cluster", "Pod Identity", "aws eks create-pod-identity-association"},
	} {
		text := strings.Join(strings.Fields(write(t, subjects(t)[name]).Text), " ")
		for _, part := range want {
			_, rest, found := strings.Cut(text, part)
			if !found {
				t.Errorf("%s: %q is not where it should be", name, part)
				continue
			}
			text = rest
		}
	}
}

// No command names an integration that is not saved.
func TestDraftsAreNotNamed(t *testing.T) {
	for _, mode := range []rolebroker.AssumptionMode{rolebroker.ModePlatform, rolebroker.ModeCluster} {
		s := setup.Subject{Mode: mode, Platform: user, ExternalIDs: []string{externalID, nextID},
			Roles: []rolebroker.Role{role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")}}
		for _, s.Integration = range []string{"", "production"} {
			s.Draft = s.Integration != ""
			done := write(t, s)
			for _, command := range []string{"integration validate", "rotate-external-id", "setup production",
				"INTEGRATION"} {
				if strings.Contains(done.Text+done.AWSCLI, command) {
					t.Errorf("%s: a draft has %s in it:\n%s\n%s", mode, command, done.Text, done.AWSCLI)
				}
			}
			if !strings.Contains(done.Text, "Create the integration") ||
				!strings.Contains(done.AWSCLI, "rolebroker integration setup -f FILE ") {
				t.Errorf("%s: it does not say how to go on:\n%s\n%s", mode, done.Text, done.AWSCLI)
			}
		}
	}
}

// The trust policy that the console writes suffices unless the integration needs more.
func TestReplacingTheConsolesPolicyIsAskedForIfTheIntegrationNeedsIt(t *testing.T) {
	for _, c := range []struct {
		subject      string
		tags, source bool
		want         string
	}{
		{"platform", false, false, "7. That is all: this integration asks for neither session tags nor a source identity."},
		{"platform", true, false, "7. This integration asks for session tags, which the trust policy"},
		{"platform", false, true, "7. This integration asks for a source identity, which the trust policy"},
		{"platform", true, true, "7. This integration asks for session tags and a source identity, which"},
		{"platform-exact", false, true, "7. The trust policy that the console writes trusts the whole account, and"},
		{"platform-change-over", false, false, "7. The trust policy that the console writes accepts one external ID " +
			"only, and"},
	} {
		s := subjects(t)[c.subject]
		s.Tags, s.Source = c.tags, c.source
		if text := strings.Join(strings.Fields(write(t, s).Text), " "); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s is not in\n%s", c.subject, c.want, text)
		}
	}
}
