package lend_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/sts"
)

// The accounts of the simulated AWS.
const (
	platformAccount = "111122223333"
	customerAccount = "444455556666"
)

// admin arranges the world.
var admin = rolebroker.Caller{APIKey: "key_test", Name: "test", Access: rolebroker.KeyAdmin}

// world is a lender on a real SQLite store and a simulated AWS, with no
// sockets, so that it can live in a synctest bubble. It has the integrations
// production (readonly, the default; deployer; off, which is disabled) and
// staging (readonly, the default; tester), and the agent scout, connected to
// production.
type world struct {
	testing.TB
	ctx    context.Context
	aws    *awssim.AWS
	store  *store.Store
	lender *lend.Lender
	broker *broker.Broker
	scout  rolebroker.Caller
}

func newWorld(t testing.TB, change ...func(*lend.Options)) *world {
	t.Helper()
	w := &world{TB: t, ctx: t.Context(), aws: awssim.New(awssim.Options{})}
	operator := w.aws.Account(platformAccount).CreateUser("rolebroker", awssim.AllowAll)
	for _, name := range []string{"ReadOnly", "Deployer", "Off", "Tester"} {
		w.aws.Account(customerAccount).CreateRole(awssim.Role{
			Name: name, MaxSessionDuration: 12 * time.Hour, TrustPolicy: trusting(platformAccount),
		})
	}
	var err error
	if w.store, err = store.Open(w.ctx, store.Options{Database: storetest.SQLite(t)}); err != nil {
		t.Fatal(err)
	}
	client := sts.New(sts.Options{
		Endpoint: "http://sts.simulated", HTTPClient: w.aws.HTTPClient(),
		Credentials: provider(operator.Key.AccessKeyID, operator.Key.SecretAccessKey, ""),
	})
	opts := lend.Options{Records: w.store, Assumer: client}
	for _, c := range change {
		c(&opts)
	}
	w.lender = lend.New(opts)
	w.broker = broker.New(broker.Options{Store: w.store, STS: client, Lender: w.lender})
	t.Cleanup(w.close)
	w.arrange()
	return w
}

var provider = credentials.NewStaticCredentialsProvider

func (w *world) close() {
	if err := w.lender.Close(context.WithoutCancel(w.ctx)); err != nil {
		w.Error(err)
	}
	if err := w.store.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) arrange() {
	w.integration("production",
		role("readonly", "ReadOnly"), role("deployer", "Deployer"), disabled(role("off", "Off")))
	w.integration("staging", role("readonly", "ReadOnly"), role("tester", "Tester"))
	w.scout = w.agent("scout", "production")
}

func trusting(account string) string {
	return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": {"AWS": "` + account + `"}}}`
}

func role(name, iamName string) rolebroker.Role {
	arn, err := rolebroker.ParseRoleARN("arn:aws:iam::" + customerAccount + ":role/" + iamName)
	if err != nil {
		panic(err)
	}
	return rolebroker.Role{Name: name, ARN: arn, Region: "us-east-1", Enabled: true}
}

func disabled(r rolebroker.Role) rolebroker.Role { r.Enabled = false; return r }

func (w *world) integration(name string, roles ...rolebroker.Role) *rolebroker.Integration {
	w.Helper()
	in, err := w.broker.CreateIntegration(w.ctx, admin, rolebroker.Integration{
		Enabled: true, Name: name, AssumptionMode: rolebroker.ModePlatform, DefaultRole: roles[0].Name, Roles: roles,
	}, rolebroker.ValidateSkip.Saving())
	if err != nil {
		w.Fatal(err)
	}
	return in
}

// agent makes an agent with a token, and returns the caller with that token.
func (w *world) agent(name string, integrations ...string) rolebroker.Caller {
	w.Helper()
	a, err := w.broker.CreateAgent(w.ctx, admin, broker.AgentSpec{Name: name, Connections: broker.ConnectTo(integrations...)})
	if err != nil {
		w.Fatal(err)
	}
	token, _, err := w.broker.CreateToken(w.ctx, admin, name, broker.TokenSpec{})
	if err != nil {
		w.Fatal(err)
	}
	return rolebroker.Caller{Agent: a.ID, Token: token.ID}
}

func (w *world) lend(reference string) (*rolebroker.Loan, error) {
	return w.lender.Lend(w.ctx, w.scout, rolebroker.Request{Role: reference})
}

func (w *world) mustLend(reference string) *rolebroker.Loan {
	w.Helper()
	loan, err := w.lend(reference)
	if err != nil {
		w.Fatalf("lending %q: %v", reference, err)
	}
	return loan
}

// refuses checks the code of a refusal, and returns its message.
func (w *world) refuses(reference string, code rolebroker.Code) string {
	w.Helper()
	loan, err := w.lend(reference)
	if err == nil {
		w.Fatalf("lending %q gave %s", reference, loan.Role.ARN)
	}
	if got := rolebroker.CodeOf(err); got != code {
		w.Errorf("lending %q is refused as %s, want %s: %v", reference, got, code, err)
	}
	return err.Error()
}

// identity asks AWS who the credentials belong to.
func (w *world) identity(c rolebroker.Credentials) string {
	w.Helper()
	client := awssts.New(awssts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sts.simulated"), HTTPClient: w.aws.HTTPClient(),
		Credentials: provider(c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal()),
	})
	out, err := client.GetCallerIdentity(w.ctx, &awssts.GetCallerIdentityInput{})
	if err != nil {
		w.Fatal(err)
	}
	return aws.ToString(out.Arn)
}

func (w *world) sessions() []rolebroker.Session {
	w.Helper()
	sessions, err := w.broker.Sessions(w.ctx, admin, rolebroker.SessionFilter{}, rolebroker.Page{Limit: 500})
	if err != nil {
		w.Fatal(err)
	}
	return sessions
}

// together calls do n times at once and waits for all.
func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}
