package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// cause is one reason why a role cannot be assumed, or should be changed.
type cause struct {
	name    string
	arrange func(*patient)
	code    string
	status  string // empty: failed
	cure    func(*patient, string)
	cured   string // the status afterwards; empty: assumable
}

// TestEveryCauseIsNamedAndItsHintCuresIt makes a role fail for each cause, checks the
// code, and does what the hint says: it sets the statement as a policy, or runs the
// command with the real AWS CLI and rolebroker. After that the role can be assumed.
func TestEveryCauseIsNamedAndItsHintCuresIt(t *testing.T) {
	here := theTools(t)
	for _, c := range causes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, here)
			c.arrange(p)
			ill := p.validate()
			if want := or(c.status, "failed"); ill.Code != c.code || ill.Status != want {
				t.Fatalf("the role is %s (%s), want %s (%s): %s\n%s", ill.Status, ill.Code, want, c.code, ill.Message,
					ill.Hint)
			}
			if ill.Message == "" || ill.Hint == "" || ill.CheckedAt.IsZero() {
				t.Errorf("the outcome says too little: %+v", ill)
			}
			if ill.Code != "cluster_mode" && !isForPasting(ill.HintSteps) {
				t.Errorf("the hint does not end in something to run or to paste:\n%s", ill.Hint)
			}
			c.cure(p, ill.Hint)
			if well := p.validate(); well.Status != or(c.cured, "assumable") {
				t.Errorf("after doing what the hint says the role is %s (%s): %s\n%s\nthe hint was:\n%s", well.Status,
					well.Code, well.Message, well.Hint, ill.Hint)
			}
		})
	}
}

