package web_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/chromedp/chromedp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/runner"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// clusterAccount is the AWS account of a runner's identity.
const clusterAccount = "777788889999"

// clusterIssuer is the issuer of the service-account tokens that the runner verifies.
const clusterIssuer = "https://oidc.eks.us-east-1.amazonaws.com/id/EDGE"

// podToken is the token of the service account scout in the namespace agents.
const podToken = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"

// oneAccount knows one service account by its token.
type oneAccount struct{}

func (oneAccount) Prepare(context.Context) error { return nil }

func (oneAccount) Verify(_ context.Context, token string) (rolebroker.ServiceAccountToken, error) {
	if token != podToken {
		return rolebroker.ServiceAccountToken{}, rolebroker.Errorf(rolebroker.CodeTokenSignature, "it is not known")
	}
	account := rolebroker.ServiceAccount{Issuer: clusterIssuer, Namespace: "agents", Name: "scout"}
	return rolebroker.ServiceAccountToken{Account: account, Expires: time.Now().Add(time.Hour)}, nil
}

// joins starts a real runner with a join token, in a cluster whose AWS identity
// is a user of another account.
func joins(t testing.TB, tb *testbed.Testbed, token rolebroker.Secret) *runner.Runner {
	t.Helper()
	tb.HandedOut(token)
	key := tb.AWS.Account(clusterAccount).CreateUser("runner", awssim.AllowAll).Key
	folder := t.TempDir()
	r, err := runner.Start(context.Background(), runner.Options{
		Server: client.Options{
			URL: tb.URL,
		}, State: runner.Folder(folder), Spool: folder, JoinToken: token, Verifier: oneAccount{}, Issuer: clusterIssuer,
		Direct: sts.New(
			sts.Options{
				Endpoint:    tb.AWSURL,
				Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, ""),
			},
		),
		Grace: time.Hour, Listen: "127.0.0.1:0", Program: "1.4.0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// chooses chooses an option of a select.
func (p *person) chooses(label, option string) {
	p.Helper()
	element := "field(" + quoted(p.scope) + ", " + quoted(label) + ")"
	p.eventually(
		"choosing "+option,
		"(() => { const e = "+element+", o = e && [...e.options].find((o) => plain(o.text) === "+quoted(option)+
			"); if (!o) return false; e.value = o.value; e.dispatchEvent(new Event('input', {bubbles: true})); "+
			"e.dispatchEvent(new Event('change', {bubbles: true})); return true })()",
	)
}

// findsChosen waits until an option of a select is chosen.
func (p *person) findsChosen(label, option string) {
	p.Helper()
	p.eventually(
		label+" is "+option,
		"plain(field("+quoted(p.scope)+", "+quoted(label)+")?.selectedOptions[0]?.text) === "+quoted(option),
	)
}

// seesInTime waits until a text is visible. Without scripts it reloads the page.
func (p *person) seesInTime(text string) {
	p.Helper()
	p.until("seeing "+text, func() error {
		so, err := evaluate[bool](p, "text('body').includes("+quoted(text)+")")
		if err != nil || so {
			return err
		}
		if scripted, err := evaluate[bool](p, "document.documentElement.classList.contains('scripted')"); err == nil &&
			!scripted {
			p.does("reloading", chromedp.Reload())
		}
		return errors.New("it does not say so")
	})
}

// The steps of cluster mode, from an empty deployment to a pod that has the role.
func TestConnectingAWSByACluster(t *testing.T) {
	t.Parallel()
	connectByCluster(admin(t, empty(t)))
}

// The same steps without scripts.
func TestConnectingAWSByAClusterWithoutScripts(t *testing.T) {
	t.Parallel()
	p := admin(t, empty(t))
	p.withoutScripts()
	connectByCluster(p)
}

func connectByCluster(p *person) {
	p.Helper()
	// A runner, and its token to join with.
	p.in(".side").presses("Runners")
	p.arrives("Runners")
	p.sees("A runner is for roles that trust your cluster instead.")
	p.presses("New Runner")
	p.arrives("New Runner")
	p.fills("Name", "eks")
	p.presses("Create Runner")
	p.arrives("eks")
	p.sees("waiting", "No integration names it yet.")
	p.presses("New Join Token")
	p.arrives("Join token of eks")
	token := rolebroker.NewSecret(strings.TrimSpace(p.reads("Join token")))
	p.presses("A process")
	if command := p.reads("Runner command"); !strings.Contains(command, "rolebroker runner --server "+p.tb.URL+" ") ||
		strings.Contains(command, token.Reveal()) {
		p.Errorf("the command is %s", command)
	}
	r := joins(p, p.tb, token)
	p.presses("I have it, back to eks")
	p.arrives("eks")
	p.seesNot(token.Reveal())
	p.seesInTime("arn:aws:iam::" + clusterAccount + ":user/runner")
	p.sees("connected", "1 in contact", "1.4.0", "from its AWS identity")

	// It is believed about its cluster.
	p.sees("It verifies service accounts, but the server does not believe it about them yet.")
	p.presses("Believe It")
	p.arrives("eks")
	p.sees("The server now believes the runner about the service accounts of its cluster.")
	p.seesNot("does not believe it")

	// An integration names it.
	p.begins("edge")
	p.cannotPress("Make Runner")
	p.ticks("Your cluster")
	p.sees("The runner in your cluster tries these roles: when you press Validate")
	p.chooses("Runner", "eks")
	p.opened(0).fills("Name", "inner")
	p.opened(0).fills("Role ARN", arn("Inner"))
	p.opened(0).fills("Region", "us-east-1")
	p.presses("Add Role")
	p.opened(1).fills("Name", "other")
	p.opened(1).fills("Role ARN", arn("Other"))
	p.opened(1).fills("Region", "us-east-1")
	p.findsChosen("Runner", "eks")
	p.sees("Runner eks assumes roles with its own AWS identity")
	trust := p.reads("Trust policy")
	p.tb.AWS.Account(account).CreateRole(awssim.Role{Name: "Inner", TrustPolicy: trust})
	p.tb.AWS.Account(account).CreateRole(awssim.Role{Name: "Other", TrustPolicy: testbed.Trust("999988887777")})
	p.finds("Default role", "0")

	// Validate asks the runner, before anything is saved.
	p.presses("Validate")
	p.role(0).sees("assumable")
	p.role(1).sees("failed")
	p.sees("1 of 2 selected roles cannot be assumed by runner eks yet.")
	p.presses("Create Integration")
	p.arrives("edge")
	p.sees("Created.")

	// The runner tries the roles once they are saved.
	p.seesInTime("1 failed")
	p.line("inner").sees("assumable")
	p.line("other").sees("failed", "does not let")
	p.line("inner").presses("inner")
	p.line("inner").sees("checked by runner eks")
	p.line("other").presses("other")
	p.line("other").sees("checked by runner eks", "sts:AssumeRole")
	p.presses("Edit")
	p.arrives("Edit edge")
	p.seesInTime("checked by runner eks")
	p.opened(0).sees("assumable", "checked by runner eks")
	p.role(1).sees("failed", "checked by runner eks")
	p.sees("1 of 2 selected roles cannot be assumed by runner eks yet.")
	p.role(1).presses("Show the fix")
	p.tb.AWS.Account(account).SetTrustPolicy("Other", trust)
	p.opens("/integrations")
	p.sees("cluster", "runner eks", "1 failed", "by runner eks,")

	// An agent, and the service account that it is.
	p.presses("edge")
	p.arrives("edge")
	p.presses("New Agent")
	p.arrives("New Agent")
	p.ticks("Everything the roles allow")
	p.fills("Name", "scout")
	p.presses("Create Agent")
	p.arrives("scout enabled")
	p.sees("by runner eks", "This server lends none of its roles.")
	p.presses("Bind Service Account")
	p.arrives("scout enabled")
	p.finds("Issuer of the cluster", clusterIssuer)
	p.fills("Namespace", "Agents")
	p.fills("Service account", "scout")
	p.presses("Bind")
	p.arrives("scout enabled")
	p.findsFault("Namespace", "is not a Kubernetes name")
	p.fills("Namespace", "agents")
	p.presses("Bind")
	p.arrives("scout enabled")
	p.sees("Bound. Pods that run as the service account now borrow the agent’s roles.", "agents/scout")
	if pod := p.readsTheOneWith("audience: rolebroker"); !strings.Contains(pod, "serviceAccountName: scout") ||
		!strings.Contains(pod, "AWS_CONTAINER_CREDENTIALS_FULL_URI") {
		p.Errorf("its pod is %s", pod)
	}

	// A pod borrows.
	c, err := client.New(client.Options{URL: r.URL(), Token: rolebroker.NewSecret(podToken)})
	p.must("being a client", err)
	lent, err := c.Credentials(context.Background(), "", "")
	p.must("borrowing", err)
	if lent.RoleARN != arn("Inner") {
		p.Errorf("lent is %s", lent.RoleARN)
	}
	p.opens("/sessions?paused=on")
	p.sees("edge/inner", "assumed by runner eks", "live")

	// It cannot be deleted while it is needed, and the account can be unbound.
	p.opens("/runners")
	p.presses("eks")
	p.arrives("eks")
	p.presses("Edit")
	p.presses("Delete Runner")
	p.arrives("eks cannot be deleted")
	p.cannotPress("Delete Runner")
	p.opens("/agents/scout/tokens")
	p.presses("Unbind agents/scout")
	p.in(".confirm[open]").presses("Unbind")
	p.arrives("scout enabled")
	p.sees("Unbound.")
	if _, err := c.Credentials(context.Background(), "", ""); rolebroker.CodeOf(err) == "" {
		p.Error("the pod still borrows")
	}
}

// Creating a runner in the form keeps everything that was typed.
func TestCreatingARunnerInTheForm(t *testing.T) {
	t.Parallel()
	p := admin(t, empty(t))
	p.begins("edge")
	p.fills("Description", "What I typed")
	p.ticks("Your cluster")
	p.typesRole(0, "inner", "Inner", "us-east-1")
	p.fills("New runner", "eks")
	p.presses("Create Integration")
	p.findsFault("New runner", "Press Make Runner first, or empty this.")
	p.fills("New runner", "not a name")
	p.presses("Make Runner")
	p.findsFault("New runner", "not a name")
	p.fills("New runner", "eks")
	p.presses("Make Runner")
	p.findsChosen("Runner", "eks")
	p.eventually("the choice has the focus", "document.activeElement.id === 'runner'")
	p.sees("eks has not joined.")
	p.finds("Description", "What I typed")
	p.opened(0).finds("Role ARN", arn("Inner"))
	p.presses("Create Integration")
	p.arrives("edge")
	p.line("inner").sees("not checked")
	p.line("inner").presses("inner")
	p.line("inner").sees("Not checked yet: runner eks has not joined.")
	p.presses("Edit")
	p.arrives("Edit edge")
	p.role(0).sees("not checked", "Not checked yet: runner eks has not joined.")
	p.sees("Runner eks tries the roles once they are saved, or now with Validate.")
	p.findsChosen("Runner", "eks")

	// What one can assume says nothing of another.
	p.chooses("Runner", "none yet")
	p.sees("A runner assumes the roles in your cluster.")
	p.sees("No agent gets these roles until you choose a runner.")
	p.role(0).seesNot("not checked")
	p.presses("Update Integration")
	p.arrives("edge")
	p.sees("No agent gets its roles until you choose a runner.")
	p.opens("/integrations")
	p.sees("no runner")
}
