package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// writer is an agent whose changes a person approves, at the gateway of one of two servers on one PostgreSQL.
type writer struct {
	*testing.T
	here, there *testbed.Testbed // where it calls, and where people decide
	keys        aws.Credentials
}

func newWriter(t *testing.T) *writer {
	key, database := filepath.Join(t.TempDir(), "gateway-key"), storetest.Postgres(t)
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := rolebroker.NewSecret("an admin key that both of them know")
	share := func(c *config.Server) { c.AdminKey, c.GatewayKey, c.GatewayListen = admin, key, "127.0.0.1:0" }
	w := &writer{T: t, there: testbed.New(t, &testbed.Options{Database: database, Config: share})}
	w.here = testbed.New(t, &testbed.Options{Database: database, Config: share, Empty: true})
	if _, err := w.there.Admin.Limit(t.Context(), "scout", "production",
		api.LimitsRequest{Keys: "withheld", Approval: "write"}, ""); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "the other server knows", func() bool {
		lent, err := w.here.Client(w.there.Scout).Credentials(t.Context(), "deployer", "tidy")
		if err != nil || lent.Keys != rolebroker.KeysWithheld {
			return false
		}
		w.keys = aws.Credentials{AccessKeyID: lent.AccessKeyID, SecretAccessKey: lent.SecretAccessKey.Reveal(),
			SessionToken: lent.Token.Reveal()}
		return true
	})
	return w
}

// call sends an operation of DynamoDB, and returns the answer; empty if ctx ended before.
func (w *writer) call(ctx context.Context, operation string) string {
	const body = `{"TableName":"jobs"}`
	r, err := http.NewRequestWithContext(ctx, "POST", w.here.GatewayURL(), strings.NewReader(body))
	if err != nil {
		w.Error(err)
		return ""
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	hash := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, w.keys, r, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1",
		time.Now()); err != nil {
		w.Error(err)
		return ""
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		if ctx.Err() == nil {
			w.Error(err)
		}
		return ""
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

// pending is the ID of the only question that waits.
func (w *writer) pending() (id string) {
	w.Helper()
	storetest.Eventually(w, "a question waits", func() bool {
		found, err := w.there.Client(w.there.Scout).MyAccessRequests(w.Context(), "pending")
		if err != nil || len(found) > 1 {
			w.Fatalf("pending are %+v, %v", found, err)
		}
		if len(found) == 1 {
			id = found[0].ID
		}
		return id != ""
	})
	return id
}

// A call that waits at one server goes on when a person approves at another one. Ten that hung up before leave nothing
// that would keep others from waiting.
func TestAnApprovalOfAChangeReachesEveryReplica(t *testing.T) {
	w := newWriter(t)
	answers := make(chan string, 20)
	ctx, hangUp := context.WithCancel(t.Context())
	for range 10 {
		go func() { answers <- w.call(ctx, "DeleteTable") }()
	}
	asked := w.pending()
	hangUp()
	for range 10 {
		if answer := <-answers; answer != "" {
			t.Errorf("a call that hung up is answered with %s", answer)
		}
	}
	for range 10 {
		go func() { answers <- w.call(t.Context(), "DeleteTable") }()
	}
	if again := w.pending(); again != asked {
		t.Errorf("it asks %s after %s", again, asked)
	}
	began := time.Now()
	if _, err := approver(t, w.there).ApproveRequest(t.Context(), asked, api.ApproveRequest{}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if answer := <-answers; strings.Contains(answer, "rolebroker: ") {
			t.Errorf("AWS did not get a call: %s", answer)
		}
	}
	took := time.Since(began)
	t.Logf("ten calls went on %s after the approval", took)
	if took > 15*time.Second { // far less than they wait
		t.Errorf("the approval took %s to arrive", took)
	}
	if _, err := w.there.Admin.EndRequest(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "the end arrives", func() bool {
		return strings.Contains(w.call(t.Context(), "DeleteTable"), "ended access request "+asked)
	})
}

// A denial at another server ends the wait.
func TestADenialOfAChangeEndsTheWait(t *testing.T) {
	w := newWriter(t)
	answer := make(chan string)
	go func() { answer <- w.call(t.Context(), "DeleteTable") }()
	asked := w.pending()
	if _, err := approver(t, w.there).DenyRequest(t.Context(), asked, api.DenyRequest{Reason: "not today"}); err != nil {
		t.Fatal(err)
	}
	if said := <-answer; !strings.Contains(said, "denied access request "+asked+": not today") {
		t.Errorf("the answer is %s", said)
	}
	if said := w.call(t.Context(), "ListTables"); strings.Contains(said, "rolebroker: ") {
		t.Errorf("a read is answered with %s", said)
	}
}
