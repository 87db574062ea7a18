package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// approvalWorld is a testbed whose clock, and that of the simulated AWS, the test moves. The agent builder may borrow the
// role worker of the integration work, which may do everything, once a person approves.
type approvalWorld struct {
	*testing.T
	*testbed.Testbed
	clock   *clock
	options testbed.Options
	builder *client.Client
	token   rolebroker.Secret
	alice   *client.Client
}

func newApprovalWorld(t *testing.T, database string, limits api.LimitsRequest) *approvalWorld {
	t.Helper()
	key := rolebroker.NewSecret("an admin key that outlives a server")
	w := &approvalWorld{T: t, clock: newClock(), options: testbed.Options{Database: database,
		Config: func(cfg *config.Server) { cfg.AdminKey = key }}}
	w.start()
	w.Integration("work", w.Role("worker", "Worker", "us-east-1"))
	w.token = w.Agent("builder", "work")
	limits.Approval = "borrow"
	if _, err := w.Admin.Limit(t.Context(), "builder", "work", limits, ""); err != nil {
		t.Fatal(err)
	}
	w.builder, w.alice = w.Client(w.token), approver(t, w.Testbed)
	return w
}

// start starts a server on the database, and a simulated AWS.
func (w *approvalWorld) start() {
	w.options.Now, w.options.AWS = w.clock.Now, awssim.New(awssim.Options{Now: w.clock.Now})
	w.Testbed = testbed.New(w.T, &w.options)
	w.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: "Worker",
		TrustPolicy: testbed.Trust(testbed.PlatformAccount), Policies: map[string]string{"all": awssim.AllowAll}})
}

// approves has the agent ask for a task, and alice approve it for so long.
func (w *approvalWorld) approves(task, duration string) api.AccessRequest {
	w.Helper()
	asked, err := w.builder.RequestAccess(w.Context(), api.AccessRequestRequest{Reason: "a build", Task: task,
		Duration: "1h"})
	if err != nil {
		w.Fatal(err)
	}
	granted, err := w.alice.ApproveRequest(w.Context(), asked.ID, api.ApproveRequest{Duration: duration})
	if err != nil {
		w.Fatal(err)
	}
	return granted
}

// lends checks that the agent is lent the role for a task.
func (w *approvalWorld) lends(task string) *client.Credentials {
	w.Helper()
	lent, err := w.builder.Credentials(w.Context(), "", task)
	if err != nil {
		w.Fatal(err)
	}
	return lent
}

// refusesToLend checks that a person has to approve first.
func (w *approvalWorld) refusesToLend(task string, says ...string) {
	w.Helper()
	_, err := w.builder.Credentials(w.Context(), "", task)
	refuses(w.T, err, rolebroker.CodeApproval, says...)
}

// call lists the DynamoDB tables with credentials, as a client does whose clock is right.
func (w *approvalWorld) call(c *client.Credentials) string {
	w.Helper()
	const body = "{}"
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.AWSURL, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey.Reveal(),
		SessionToken: c.Token.Reveal()}
	if err := v4.NewSigner().SignHTTP(w.Context(), keys, req, hex.EncodeToString(sum[:]), "dynamodb", "us-east-1",
		w.clock.Now()); err != nil {
		w.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

// run runs a program that finds credentials where every AWS SDK looks, for a task.
func (w *approvalWorld) run(task string, command ...string) (string, error) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.TempDir(), "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
		"AWS_MAX_ATTEMPTS=1", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL=" + w.AWSURL,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + w.URL + "/v1/credentials?task=" + task,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=" + w.token.Reveal()}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var (
	awsCLI = []string{"aws", "dynamodb", "list-tables", "--output", "json"}
	boto3  = []string{"python3", "-c", "import boto3; print(boto3.client('dynamodb').list_tables())"}
)