// isForPasting reports whether the last step of a hint has a command or a policy.
func isForPasting(hint []api.HintStep) bool {
	if len(hint) == 0 {
		return false
	}
	last := hint[len(hint)-1]
	return last.Command != "" || last.Policy != ""
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

var causes = []cause{
	{name: "the server has no identity",
		arrange: func(p *patient) { p.identity.Store(&awssim.Credentials{}) },
		code:    "no_identity", cure: renewIdentity},
	{name: "the server's identity has expired",
		arrange: func(p *patient) { p.identity.Store(p.sessionOf("instance", -2*time.Hour)) },
		code:    "identity_expired", cure: renewIdentity},
	{name: "the server's key is not accepted",
		arrange: func(p *patient) {
			wrong := p.Operator
			wrong.SecretAccessKey += "x"
			p.identity.Store(&wrong)
		},
		code: "identity_invalid", cure: renewIdentity},
	{name: "the server is a root user",
		arrange: func(p *patient) { key := p.AWS.Account(testbed.PlatformAccount).RootKey(); p.identity.Store(&key) },
		code:    "identity_is_root", cure: renewIdentity},
	{name: "the server may not call AssumeRole, and AWS says so",
		arrange: func(p *patient) {
			p.own("Own", p.trustPolicy())
			p.AWS.Account(testbed.PlatformAccount).SetUserPolicy("rolebroker", "rolebroker", "")
		},
		code: "platform_not_allowed", cure: runFor(testbed.PlatformAccount)},
	{name: "the same of a server that is the session of a role",
		arrange: func(p *patient) {
			p.identity.Store(p.sessionOf("instance", 0))
			p.own("Own", p.trustPolicy())
			p.AWS.Account(testbed.PlatformAccount).SetRolePolicy("instance", "all", "")
		},
		code: "platform_not_allowed", cure: runFor(testbed.PlatformAccount)},
	{name: "the server may not call AssumeRole, and AWS does not say so",
		arrange: func(p *patient) {
			p.AWS.Account(testbed.PlatformAccount).SetUserPolicy("rolebroker", "rolebroker",
				"")
		},
		code: "denied", cure: func(p *patient, hint string) { p.allow(statements(hint)[1]) }},
	{name: "the role does not trust the server",
		arrange: func(p *patient) { p.trust(testbed.Trust("999999999999")) },
		code:    "denied", cure: addStatement},
	{name: "there is no such role",
		arrange: func(p *patient) { p.AWS.Account(testbed.CustomerAccount).DeleteRole(iamRole) },
		code:    "denied", cure: func(p *patient, hint string) {
			p.mustFail(testbed.CustomerAccount, commandIn(hint, "aws iam get-role"))
			p.shell(testbed.CustomerAccount, commandIn(hint,
				"rolebroker integration setup")+" --format aws-cli | bash -e")
		}},
	{name: "an explicit deny in the trust policy",
		arrange: func(p *patient) {
			p.trust(`{"Version":"2012-10-17","Statement":[` + p.statement() +
				`,{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)
		},
		code: "denied", cure: func(p *patient, hint string) {
			p.says(hint, "4. no explicit Deny")
			p.trust(p.trustPolicy())
		}},
	{name: "the role does not trust the server, and AWS says so",
		arrange: func(p *patient) { p.own("Own", testbed.Trust("999999999999")) },
		code:    "trust_denied", cure: addStatement},
	{name: "a policy of the organization",
		arrange: func(p *patient) {
			p.own("Own", p.trustPolicy())
			p.AWS.Account(testbed.PlatformAccount).SetSCP(
				`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}}`)
		},
		code: "policy_denied", cure: func(p *patient, hint string) {
			p.says(hint, "ask an administrator of the AWS organization")
			p.AWS.Account(testbed.PlatformAccount).SetSCP()
		}},
	{name: "an earlier external ID",
		arrange: func(p *patient) {
			p.rotate("start", false)
			p.rotate("finish", true)
		},
		code: "external_id_outdated", cure: replaceTrust},
	{name: "an earlier external ID, and no way to tag",
		arrange: func(p *patient) {
			p.trust(strings.NewReplacer(`"sts:TagSession",`, ``).Replace(p.trustPolicy()))
			p.update(func(r *api.IntegrationRequest) { r.SessionTags = true })
			p.rotate("start", false)
			p.rotate("finish", true)
		},
		code: "external_id_outdated", cure: replaceTrust},
	{name: "no external ID of any kind is accepted",
		arrange: func(p *patient) {
			p.trust(strings.Replace(testbed.Trust(testbed.PlatformAccount), `"Action"`,
				`"Condition":{"Null":{"sts:ExternalId":"true"}},"Action"`, 1))
		},
		code: "external_id_refused", cure: replaceTrust},
	{name: "the external ID is not required",
		arrange: func(p *patient) { p.trust(testbed.Trust(testbed.PlatformAccount)) },
		code:    "external_id_not_required", status: "warning", cure: replaceTrust},
	{name: "any external ID is good",
		arrange: func(p *patient) {
			p.trust(strings.Replace(testbed.Trust(testbed.PlatformAccount), `"Action"`,
				`"Condition":{"StringLike":{"sts:ExternalId":"*"}},"Action"`, 1))
		},
		code: "external_id_not_required", status: "warning", cure: replaceTrust},
	{name: "the external ID is not required, which it has to be",
		arrange: func(p *patient) {
			p.how.RequireExternalID = true
			p.trust(testbed.Trust(testbed.PlatformAccount))
		},
		code: "external_id_not_required", cure: replaceTrust},
	{name: "an earlier external ID is still good",
		arrange: func(p *patient) {
			old := p.in().ExternalID
			p.rotate("start", false)
			p.rotate("finish", true)
			p.trust(strings.Replace(p.trustPolicy(), `"`+p.in().ExternalID+`"`, `["`+p.in().ExternalID+`","`+old+`"]`,
				1))
		},
		code: "previous_external_id_accepted", status: "warning", cure: replaceTrust},
	{name: "a role that exists, by the commands of the hint",
		arrange: func(p *patient) { p.trust(testbed.Trust(testbed.PlatformAccount)) },
		code:    "external_id_not_required", status: "warning", cure: func(p *patient, hint string) {
			p.shell(testbed.CustomerAccount, "cd $HOME && "+commandIn(hint, "aws iam get-role")+" && "+commandIn(hint,
				"rolebroker integration setup"))
		}},
	{name: "the next external ID is not accepted",
		arrange: func(p *patient) { p.rotate("start", false) },
		code:    "next_external_id_refused", status: "warning", cure: replaceTrust},
	{name: "the next external ID alone is accepted: finish",
		arrange: ahead,
		code:    "external_id_ahead", cure: func(p *patient, hint string) {
			p.shell("", commandIn(hint, "rolebroker integration rotate-external-id"))
		}},
	{name: "the next external ID alone is accepted: accept both",
		arrange: ahead,
		code:    "external_id_ahead", cure: replaceTrust},
	{name: "session tags are not allowed",
		arrange: func(p *patient) {
			p.trust(strings.Replace(p.trustPolicy(), `"sts:TagSession",`, ``, 1))
			p.update(func(r *api.IntegrationRequest) { r.SessionTags, r.SourceIdentity = true, new(true) })
		},
		code: "tag_session_denied", cure: replaceTrust},
	{name: "the source identity is not allowed",
		arrange: func(p *patient) {
			p.trust(strings.Replace(p.trustPolicy(), `,"sts:SetSourceIdentity"`, ``, 1))
			p.update(func(r *api.IntegrationRequest) { r.SessionTags, r.SourceIdentity = true, new(true) })
		},
		code: "source_identity_denied", cure: replaceTrust},
	{name: "neither is allowed",
		arrange: func(p *patient) {
			p.trust(strings.NewReplacer(`,"sts:TagSession","sts:SetSourceIdentity"`, ``).Replace(p.trustPolicy()))
			p.update(func(r *api.IntegrationRequest) { r.SessionTags, r.SourceIdentity = true, new(true) })
		},
		code: "tag_session_denied", cure: replaceTrust},
	{name: "sessions longer than the role's maximum: raise it",
		arrange: func(p *patient) { p.update(func(r *api.IntegrationRequest) { r.Roles[0].SessionDuration = "2h" }) },
		code:    "duration_over_maximum", cure: func(p *patient, hint string) {
			p.shell(testbed.CustomerAccount, commandIn(hint, "aws iam update-role"))
		}},
	{name: "sessions longer than the role's maximum: shorten them",
		arrange: func(p *patient) { p.update(func(r *api.IntegrationRequest) { r.Roles[0].SessionDuration = "2h" }) },
		code:    "duration_over_maximum", cure: updateIntegration},
	{name: "sessions longer than role chaining allows",
		arrange: func(p *patient) {
			p.AWS.Account(testbed.CustomerAccount).SetMaxSessionDuration(iamRole, 12*time.Hour)
			p.identity.Store(p.sessionOf("instance", 0))
			p.update(func(r *api.IntegrationRequest) { r.Roles[0].SessionDuration = "2h" })
		},
		code: "duration_over_chaining", cure: updateIntegration},
	{name: "STS is not activated in the region",
		arrange: func(p *patient) { p.AWS.Account(testbed.CustomerAccount).DisableRegion("eu-south-2") },
		code:    "region_disabled", cure: updateIntegration},
	{name: "a role of another partition than the server's",
		arrange: func(p *patient) {
			p.update(func(r *api.IntegrationRequest) {
				r.Roles[0].ARN, r.Roles[0].Region = "arn:aws-cn:iam::"+testbed.CustomerAccount+":role/"+iamRole,
					"cn-north-1"
			})
		},
		code: "partition_mismatch", cure: func(p *patient, hint string) {
			p.says(hint, "correct the ARN or the region")
			p.shell("", "rolebroker integration update production --validate skip --set-role name=readonly,arn="+
				roleARN+",region=eu-south-2")
		}},
	{name: "a role that is linked to a service",
		arrange: func(p *patient) {
			p.setARN("arn:aws:iam::" + testbed.CustomerAccount +
				":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
		},
		code: "service_linked_role", cure: newRole},
	{name: "a role of IAM Identity Center",
		arrange: func(p *patient) {
			p.setARN("arn:aws:iam::" + testbed.CustomerAccount +
				":role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef")
		},
		code: "identity_center_role", cure: newRole},
	{name: "the server may not tag sessions, and IAM says so",
		arrange: func(p *patient) {
			p.may("sts:AssumeRole", "sts:SetSourceIdentity", "iam:SimulatePrincipalPolicy")
			p.update(func(r *api.IntegrationRequest) { r.SessionTags = true })
		},
		code: "platform_not_allowed", cure: runFor(testbed.PlatformAccount)},
	{name: "the server may not tag sessions, and may not ask IAM",
		arrange: func(p *patient) {
			p.may("sts:AssumeRole", "sts:SetSourceIdentity")
			p.update(func(r *api.IntegrationRequest) { r.SessionTags = true })
		},
		code: "tag_session_denied", cure: func(p *patient, hint string) {
			p.says(hint, "aws iam simulate-principal-policy")
			p.allow(statements(hint)[1])
		}},
	{name: "the server may not set a source identity, and the integration has none",
		arrange: func(p *patient) {
			p.may("sts:AssumeRole", "iam:SimulatePrincipalPolicy")
			p.update(func(r *api.IntegrationRequest) { r.SourceIdentity = new(false) })
		},
		code: "source_identity_denied", status: "warning", cure: runFor(testbed.PlatformAccount)},
	{name: "the server may not call AssumeRole, and IAM says so",
		arrange: func(p *patient) { p.may("iam:SimulatePrincipalPolicy") },
		code:    "platform_not_allowed", cure: runFor(testbed.PlatformAccount)},
	{name: "the server's own session passes tags on",
		arrange: func(p *patient) {
			p.identity.Store(p.tagged("pod"))
			p.trust(strings.Replace(p.trustPolicy(), `"sts:TagSession",`, ``, 1))
		},
		code: "tag_session_denied", cure: replaceTrust},
	{name: "the session policy of a validation does not fit",
		arrange: func(p *patient) {
			p.AWS.Inject(awssim.Fault{Action: "AssumeRole", Code: "PackedPolicyTooLarge",
				Message: "Packed policy consumes 118% of allotted space", Status: 400})
		},
		code: "packed_policy_too_large", status: "unknown", cure: again},
	{name: "a session policy that does not fit beside the tags: read-only",
		arrange: crowded, code: "session_policy_too_large", status: "warning", cure: func(p *patient, hint string) {
			p.says(hint, "rolebroker agent connect scout production --session-policy FILE")
			p.shell("", commandIn(hint, "rolebroker agent connect scout production --access"))
		}},
	{name: "a session policy that does not fit beside the tags: no tags",
		arrange: crowded, code: "session_policy_too_large", status: "warning", cure: updateIntegration},
	{name: "anything else that STS finds wrong",
		arrange: func(p *patient) {
			p.AWS.Inject(awssim.Fault{Action: "AssumeRole", Code: "MalformedPolicyDocument",
				Message: "This policy contains invalid Json", Status: 400})
		},
		code: "rejected", cure: func(p *patient, hint string) {
			p.says(hint, "rolebroker integration setup production")
			p.AWS.ClearFaults()
		}},
	{name: "throttling",
		arrange: func(p *patient) {
			f := awssim.Throttle()
			f.Action = "AssumeRole"
			p.AWS.Inject(f)
		},
		code: "throttled", status: "unknown", cure: again},
	{name: "throttling of the calls that would show that the role is open",
		arrange: func(p *patient) {
			p.trust(testbed.Trust(testbed.PlatformAccount))
			f := awssim.Throttle()
			f.Action, f.Times = "AssumeRole", 2
			p.AWS.Inject(f)
		},
		code: "throttled", status: "unknown", cured: "warning", cure: again},
	{name: "an STS that is down",
		arrange: func(p *patient) { p.AWS.Inject(awssim.Fail(503)) },
		code:    "unreachable", status: "unknown", cure: again},
	{name: "connections that break",
		arrange: func(p *patient) { p.AWS.Inject(awssim.Drop()) },
		code:    "unreachable", status: "unknown", cure: again},
	{name: "a role that a runner assumes",
		arrange: func(p *patient) { p.update(func(r *api.IntegrationRequest) { r.AssumptionMode = "cluster" }) },
		code:    "cluster_mode", status: "unknown", cure: func(p *patient, hint string) {
			p.says(hint, "the runner in your cluster")
			p.update(func(r *api.IntegrationRequest) { r.AssumptionMode = "platform" })
		}},
}

// crowded gives an agent a session policy that leaves no space for session tags, and then the tags.
func crowded(p *patient) {
	p.Agent("scout", "production")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":"s3:` +
		strings.Repeat("x", 1940) + `"}]}`
	_, err := p.Admin.Limit(p.t.Context(), "scout", "production",
		api.LimitsRequest{Access: "policy", SessionPolicy: api.Policy(policy)}, "")
	p.must(err)
	p.update(func(r *api.IntegrationRequest) { r.SessionTags = true })
}

func ahead(p *patient) {
	p.rotate("start", false)
	p.trust(strings.Replace(p.trustPolicy(), p.in().ExternalID, p.in().NextExternalID, 1))
}

// The cures.

func renewIdentity(p *patient, _ string) { p.identity.Store(&p.Operator) }

func again(p *patient, hint string) {
	p.AWS.ClearFaults()
	p.shell("", commandIn(hint, "rolebroker integration validate")+" || true")
}

func updateIntegration(p *patient, hint string) {
	p.shell("", commandIn(hint, "rolebroker integration update"))
}

// runFor runs the hint's AWS command as an administrator of an account.
func runFor(account string) func(*patient, string) {
	return func(p *patient, hint string) { p.shell(account, commandIn(hint, "aws iam put-")) }
}

// addStatement adds the hint's statement to the trust policy.
func addStatement(p *patient, hint string) {
	p.says(hint, "statement")
	var policy struct {
		Version   string
		Statement []json.RawMessage
	}
	role, _ := p.AWS.Account(p.account).Role(p.role)
	var old struct{ Statement json.RawMessage }
	p.must(json.Unmarshal([]byte(role.TrustPolicy), &old))
	policy.Version, policy.Statement = "2012-10-17", []json.RawMessage{old.Statement,
		json.RawMessage(statements(hint)[0])}
	text, err := json.Marshal(policy)
	p.must(err)
	p.paste(string(text))
}

// replaceTrust makes the hint's statement the only one in the trust policy.
func replaceTrust(p *patient, hint string) {
	p.paste(`{"Version":"2012-10-17","Statement":[` + statements(hint)[0] + `]}`)
}

// newRole creates a role with the hint's trust policy and uses it.
func newRole(p *patient, hint string) {
	p.shell(testbed.CustomerAccount,
		"aws iam create-role --role-name Agents --assume-role-policy-document '"+statements(hint)[0]+"'")
	p.shell("", "rolebroker integration update production --validate skip --set-role "+
		"name=readonly,arn=arn:aws:iam::"+testbed.CustomerAccount+":role/Agents")
}

// patient is a testbed with one role, which can be assumed until a test changes that.
type patient struct {
	*testbed.Testbed
	t             *testing.T
	here          *tools
	identity      atomic.Pointer[awssim.Credentials] // of the server
	offset        atomic.Int64                       // of AWS's clock
	account, role string                             // the role whose trust policy matters
	how           client.Validating
}

const (
	iamRole = "Reader"
	roleARN = "arn:aws:iam::" + testbed.CustomerAccount + ":role/" + iamRole
)

func newPatient(t *testing.T, here *tools) *patient {
	p := &patient{t: t, here: here, account: testbed.CustomerAccount, role: iamRole}
	simulated := awssim.New(awssim.Options{Now: func() time.Time {
		return time.Now().Add(
			time.Duration(p.offset.Load()))
	}})
	p.Testbed = testbed.New(t, &testbed.Options{Empty: true, AWS: simulated,
		Identity: aws.CredentialsProviderFunc(p.credentials)})
	p.identity.Store(&p.Operator)
	simulated.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: iamRole,
		TrustPolicy: testbed.Trust(testbed.PlatformAccount)})
	p.offset.Store(int64(-3 * time.Hour)) // the server has existed for a while
	simulated.Account(testbed.PlatformAccount).CreateRole(awssim.Role{Name: "instance",
		Policies: map[string]string{"all": awssim.AllowAll},
		TrustPolicy: `{"Version": "2012-10-17", "Statement":
			{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}`})
	p.offset.Store(0)
	_, err := p.Admin.CreateIntegration(t.Context(), api.IntegrationRequest{Name: "production", DefaultRole: "readonly",
		Roles: []api.RoleRequest{{Name: "readonly", ARN: roleARN, Region: "eu-south-2"}}}, api.ValidateSkip)
	p.must(err)
	p.trust(p.trustPolicy())
	if v := p.validate(); v.Status != "assumable" {
		t.Fatalf("the role is not well to begin with: %+v", v)
	}
	return p
}

