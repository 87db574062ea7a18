package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// TestTheGatewayHasAnAddressOfItsOwn has an agent outside of exec: it fetches its keys, and its SDK calls the gateway.
func TestTheGatewayHasAnAddressOfItsOwn(t *testing.T) {
	ctx := context.Background()
	tb := testbed.New(t, &testbed.Options{Config: func(c *config.Server) { c.GatewayListen = "127.0.0.1:0" }})
	if _, err := tb.Admin.Limit(ctx, "scout", "production", api.LimitsRequest{Keys: "withheld"}, ""); err != nil {
		t.Fatal(err)
	}
	lent, err := tb.Client(tb.Scout).Credentials(ctx, "deployer", "")
	if err != nil || lent.Keys != rolebroker.KeysWithheld || !strings.HasPrefix(lent.AccessKeyID, "RBGW") {
		t.Fatalf("the agent is lent %v, %v", lent, err)
	}
	call := func(url string) (string, error) {
		sdk := sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(lent.AccessKeyID, lent.SecretAccessKey.Reveal(),
				lent.Token.Reveal())})
		who, err := sdk.GetCallerIdentity(ctx, nil)
		if err != nil {
			return "", err
		}
		return *who.Arn, nil
	}
	if arn, err := call(tb.GatewayURL()); err != nil || !strings.HasSuffix(arn, ":assumed-role/Deployer/scout") {
		t.Errorf("through the gateway the agent is %q, %v", arn, err)
	}
	if arn, err := call(tb.AWSURL); err == nil {
		t.Errorf("AWS takes the keys, for %s", arn)
	}
	if _, err := tb.Admin.Limit(ctx, "scout", "production", api.LimitsRequest{Keys: "withheld",
		Roles: &[]string{"readonly"}}, ""); err != nil {
		t.Fatal(err)
	}
	var refused smithy.APIError
	if _, err := call(tb.GatewayURL()); !errors.As(err, &refused) || refused.ErrorCode() != "AccessDenied" {
		t.Errorf("without the role the gateway says %v", err)
	}
	answer, err := http.Get(tb.GatewayURL())
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a stranger is answered with %s", answer.Status)
	}
	if answer.Header.Get(api.RequestIDHeader) == "" {
		t.Error("the answer has no request ID")
	}
}

// keyWorld is a server with a gateway, whose agent's keys are withheld.
type keyWorld struct {
	*testing.T
	*testbed.Testbed
}

func newKeyWorld(t *testing.T) *keyWorld {
	w := &keyWorld{t, testbed.New(t, &testbed.Options{Config: func(c *config.Server) { c.GatewayListen = "127.0.0.1:0" }})}
	w.withhold()
	return w
}

func (w *keyWorld) withhold() {
	w.Helper()
	w.must(w.Admin.Limit(w.Context(), "scout", "production", api.LimitsRequest{Keys: "withheld"}, ""))
}

func (w *keyWorld) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// fresh is a key for a role, borrowed with a token.
func (w *keyWorld) fresh(token rolebroker.Secret) *client.Credentials {
	w.Helper()
	key, err := w.Client(token).Credentials(w.Context(), "deployer", "")
	w.must(key, err)
	return key
}

// call calls AWS with a key, and returns what comes of it.
func (w *keyWorld) call(with *client.Credentials) string {
	sdk := sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: aws.String(w.GatewayURL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(with.AccessKeyID, with.SecretAccessKey.Reveal(),
			with.Token.Reveal())})
	var refused smithy.APIError
	if _, err := sdk.GetCallerIdentity(w.Context(), nil); errors.As(err, &refused) {
		return refused.ErrorCode()
	} else if err != nil {
		return err.Error()
	}
	return "works"
}

func (w *keyWorld) disables(disabled bool) {
	w.Helper()
	w.must(w.Admin.UpdateAgent(w.Context(), "scout", api.AgentRequest{Name: "scout", Disabled: disabled}, ""))
}