// A person approves ten minutes of what an agent asked an hour for. The clock starts then. The agent has the role for that
// task, with one session, until the end; then the next request is refused, and AWS refuses the keys that it has, though
// STS made them for longer. A restart in between changes nothing.
func TestAGrantIsUsedAndEnds(t *testing.T) {
	for name, c := range map[string]struct {
		database func(testing.TB) string
		program  []string
	}{"sqlite": {storetest.SQLite, awsCLI}, "postgres": {storetest.Postgres, boto3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newApprovalWorld(t, c.database(t), api.LimitsRequest{})
			w.refusesToLend("release", "rolebroker request work/worker --task release --reason REASON --wait 10m")
			asked, err := w.builder.RequestAccess(t.Context(), api.AccessRequestRequest{Reason: "a build", Task: "release"})
			if err != nil {
				t.Fatal(err)
			}
			w.refusesToLend("release", asked.ID)
			w.clock.advance(4 * time.Minute)
			granted := w.approves("release", "10m")
			end := w.clock.Now().Add(10 * time.Minute)
			if granted.ID != asked.ID || granted.EndsAt == nil || !granted.EndsAt.Equal(end) {
				t.Errorf("the grant is %+v, want one until %s", granted, end)
			}

			lent := w.lends("release")
			if !lent.Expiration.Equal(end) {
				t.Errorf("the credentials expire at %s, want %s", lent.Expiration, end)
			}
			if out, err := w.run("release", c.program...); err != nil {
				t.Errorf("%v is not lent the role: %s", c.program, out)
			}
			w.refusesToLend("")
			w.refusesToLend("another")

			w.Stop() // and another server on the same database goes on
			w.options.Empty = true
			w.start()
			w.builder = w.Client(w.token)
			lent = w.lends("release")
			w.clock.advance(10*time.Minute - time.Second)
			if again := w.lends("release"); again.AccessKeyID != lent.AccessKeyID {
				t.Error("a second before the end it is lent other credentials: each renewal would last shorter")
			}
			if answer := w.call(lent); !strings.Contains(answer, "TableNames") {
				t.Errorf("a second before the end AWS answers %s", answer)
			}
			w.clock.advance(time.Second)
			w.refusesToLend("release")
			if answer := w.call(lent); !strings.Contains(answer, "AccessDenied") {
				t.Errorf("at the end AWS answers %s", answer)
			}
			if out, err := w.run("release", c.program...); err == nil || !strings.Contains(out, "approval_required") {
				t.Errorf("at the end: %v %s", err, out)
			}
		})
	}
}

// The record of a session names the approval, and ends with it.
func TestASessionNamesItsApproval(t *testing.T) {
	w := newApprovalWorld(t, "", api.LimitsRequest{})
	granted := w.approves("release", "10m")
	w.lends("release")
	sessions, err := w.Admin.Sessions(t.Context(), api.SessionFilter{Agent: "builder"}, client.List{})
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions.Items) != 1 || sessions.Items[0].AccessRequest != granted.ID ||
		!sessions.Items[0].ExpiresAt.Equal(*granted.EndsAt) {
		t.Errorf("the sessions are %+v", sessions.Items)
	}
	if _, err := w.alice.EndRequest(t.Context(), granted.ID); err != nil {
		t.Fatal(err)
	}
	w.refusesToLend("release")
	sessions, err = w.Admin.Sessions(t.Context(), api.SessionFilter{Agent: "builder"}, client.List{})
	if err != nil || len(sessions.Items) != 1 || sessions.Items[0].EndedBy != "alice" {
		t.Errorf("after the end the sessions are %+v: %v", sessions.Items, err)
	}
}

