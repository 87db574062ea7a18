package sts_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/sts"
)

func TestWhyThereIsNoIdentityIsTold(t *testing.T) {
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(html.Close)
	for name, c := range map[string]struct {
		config string // the file
		env    map[string]string
		kind   rolebroker.RefusalKind
		lack   rolebroker.Lack
		says   string // the message
		hint   string
	}{
		"nothing at all": {kind: rolebroker.RefusedNoIdentity, says: "no AWS credentials were found",
			hint: "AWS_ACCESS_KEY_ID"},
		"a profile that is missing": {config: "[profile one]\nregion=eu-west-1\n", env: map[string]string{
			"AWS_PROFILE": "tow"}, kind: rolebroker.RefusedNoIdentity, lack: rolebroker.LackProfile,
			says: `the AWS profile "tow" is not in the AWS configuration`, hint: "aws configure list-profiles"},
		"a profile of Identity Center without a login": {config: "[profile staff]\nsso_session=work\n" +
			"sso_account_id=111122223333\nsso_role_name=Broker\nregion=eu-west-1\n[sso-session work]\n" +
			"sso_start_url=https://example.awsapps.com/start\nsso_region=eu-west-1\n",
			env: map[string]string{"AWS_PROFILE": "staff"}, kind: rolebroker.RefusedNoIdentity,
			lack: rolebroker.LackLogin, says: `profile "staff" needs a login`, hint: "aws sso login --profile staff"},
		"one of the older kind, as the source of another": {config: "[profile staff]\nregion=eu-west-1\n" +
			"sso_start_url=https://example.awsapps.com/start\nsso_region=eu-west-1\nsso_account_id=111122223333\n" +
			"sso_role_name=Broker\n[profile broker]\nregion=eu-west-1\nsource_profile=staff\n" +
			"role_arn=arn:aws:iam::111122223333:role/broker\n",
			env: map[string]string{"AWS_PROFILE": "broker"}, kind: rolebroker.RefusedNoIdentity,
			lack: rolebroker.LackLogin, says: `profile "staff" needs a login`, hint: "aws sso login --profile staff"},
		"a token file that is missing": {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token",
			"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/broker", "AWS_REGION": "eu-west-1"},
			kind: rolebroker.RefusedNoIdentity, lack: rolebroker.LackTokenFile,
			says: `the web-identity token file "/nowhere/token" cannot be read: no such file`,
			hint: "AWS_WEB_IDENTITY_TOKEN_FILE"},
		"a source profile, and no STS": {config: "[profile base]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\n" +
			"aws_secret_access_key=x\n[profile broker]\nregion=eu-west-1\nsource_profile=base\n" +
			"role_arn=arn:aws:iam::111122223333:role/broker\n",
			env:  map[string]string{"AWS_PROFILE": "broker", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"},
			kind: rolebroker.RefusedUnreachable,
			says: "getting the credentials for the call: STS cannot be reached", hint: "can reach STS"},
		"a source profile, and a proxy in place of STS": {config: "[profile base]\naws_access_key_id=AKIA\n" +
			"aws_secret_access_key=x\n[profile broker]\nregion=eu-west-1\nsource_profile=base\n" +
			"role_arn=arn:aws:iam::111122223333:role/broker\n",
			env:  map[string]string{"AWS_PROFILE": "broker", "AWS_ENDPOINT_URL_STS": html.URL},
			kind: rolebroker.RefusedUnreachable, says: "perhaps a proxy: HTTP 403", hint: "can reach STS"},
	} {
		t.Run(name, func(t *testing.T) {
			forgetAWS(t)
			path := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", path)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			_, err := sts.New(sts.Options{}).Identity(t.Context())
			var r *rolebroker.Refusal
			if !errors.As(err, &r) || r.Kind != c.kind || r.Lack != c.lack || !strings.Contains(r.Message, c.says) {
				t.Fatalf("it is %+v", r)
			}
			if hint := r.Advise(rolebroker.Party{}).String(); !strings.Contains(hint, c.hint) {
				t.Errorf("the hint is\n%s", hint)
			}
		})
	}
}