func (w *keyWorld) edits(edit func(*api.IntegrationRequest)) {
	w.Helper()
	in, err := w.Admin.Integration(w.Context(), "production")
	w.must(in, err)
	text, err := json.Marshal(in)
	w.must(text, err)
	var request api.IntegrationRequest
	w.must(nil, json.Unmarshal(text, &request))
	edit(&request)
	w.must(w.Admin.UpdateIntegration(w.Context(), "production", request, "", "skip"))
}

func (w *keyWorld) enablesRole(name string, enabled bool) {
	w.Helper()
	w.edits(func(in *api.IntegrationRequest) {
		for i := range in.Roles {
			if in.Roles[i].Name == name {
				in.Roles[i].Enabled = &enabled
			}
		}
	})
}

// A key that somebody stole before access was taken away does not work again once the access is given back.
func TestAKeyFromBeforeAccessWasTakenAwayNeverWorksAgain(t *testing.T) {
	const denied, expired = "AccessDenied", "ExpiredToken"
	for name, c := range map[string]struct {
		ends, begins func(w *keyWorld)
		between      string // what the key is good for before the access is given back
	}{
		"a cut-off": {func(w *keyWorld) { w.must(w.Admin.CutOff(w.Context(), "scout", api.CutOffRequest{})) },
			func(w *keyWorld) { w.must(w.Admin.EnableAgent(w.Context(), "scout", api.EnableRequest{})) }, denied},
		"a cut-off from the role": {func(w *keyWorld) {
			w.must(w.Admin.CutOff(w.Context(), "scout", api.CutOffRequest{Role: "production/deployer"}))
		}, func(w *keyWorld) {
			w.must(w.Admin.Limit(w.Context(), "scout", "production", api.LimitsRequest{Keys: "withheld",
				Roles: &[]string{"readonly", "deployer"}}, ""))
		}, denied},
		"a disabled agent": {func(w *keyWorld) { w.disables(true) }, func(w *keyWorld) { w.disables(false) }, denied},
		"a disabled role": {func(w *keyWorld) { w.enablesRole("deployer", false) },
			func(w *keyWorld) { w.enablesRole("deployer", true) }, denied},
		"a disabled integration": {func(w *keyWorld) { w.edits(func(in *api.IntegrationRequest) { in.Enabled = new(false) }) },
			func(w *keyWorld) { w.edits(func(in *api.IntegrationRequest) { in.Enabled = new(true) }) }, denied},
		"a disconnected integration": {func(w *keyWorld) { w.must(nil, w.Admin.Disconnect(w.Context(), "scout", "production")) },
			(*keyWorld).withhold, denied},
		"ended sessions": {func(w *keyWorld) {
			w.must(w.Admin.EndSessions(w.Context(), api.EndSessionsRequest{Agent: "scout", Role: "production/deployer"}))
		}, func(*keyWorld) {}, expired},
		"the end of all sessions of the role": {func(w *keyWorld) {
			w.must(w.Admin.EndSessions(w.Context(), api.EndSessionsRequest{Role: "production/deployer"}))
		}, func(*keyWorld) {}, expired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newKeyWorld(t)
			stolen := w.fresh(w.Scout)
			said := []string{w.call(stolen)}
			c.ends(w)
			said = append(said, w.call(stolen))
			c.begins(w)
			said = append(said, w.call(stolen), w.call(w.fresh(w.Scout)))
			if diff := cmp.Diff([]string{"works", c.between, expired, "works"}, said); diff != "" {
				t.Errorf("before, in between, afterwards, with new keys: %s", diff)
			}
		})
	}
}

// A key ends with its own token, and not with another one of the agent, nor when somebody else is changed.
func TestAKeyOutlivesOtherTokens(t *testing.T) {
	w := newKeyWorld(t)
	token, err := w.Admin.CreateToken(w.Context(), "scout", api.TokenRequest{})
	w.must(token, err)
	ofOther, ofScout := w.fresh(rolebroker.NewSecret(string(token.Token))), w.fresh(w.Scout)
	w.must(nil, w.Admin.RevokeToken(w.Context(), "scout", token.ID))
	w.enablesRole("readonly", false)
	if said := []string{w.call(ofOther), w.call(ofScout)}; !slices.Equal(said, []string{"ExpiredToken", "works"}) {
		t.Errorf("the keys of the revoked token and of the other one: %q", said)
	}
}