// credentials returns the server's own credentials.
func (p *patient) credentials(context.Context) (aws.Credentials, error) {
	key := p.identity.Load()
	if key == nil || key.AccessKeyID == "" {
		return aws.Credentials{}, errors.New("there are none")
	}
	return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey,
		SessionToken: key.SessionToken}, nil
}

// sessionOf returns credentials that EC2 issued some time ago.
func (p *patient) sessionOf(role string, ago time.Duration) *awssim.Credentials {
	p.offset.Store(int64(ago))
	defer p.offset.Store(0)
	key, err := p.AWS.Account(testbed.PlatformAccount).ServiceSession(
		awssim.ServiceSession{Service: "ec2.amazonaws.com", Role: role, SessionName: "i-0abc"})
	p.must(err)
	return &key
}

// tagged returns a session of a role that passes a tag on, as one of EKS Pod Identity does.
func (p *patient) tagged(role string) *awssim.Credentials {
	account := p.AWS.Account(testbed.PlatformAccount)
	account.CreateRole(awssim.Role{Name: role, Policies: map[string]string{"all": awssim.AllowAll},
		TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":` +
			`"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}}`})
	key, err := account.ServiceSession(awssim.ServiceSession{Service: "pods.eks.amazonaws.com", Role: role,
		Tags: map[string]string{"kubernetes-namespace": "rolebroker"}, Transitive: []string{"kubernetes-namespace"}})
	p.must(err)
	return &key
}

