package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
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
}
