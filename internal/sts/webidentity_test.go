package sts_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/sts"
)

// Each call sends the token that is in the file then: Kubernetes replaces the token.
func TestEachCallSendsTheTokenInTheFile(t *testing.T) {
	aws := awssim.New(awssim.Options{})
	token := webIdentity(t, aws, "Deployer", "/")
	file := filepath.Join(t.TempDir(), "token")
	client := sts.New(sts.Options{Endpoint: "http://sts.simulated", HTTPClient: aws.HTTPClient(),
		WebIdentityTokenFile: file})
	role, err := rolebroker.ParseRoleARN("arn:aws:iam::" + platform + ":role/Deployer")
	if err != nil {
		t.Fatal(err)
	}
	assume := func() (*rolebroker.Assumed, error) {
		return client.Assume(t.Context(), rolebroker.Assumption{ARN: role, Region: "eu-west-1", SessionName: "scout",
			ExternalID: "ignored", Duration: time.Hour})
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if kind := kindOf(assume()); kind != rolebroker.RefusedNoIdentity {
		t.Errorf("without a file it is %q", kind)
	}
	write(token + "\n")
	assumed, err := assume()
	if err != nil {
		t.Fatal(err)
	}
	if assumed.Credentials.AccessKeyID == "" || assumed.Credentials.SecretAccessKey.IsZero() ||
		assumed.RequestID == "" {
		t.Errorf("assumed is %+v", assumed)
	}
	write("not-a-token")
	if kind := kindOf(assume()); kind != rolebroker.RefusedIdentity {
		t.Errorf("with another text in the file it is %q", kind)
	}
	write(token)
	if _, err := assume(); err != nil {
		t.Errorf("with the token again: %v", err)
	}
	if who, err := client.Identity(t.Context()); err != nil || *who != (rolebroker.Identity{}) {
		t.Errorf("before it assumes a role it is %v, %v", who, err)
	}
}