// A runner does not read what a server reads: its hint names what its pods can have.
func TestTheAdviceForARunnerIsForARunner(t *testing.T) {
	hint := (&rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity}).Advise(rolebroker.Party{Runner: true}).String()
	if strings.Contains(hint, "AWS_ACCESS_KEY_ID") || !strings.Contains(hint, "--web-identity-token-file") {
		t.Errorf("the hint is\n%s", hint)
	}
}

func TestAnAnswerThatIsNotFromSTSMeansThatSTSWasNotReached(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		kind, body string
		says       string
	}{
		"a page":       {403, "text/html; charset=utf-8", "<html><body>Blocked</body></html>", `HTTP 403, "text/html"`},
		"a redirect":   {302, "", "", `HTTP 302, "without a content type"`},
		"a login page": {200, "text/html", "<html><form></form></html>", `HTTP 200, "text/html"`},
		"XHTML":        {403, "application/xhtml+xml", "<html/>", "perhaps a proxy"},
		"JSON":         {403, "application/json", `{"code":"AccessDenied"}`, "perhaps a proxy"},
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			if c.kind != "" {
				w.Header().Set("Content-Type", c.kind)
			}
			w.Header().Set("Location", "https://proxy.example.com/blocked")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		client := sts.New(sts.Options{Endpoint: proxy.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA",
			"x", "")})
		_, err := client.Try(t.Context(), assumption())
		var r *rolebroker.Refusal
		if !errors.As(err, &r) || r.Kind != rolebroker.RefusedUnreachable || !strings.Contains(r.Message, c.says) {
			t.Errorf("%s: it is %+v", name, r)
		}
		proxy.Close()
	}
	// An answer of AWS counts, whatever its code is.
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>` +
			`<Type>Sender</Type><Code>AccessDenied</Code><Message>User: x is not authorized to perform: sts:TagSession on resource: y` +
			`</Message></Error><RequestId>r</RequestId></ErrorResponse>`))
	}))
	defer real.Close()
	client := sts.New(sts.Options{Endpoint: real.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "x",
		"")})
	_, err := client.Try(t.Context(), assumption())
	var r *rolebroker.Refusal
	if !errors.As(err, &r) || r.Kind != rolebroker.RefusedDenied || r.Action != rolebroker.ActionTagSession {
		t.Errorf("it is %+v", r)
	}
}

// AWS has one code for most of what it finds wrong with a token, and the causes have other cures.
func TestWhatAWSFindsWrongWithATokenIsToldApart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("header.claims.signature"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code, message string
		kind          rolebroker.RefusalKind
		says          string
	}{
		{"IDPCommunicationError", "Error communicating with the identity provider", rolebroker.RefusedIssuer,
			"AWS cannot get the keys of the issuer"},
		{"InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference " +
			"AssumeRoleWithWebIdentity documentation for requirements", rolebroker.RefusedIssuer,
			"AWS cannot get the keys of the issuer"},
		{"InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.example.com",
			rolebroker.RefusedNoProvider, "account 444455556666 has no IAM OpenID Connect provider"},
		{"InvalidIdentityToken", "Incorrect token audience", rolebroker.RefusedAudience, "does not take the audience"},
		{"InvalidIdentityToken", "The ID Token provided is not a valid JWT", rolebroker.RefusedIdentity,
			"AWS does not accept"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`<ErrorResponse><Error><Type>Sender</Type><Code>` + c.code + `</Code><Message>` +
				c.message + `</Message></Error><RequestId>r</RequestId></ErrorResponse>`))
		}))
		client := sts.New(sts.Options{Endpoint: server.URL, WebIdentityTokenFile: file})
		_, err := client.Try(t.Context(), assumption())
		var r *rolebroker.Refusal
		if !errors.As(err, &r) || r.Kind != c.kind {
			t.Fatalf("%s: it is %+v", c.message, r)
		}
		role := rolebroker.Role{ARN: assumption().ARN}
		by := rolebroker.Party{Runner: true,
			Account: rolebroker.ServiceAccount{Namespace: "rolebroker", Name: "runner"}}
		if got := r.Explain(by, role, "the role"); !strings.Contains(got, c.says) {
			t.Errorf("%s: it says %q", c.message, got)
		}
		server.Close()
	}
}
