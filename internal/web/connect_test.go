package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

const account = testbed.CustomerAccount

// arn is the ARN of a role in the customer's account.
func arn(name string) string { return "arn:aws:iam::" + account + ":role/" + name }

// empty is an empty deployment.
func empty(t testing.TB) *testbed.Testbed {
	t.Helper()
	return testbed.New(t, &testbed.Options{Empty: true})
}

// People sign in with an API key, or by a link that works once.
func TestSigningIn(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	p := somebody(t, tb)
	p.opens("/agents/new?integration=none")
	p.fills("API key", "rba_nobody")
	p.presses("Sign in")
	p.arrives("Sign in")
	p.findsFault("API key", "The API key is not known here, and does not have the form of one")
	p.fills("API key", tb.AdminKey.Reveal())
	p.presses("Sign in")
	p.arrives("New Agent") // where they wanted to go
	p.presses("Sign out")
	p.arrives("Sign in")

	link := tb.SignInLink()
	p.opens(link) // which some mail program may do too
	p.opens(link)
	p.presses("Sign in")
	p.arrives("Overview")
	p.presses("Sign out")
	p.arrives("Sign in")
	p.opens(link)
	p.presses("Sign in")
	p.arrives("Sign in")
	p.findsFault("API key", "This link was used already, or is too old.")
}

// The first page is small, with its style sheet, scripts and icon.
func TestTheFirstPageIsSmall(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.until("loading all of it", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		all, files := 0.0, 0
		for address, size := range p.received {
			all += size
			if strings.HasPrefix(address, "/static/") {
				files++
			}
		}
		if files < 4 || p.received["/"] == 0 {
			return fmt.Errorf("so far these were loaded: %v", p.received)
		}
		if all > 60_000 {
			t.Errorf("the first page is %.0f bytes: %v", all, p.received)
		}
		return nil
	})
}

// The five steps, from an empty deployment to an agent that has the role.
func TestConnectingAWS(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	p := admin(t, tb)
	connect(p)

	// The agent gets the roles, and by default the default role.
	token := p.makesToken("laptop")
	borrows(t, tb, token, "", "/PaymentsDeploy/scout")
	borrows(t, tb, token, "readonly", "/PaymentsRead/scout")
	p.presses("I have it, back to scout")
	p.arrives("scout enabled")
	p.sees("readonly", "in use", "What it holds now")
	p.seesNot(token.Reveal())
	p.presses("More")
	p.presses("Sessions of scout")
	p.arrives("Sessions")
	p.sees("payments/deployer", "payments/readonly", "live")
}

// connect takes the five steps. It works with and without scripts.
func connect(p *person) {
	p.Helper()
	// Step 1: decide. The platform is recommended, and chosen.
	p.presses("Connect AWS")
	p.arrives("Connect AWS")
	p.fills("Name", "payments")
	p.fills("Description", "What the payments team runs")
	p.findsTicked("The platform", true)

	// Step 2: configure AWS, with exactly what the page says.
	p.presses("Trust policy")
	trust := p.reads("Trust policy")
	for _, name := range []string{"PaymentsRead", "PaymentsDeploy"} {
		p.tb.AWS.Account(account).CreateRole(awssim.Role{Name: name, TrustPolicy: trust})
	}

	// Step 3: add the roles.
	p.opened(0).fills("Name", "readonly")
	p.opened(0).fills("Role ARN", arn("PaymentsRead"))
	p.opened(0).fills("Region", "us-east-1")
	p.presses("Add Role")
	p.opened(1).fills("Name", "deployer")
	p.opened(1).fills("Role ARN", arn("PaymentsDeploy"))
	p.opened(1).fills("Region", "eu-west-1")
	p.finds("Name", "payments")
	p.opened(0).finds("Role ARN", arn("PaymentsRead"))

	// Step 4: validate.
	p.presses("Validate")
	p.role(0).sees("assumable")
	p.role(1).sees("assumable")
	p.sees("All 2 selected roles can be assumed.")

	// Step 5: choose the default, and finish.
	p.role(0).findsTicked("Select", true)
	p.role(1).findsTicked("Select", true)
	p.chooses("Default role", "deployer")
	p.presses("Create Integration")
	p.arrives("payments")
	p.sees("Created.", "No agent borrows from it yet.")
	p.line("readonly").sees("assumable")
	p.line("deployer").sees("assumable", "default")

	// Connect it to an agent, from its page.
	p.presses("New Agent")
	p.arrives("New Agent")
	p.ticks("Everything the roles allow")
	p.sees("payments", "asks nobody")
	p.fills("Name", "scout")
	p.presses("Create Agent")
	p.arrives("scout enabled")
	p.sees("deployer", "readonly", "It has no token yet")
}

// makesToken creates a token on the page of the agent scout.
func (p *person) makesToken(label string) rolebroker.Secret {
	p.Helper()
	p.presses("Create Token")
	p.eventually("the page of the tokens", "!window.before && ready()")
	p.fills("Label", label)
	p.presses("Create Token")
	p.arrives("New token of scout")
	token := rolebroker.NewSecret(strings.TrimSpace(p.reads("Token")))
	p.tb.HandedOut(token)
	return token
}