func (p *patient) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *patient) says(hint, what string) {
	p.t.Helper()
	if !strings.Contains(hint, what) {
		p.t.Errorf("the hint does not say %q:\n%s", what, hint)
	}
}

func (p *patient) in() api.Integration {
	in, err := p.Admin.Integration(p.t.Context(), "production")
	p.must(err)
	return in
}

// validate returns the result for the role, and checks that the server stores it.
func (p *patient) validate() api.RoleValidation {
	p.t.Helper()
	answer, err := p.Admin.ValidateIntegration(p.t.Context(), "production", p.how)
	p.must(err)
	if answer.OK != (answer.Roles[0].Status == "assumable" || answer.Roles[0].Status == "warning") {
		p.t.Errorf("ok is %t for %s", answer.OK, answer.Roles[0].Status)
	}
	kept := p.in().Roles[0].Validation
	if answer.Roles[0].Status != "unknown" && (kept == nil || kept.Code != answer.Roles[0].Code ||
		kept.Hint != answer.Roles[0].Hint) {
		p.t.Errorf("what is kept is %+v", kept)
	}
	return answer.Roles[0]
}

// statement returns a statement that lets the server assume the role.
func (p *patient) statement() string {
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},`+
		`"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],`+
		`"Condition":{"StringEquals":{"sts:ExternalId":%q}}}`,
		testbed.PlatformAccount, p.in().ExternalID)
}