// Grants of two tasks do not end each other. A denial says why. A long grant is renewed as other loans are, up to its end.
func TestGrantsOfSeveralTasks(t *testing.T) {
	w := newApprovalWorld(t, "", api.LimitsRequest{})
	short, long := w.approves("short", "10m"), w.approves("long", "")
	w.lends("short")
	first := w.lends("long")
	if _, err := w.alice.EndRequest(t.Context(), short.ID); err != nil {
		t.Fatal(err)
	}
	w.refusesToLend("short")
	if again := w.lends("long"); again.AccessKeyID != first.AccessKeyID {
		t.Error("the end of one grant ends the session of another")
	}
	w.clock.advance(59 * time.Minute)
	if again := w.lends("long"); !again.Expiration.Equal(*long.EndsAt) {
		t.Errorf("it expires at %s, want %s", again.Expiration, long.EndsAt)
	}

	asked, err := w.builder.RequestAccess(t.Context(), api.AccessRequestRequest{Reason: "more", Task: "more"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.alice.DenyRequest(t.Context(), asked.ID, api.DenyRequest{Reason: "not today"}); err != nil {
		t.Fatal(err)
	}
	if got, err := w.builder.MyAccessRequest(t.Context(), asked.ID, 0); err != nil || got.State != "denied" ||
		got.Note != "not today" {
		t.Errorf("it is told %+v, %v", got, err)
	}
	w.refusesToLend("more")
}

// An approver narrows what is lent, and AWS enforces it; what the connection gives less stays less. Each access ends.
func TestNarrowedGrants(t *testing.T) {
	for access, approved := range map[string]string{"full": "read-only", "read-only": "read-only", "policy": "policy"} {
		t.Run(access, func(t *testing.T) {
			t.Parallel()
			limits := api.LimitsRequest{Access: access}
			if access == "policy" {
				limits.SessionPolicy = api.Policy(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",` +
					`"Action":"dynamodb:ListTables","Resource":"*"}}`)
			}
			w := newApprovalWorld(t, "", limits)
			asked, err := w.builder.RequestAccess(t.Context(), api.AccessRequestRequest{Reason: "r", Duration: "10m"})
			if err != nil {
				t.Fatal(err)
			}
			if asked.Access != access {
				t.Errorf("it asks for %s, want %s", asked.Access, access)
			}
			if _, err = w.alice.ApproveRequest(t.Context(), asked.ID, api.ApproveRequest{Access: approved}); err != nil {
				t.Fatal(err)
			}
			lent := w.lends("")
			if answer := w.call(lent); !strings.Contains(answer, "TableNames") {
				t.Errorf("reading, AWS answers %s", answer)
			}
			sessions, err := w.Admin.Sessions(t.Context(), api.SessionFilter{Agent: "builder"}, client.List{})
			if err != nil || len(sessions.Items) != 1 || sessions.Items[0].Access != approved {
				t.Errorf("the sessions are %+v: %v", sessions.Items, err)
			}
			w.clock.advance(10 * time.Minute)
			if answer := w.call(lent); !strings.Contains(answer, "AccessDenied") {
				t.Errorf("at the end AWS answers %s", answer)
			}
		})
	}
}

// An approval is of the role and the session policy that the agent asked for. If somebody changes one of them, nobody has
// approved what it is then, before the decision or after it; the agent asks again.
func TestAnApprovalIsNotOfWhatWasChangedSince(t *testing.T) {
	policy := func(action string) api.LimitsRequest {
		return api.LimitsRequest{Access: "policy", Approval: "borrow", SessionPolicy: api.Policy(`{"Version":"2012-10-17",` +
			`"Statement":[{"Effect":"Allow","Action":"dynamodb:` + action + `","Resource":"*"}]}`)}
	}
	w := newApprovalWorld(t, "", policy("ListTables"))
	limit := func(action string) {
		t.Helper()
		if _, err := w.Admin.Limit(t.Context(), "builder", "work", policy(action), ""); err != nil {
			t.Fatal(err)
		}
	}
	role := func(arn string) {
		t.Helper()
		in, err := w.Admin.Integration(t.Context(), "work")
		if err != nil {
			t.Fatal(err)
		}
		in.Roles[0].ARN = arn
		if _, err := w.Admin.UpdateIntegration(t.Context(), "work", convert.Request(in), "",
			api.ValidateSkip); err != nil {
			t.Fatal(err)
		}
	}
	granted := w.approves("release", "1h")
	w.lends("release")
	limit("*")
	w.refusesToLend("release", "rolebroker request work/worker --task release")
	limit("ListTables")
	w.lends("release")

	worker := w.Role("worker", "Worker", "us-east-1").ARN
	role(w.Role("worker", "Admin", "us-east-1").ARN)
	w.refusesToLend("release", "rolebroker request work/worker --task release")
	asked, err := w.builder.RequestAccess(t.Context(), api.AccessRequestRequest{Reason: "r", Task: "release"})
	if err != nil || asked.ID == granted.ID {
		t.Fatalf("it asks for the other role with the request %s: %v", asked.ID, err)
	}
	role(worker)
	_, err = w.alice.ApproveRequest(t.Context(), asked.ID, api.ApproveRequest{})
	refuses(t, err, rolebroker.CodeConflict, "the role work/worker, or the session policy of agent builder",
		"ask again")
	w.lends("release")

	asked, err = w.builder.RequestAccess(t.Context(), api.AccessRequestRequest{Reason: "r", Task: "another"})
	if err != nil {
		t.Fatal(err)
	}
	limit("*")
	_, err = w.alice.ApproveRequest(t.Context(), asked.ID, api.ApproveRequest{})
	refuses(t, err, rolebroker.CodeConflict, "ask again")
}

// What is approved or ended on one server holds on the others, within a second unless the machine is busy.
func TestAnotherServerLearnsOfDecisions(t *testing.T) {
	one, two := replicas(t, storetest.Postgres(t))
	needsApproval(t, one, "scout", api.LimitsRequest{})
	alice, scout := approver(t, one), two.Client(one.Scout)
	becomes := func(what string, code rolebroker.Code) {
		t.Helper()
		began := time.Now()
		until(t, what, func() bool {
			_, err := scout.Credentials(t.Context(), "", "")
			return rolebroker.CodeOf(err) == code
		})
		t.Logf("%s after %s", what, time.Since(began))
	}
	becomes("the need for an approval is known", rolebroker.CodeApproval)
	asked, err := scout.RequestAccess(t.Context(), api.AccessRequestRequest{Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.ApproveRequest(context.Background(), asked.ID, api.ApproveRequest{}); err != nil {
		t.Fatal(err)
	}
	becomes("the approval is known", "")
	if _, err := alice.EndRequest(t.Context(), asked.ID); err != nil {
		t.Fatal(err)
	}
	becomes("the end is known", rolebroker.CodeApproval)
}