// borrows borrows a role, and asks AWS for the identity of the credentials.
func borrows(t testing.TB, tb *testbed.Testbed, token rolebroker.Secret, role, session string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lent, err := tb.Client(token).Credentials(ctx, role, "")
	if err != nil {
		t.Fatal(err)
	}
	me, err := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(tb.AWSURL),
		Credentials: credentials.NewStaticCredentialsProvider(lent.AccessKeyID, lent.SecretAccessKey.Reveal(),
			lent.Token.Reveal())}).GetCallerIdentity(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(me.Arn); !strings.HasSuffix(got, session) {
		t.Errorf("the credentials are of %s, not of %s", got, session)
	}
}

// typesRole fills in the fields of a role.
func (p *person) typesRole(i int, name, iamName, region string) {
	p.Helper()
	p.opened(i).fills("Name", name)
	p.opened(i).fills("Role ARN", arn(iamName))
	p.opened(i).fills("Region", region)
}

// begins begins a new integration.
func (p *person) begins(name string) {
	p.Helper()
	p.opens("/integrations/new")
	p.presses("Add AWS")
	p.arrives("Connect AWS")
	p.fills("Name", name)
}

// The page shows each outcome as it arrives, while AWS is still slow with another.
func TestOutcomesAreShownAsTheyArrive(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	p := admin(t, tb)
	p.begins("payments")
	p.typesRole(0, "slow", "Tester", "us-east-1")
	p.presses("Add Role")
	p.typesRole(1, "quick", "ReadOnly", "us-east-1")
	slow := awssim.Slow(2 * time.Second)
	slow.Action, slow.RoleARN, slow.Times = "AssumeRole", arn("Tester"), 1
	tb.AWS.Inject(slow)
	p.presses("Validate")
	p.eventually("one outcome is there before the other",
		"text('#role-0').includes('checking') && /not locked|assumable/.test(text('#role-1'))")
	p.sees("1 of 2 validated")
	p.role(0).sees("works, not locked") // its trust policy requires no external ID
}

// The form of an integration in cluster mode says that a runner tries the roles. Without one, Validate says so.
func TestConnectingAWSForACluster(t *testing.T) {
	t.Parallel()
	p := admin(t, empty(t))
	p.begins("edge")
	p.seesNot("The runner in your cluster tries these roles")
	p.ticks("Your cluster")
	p.sees("The runner in your cluster tries these roles: when you press Validate")
	p.sees("Add your cluster’s OpenID Connect issuer to IAM") // the setup has followed
	p.typesRole(0, "readonly", "ReadOnly", "us-east-1")
	p.presses("Validate")
	p.role(0).sees("by the cluster", "The role is assumed in your cluster")
	p.sees("No agent gets these roles until you choose a runner.")
	p.presses("Create Integration")
	p.arrives("edge")
	p.sees("Created.", "No agent gets its roles until you choose a runner.", "a cluster, without a runner yet")
}

// A role that fails is red, with the cause and the fix. The fix works.
func TestARoleThatFails(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	customer := tb.AWS.Account(account)
	p := admin(t, tb)
	p.begins("payments")
	p.presses("Trust policy")
	customer.CreateRole(awssim.Role{Name: "Good", TrustPolicy: p.reads("Trust policy")})
	customer.CreateRole(awssim.Role{Name: "Bad", TrustPolicy: testbed.Trust("999988887777")})
	p.typesRole(0, "good", "Good", "us-east-1")
	p.presses("Add Role")
	p.typesRole(1, "bad", "Bad", "us-east-1")
	p.presses("Validate")
	p.role(0).sees("assumable")
	p.role(1).sees("failed")
	p.sees("1 of 2 selected roles cannot be assumed yet. You can create it anyway.")
	p.eventually("the steps are not complete", "document.querySelectorAll('section.step.complete').length === 0")
	p.eventually("it is red", "getComputedStyle(document.querySelector('#role-1')).backgroundColor !== "+
		"getComputedStyle(document.querySelector('#role-0')).backgroundColor && "+
		"!!document.querySelector('#role-1 .outcome-badge .badge.bad') && !document.querySelector('#role-0 .badge.bad')")
	p.role(0).seesNot("Show the fix")
	p.role(1).presses("Show the fix")
	statement := p.role(1).readsTheOneWith(`"Principal"`)
	customer.SetTrustPolicy("Bad", `{"Version": "2012-10-17", "Statement": [`+statement+`]}`)
	p.presses("Validate")
	p.role(1).sees("assumable")
	p.sees("All 2 selected roles can be assumed.")
	p.eventually("the steps are complete", "document.querySelectorAll('section.step.complete').length === 2")
	p.eventually("it is not red any more", "!document.querySelector('.role .bad, .role .outcome.bad')")
	p.presses("Create Integration")
	p.arrives("payments")
	p.line("bad").sees("assumable")
}
