package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// The runner serves over a real socket what it borrows from a real server, and
// neither the server's database nor its log has a credential in it.
func TestTheServerHoldsNoCredential(t *testing.T) {
	t.Parallel()
	database := storetest.SQLite(t)
	tb := testbed.New(t, &testbed.Options{Empty: true, Database: database})
	tb.AWS.Account(customerAccount).CreateRole(awssim.Role{Name: "Inner", TrustPolicy: trusting(clusterAccount)})
	ctx := context.Background()
	try(tb.Admin.CreateRunner(ctx, api.RunnerRequest{Name: "eks"}))(t)
	try(tb.Admin.CreateIntegration(ctx, api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster",
		Runner: "eks", DefaultRole: "inner", Roles: []api.RoleRequest{tb.Role("inner", "Inner", "us-east-1")}},
		api.ValidateSkip))(t)
	scout := tb.Agent("scout", "cluster")
	join := rolebroker.NewSecret(try(tb.Admin.CreateJoinToken(ctx, "eks", api.JoinTokenRequest{}))(t).Token.Reveal())
	tb.HandedOut(join)
	key := tb.AWS.Account(clusterAccount).CreateUser("runner", awssim.AllowAll).Key
	unpooled := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no connection delays the end
	r := try(Start(ctx, Options{
		Server: client.Options{URL: tb.URL, HTTPClient: unpooled}, State: Folder(t.TempDir()), JoinToken: join,
		Grace: time.Hour, Listen: "127.0.0.1:0",
		Direct: sts.New(sts.Options{Endpoint: tb.AWSURL,
			Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")}),
	}))(t)
	borrower := try(client.New(client.Options{URL: r.URL(), Token: scout, HTTPClient: unpooled}))(t)
	lent := try(borrower.Credentials(ctx, "", ""))(t)
	answer := try(unpooled.Get(r.URL() + "/healthz"))(t)
	defer answer.Body.Close()
	var is struct{ Status string }
	if err := json.NewDecoder(answer.Body).Decode(&is); err != nil || is.Status != "ok" {
		t.Errorf("the runner says that it is %q, %v", is.Status, err)
	}
	for _, path := range []string{"/v1/credentials", "/v1/roles", "/healthz", "/readyz"} { // DNS rebinding
		foreign := try(http.NewRequest(http.MethodGet, r.URL()+path, nil))(t)
		foreign.Host = "evil.example"
		foreign.Header.Set("Authorization", scout.Reveal())
		refusal := try(unpooled.Do(foreign))(t)
		if refusal.Body.Close(); refusal.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s of evil.example is answered with %s", path, refusal.Status)
		}
	}
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
	tb.Stop() // which searches the log for the tokens

	files, err := filepath.Glob(database + "*")
	if err != nil || len(files) == 0 {
		t.Fatal("the database is not found", err)
	}
	found := false
	for _, file := range files {
		content := try(os.ReadFile(file))(t)
		found = found || bytes.Contains(content, []byte(lent.AccessKeyID))
		for _, secret := range []string{lent.SecretAccessKey.Reveal(), lent.Token.Reveal()} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s has a credential in it", filepath.Base(file))
			}
		}
	}
	if !found {
		t.Error("the access key ID is not on record, so this test finds nothing")
	}
	for _, secret := range []string{lent.SecretAccessKey.Reveal(), lent.Token.Reveal()} {
		if strings.Contains(tb.Log(), secret) {
			t.Error("the server's log has a credential in it")
		}
	}
}

// Plain HTTP is for loopback and for the addresses that AWS SDKs take.
func TestListeningInClearText(t *testing.T) {
	for address, fine := range map[string]bool{
		"127.0.0.1:8485": true, "[::1]:8485": true, "localhost:8485": true, "169.254.170.23:80": true,
		"0.0.0.0:8485": false, ":8485": false, "10.0.0.1:8485": false, "example.com:8485": false, "8485": false,
	} {
		if err := checkListen(address, "127.0.0.1:8485", "the credentials", false); (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
		if err := checkListen(address, "127.0.0.1:8485", "the credentials", true); (err == nil) != (address != "8485") {
			t.Errorf("%s with TLS: %v", address, err)
		}
	}
}
