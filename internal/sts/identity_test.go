package sts_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/sts"
)

// ours is the role that the platform is a session of in these tests.
const ours = "arn:aws:iam::" + platform + ":role/team/prod/broker"

// instance is a session of ours, as EC2 provides it.
func instance(t *testing.T, aws *awssim.AWS) awssim.Credentials {
	t.Helper()
	aws.Account(platform).CreateRole(awssim.Role{Name: "broker", Path: "/team/prod/",
		TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`,
		Policies:    map[string]string{"all": awssim.AllowAll}})
	key, err := aws.Account(platform).ServiceSession(awssim.ServiceSession{Service: "ec2.amazonaws.com", Role: "broker",
		SessionName: "i-0abc"})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// isSessionOf checks that the client is a session of ours, and which ARN it knows for
// that role; empty if none.
func isSessionOf(t *testing.T, client *sts.Client, want string) *rolebroker.Identity {
	t.Helper()
	identity, err := client.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if identity.RoleARN != want {
		t.Errorf("the role of %s is %q, want %q", identity.ARN, identity.RoleARN, want)
	}
	return identity
}

// AWS does not tell the path of the role of a session. The option counts only if it
// names that role.
func TestTheOptionNamesTheRoleOfOurSession(t *testing.T) {
	aws := awssim.New(awssim.Options{})
	key := instance(t, aws)
	user := aws.Account(platform).CreateUser("broker", awssim.AllowAll).Key
	named := func(arn string, key awssim.Credentials) *sts.Client {
		return sts.New(sts.Options{Endpoint: "http://sts.simulated", HTTPClient: aws.HTTPClient(), RoleARN: arn,
			Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey,
				key.SessionToken)})
	}
	identity := isSessionOf(t, named(ours, key), ours)
	if arn, certain := identity.Principal(); arn != ours || !certain || identity.ARN != "arn:aws:sts::"+
		platform+":assumed-role/broker/i-0abc" {
		t.Errorf("the principal of %s is %s (certain: %t)", identity.ARN, arn, certain)
	}
	for _, other := range []string{
		"",
		"arn:aws:iam::" + customer + ":role/team/prod/broker", // another account's
		"arn:aws:iam::" + platform + ":role/team/prod/brokers",
		"arn:aws:iam::" + platform + ":role/broker/prod",
		"arn:aws-cn:iam::" + platform + ":role/team/prod/broker",
		"arn:aws:sts::" + platform + ":assumed-role/broker/i-0abc",
		"arn:aws:iam::" + platform + ":user/broker",
		"broker",
		"nonsense",
	} {
		identity := isSessionOf(t, named(other, key), "")
		if arn, certain := identity.Principal(); arn != "arn:aws:iam::"+platform+":role/broker" || certain {
			t.Errorf("with %q named the principal is %s (certain: %t)", other, arn, certain)
		}
	}
	// A user is no session, whatever is named.
	if identity := isSessionOf(t, named(ours, user), ""); identity.ARN != "arn:aws:iam::"+platform+":user/broker" {
		t.Errorf("the user is %+v", identity)
	}
}

func TestTheEnvironmentNamesTheRoleOfOurSession(t *testing.T) {
	aws := awssim.New(awssim.Options{})
	key := instance(t, aws)
	simulator, err := awssim.Start(aws)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(simulator.Close)
	named := func(arn string) *sts.Client { return sts.New(sts.Options{RoleARN: arn}) }
	file := func(t *testing.T, name, content string) string {
		t.Helper()
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	session := func(t *testing.T) { // ours, delivered into the environment
		forgetAWS(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", simulator.URL)
		t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
		t.Setenv("AWS_SESSION_TOKEN", key.SessionToken)
	}
	t.Run("nowhere", func(t *testing.T) {
		session(t)
		isSessionOf(t, named(""), "")
		isSessionOf(t, named(ours), ours)
	})
	t.Run("AWS_ROLE_ARN", func(t *testing.T) {
		session(t)
		t.Setenv("AWS_ROLE_ARN", ours)
		isSessionOf(t, named(""), ours)
		isSessionOf(t, named("arn:aws:iam::"+platform+":role/else"), ours) // the operator names another by mistake
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::"+customer+":role/team/prod/broker")
		isSessionOf(t, named(""), "")
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::"+platform+":role/x")
		isSessionOf(t, named(""), "")
		isSessionOf(t, named(ours), ours)
	})
	t.Run("a pod's web identity", func(t *testing.T) {
		forgetAWS(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", simulator.URL)
		t.Setenv("AWS_REGION", "eu-west-1")
		pod := "arn:aws:iam::" + platform + ":role/eks/pod"
		t.Setenv("AWS_ROLE_ARN", pod)
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file(t, "token", webIdentity(t, aws, "pod", "/eks/")))
		isSessionOf(t, named(""), pod)
	})
	t.Run("a profile", func(t *testing.T) {
		forgetAWS(t)
		t.Setenv("AWS_ENDPOINT_URL_STS", simulator.URL)
		t.Setenv("AWS_REGION", "eu-west-1")
		user := aws.Account(platform).CreateUser("operator", awssim.AllowAll).Key
		role := aws.Account(platform).CreateRole(awssim.Role{Name: "profiled", Path: "/a/b/",
			TrustPolicy: trust(platform)})
		t.Setenv("AWS_CONFIG_FILE", file(t, "config", "[profile base]\naws_access_key_id="+
			user.AccessKeyID+"\naws_secret_access_key="+user.SecretAccessKey+
			"\n[profile broker]\nrole_arn="+role.ARN+"\nsource_profile=base\nrole_session_name=us\n"))
		t.Setenv("AWS_PROFILE", "broker")
		identity := isSessionOf(t, named(""), role.ARN)
		if identity.ARN != "arn:aws:sts::"+platform+":assumed-role/profiled/us" {
			t.Errorf("we are %+v", identity)
		}
		t.Setenv("AWS_PROFILE", "base")
		isSessionOf(t, named(""), "")
	})
	t.Run("a profile that was not used", func(t *testing.T) { // keys in the environment come before it
		session(t)
		t.Setenv("AWS_CONFIG_FILE", file(t, "config", "[default]\nrole_arn=arn:aws:iam::"+
			platform+":role/a/other\ncredential_source=Environment\n"))
		isSessionOf(t, named(""), "")
	})
}

// webIdentity creates a role of the platform that trusts a token, and the token.
func webIdentity(t *testing.T, aws *awssim.AWS, role, path string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	provider := aws.Account(platform).AddOIDCProvider("https://oidc.example/id/1", []string{"sts.amazonaws.com"},
		jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	aws.Account(platform).CreateRole(awssim.Role{Name: role, Path: path,
		TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"` + provider +
			`"},"Action":"sts:AssumeRoleWithWebIdentity"}}`})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}},
		nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": "https://oidc.example/id/1",
		"sub": "system:serviceaccount:rolebroker:rolebroker",
		"aud": "sts.amazonaws.com", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