func (p *patient) trustPolicy() string {
	return `{"Version":"2012-10-17","Statement":[` + p.statement() + `]}`
}

// trust sets the trust policy of the role.
func (p *patient) trust(policy string) {
	p.AWS.Account(p.account).SetTrustPolicy(p.role, policy)
}

// paste sets the trust policy as the owner of the role, through the API of IAM, which
// refuses an invalid one.
func (p *patient) paste(policy string) {
	p.t.Helper()
	key := p.AWS.Account(p.account).AdminKey()
	owner := iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &p.AWSURL,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")})
	_, err := owner.UpdateAssumeRolePolicy(p.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &p.role,
		PolicyDocument: &policy})
	p.must(err)
}

// allow adds a statement to the permissions of the server.
func (p *patient) allow(statement string) {
	p.t.Helper()
	p.shell(testbed.PlatformAccount,
		`aws iam put-user-policy --user-name rolebroker --policy-name given --policy-document `+
			`'{"Version":"2012-10-17","Statement":`+statement+`}'`)
}

// may makes these actions all that the server may do.
func (p *patient) may(actions ...string) {
	p.AWS.Account(testbed.PlatformAccount).SetUserPolicy("rolebroker", "rolebroker",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*","Action":["`+
			strings.Join(actions, `","`)+`"]}}`)
}

// own makes the integration use a role of the platform's own account.
func (p *patient) own(name, policy string) {
	p.AWS.Account(testbed.PlatformAccount).CreateRole(awssim.Role{Name: name, TrustPolicy: policy})
	p.account, p.role = testbed.PlatformAccount, name
	p.setARN("arn:aws:iam::" + testbed.PlatformAccount + ":role/" + name)
}

func (p *patient) setARN(arn string) {
	p.update(func(r *api.IntegrationRequest) { r.Roles[0].ARN = arn })
}

func (p *patient) update(change func(*api.IntegrationRequest)) {
	p.t.Helper()
	in := p.in()
	request := api.IntegrationRequest{Name: in.Name, DefaultRole: in.DefaultRole, AssumptionMode: in.AssumptionMode,
		Roles: []api.RoleRequest{{Name: in.Roles[0].Name, ARN: in.Roles[0].ARN, Region: in.Roles[0].Region}}}
	change(&request)
	_, err := p.Admin.UpdateIntegration(p.t.Context(), "production", request, "", api.ValidateSkip)
	p.must(err)
}

func (p *patient) rotate(step string, force bool) {
	p.t.Helper()
	_, err := p.Admin.RotateExternalID(p.t.Context(), "production", api.Rotation{Step: step, Force: force})
	p.must(err)
}

// shell runs a script with the keys of an administrator of an AWS account and with
// the admin key of the server.
func (p *patient) shell(account, script string) {
	p.t.Helper()
	if out, err := p.command(account, script).CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

func (p *patient) mustFail(account, script string) {
	p.t.Helper()
	if out, err := p.command(account, script).CombinedOutput(); err == nil {
		p.t.Errorf("%s goes well:\n%s", script, out)
	}
}

func (p *patient) command(account, script string) *exec.Cmd {
	shell := exec.Command("bash", "-c", script)
	shell.Env = append(withoutAWS(os.Environ()), "HOME="+p.t.TempDir(), "PATH="+p.here.bin+":"+os.Getenv("PATH"),
		"ROLEBROKER_URL="+p.URL, "ROLEBROKER_TOKEN="+p.AdminKey.Reveal(), "AWS_ENDPOINT_URL="+p.AWSURL,
		"AWS_DEFAULT_REGION=us-east-1")
	if account != "" {
		key := p.AWS.Account(account).AdminKey()
		shell.Env = append(shell.Env, "AWS_ACCESS_KEY_ID="+key.AccessKeyID,
			"AWS_SECRET_ACCESS_KEY="+key.SecretAccessKey)
	}
	return shell
}

var statementPattern = regexp.MustCompile(`(?ms)^\{$.*?^\}$`)

// statements returns the statements and policies in a hint.
func statements(hint string) []string { return statementPattern.FindAllString(hint, -1) }

// commandIn returns the command in a hint that begins with these words.
func commandIn(hint, begins string) string {
	for line := range strings.Lines(hint) {
		if text, ok := strings.CutPrefix(line, "  "); ok && strings.HasPrefix(text, begins) {
			return strings.TrimSpace(text)
		}
	}
	return "false # there is no command " + begins
}
