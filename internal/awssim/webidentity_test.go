package awssim_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

const issuer = "https://issuer.example/tenant"

// claims are those of a good token, changed by the options; a nil value
// removes one.
func claims(now time.Time, changes map[string]any) map[string]any {
	c := map[string]any{"iss": issuer, "sub": "agent:scout", "aud": "sts.amazonaws.com", "iat": now.Unix(),
		"exp": now.Add(time.Minute).Unix()}
	for k, v := range changes {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

func mint(t testing.TB, algorithm jose.SignatureAlgorithm, key any, id string, c any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) assumeWithToken(role, token string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	c := sts.New(sts.Options{Region: "eu-west-1", HTTPClient: w.aws.HTTPClient(), RetryMaxAttempts: 1})
	return c.AssumeRoleWithWebIdentity(context.Background(),
		&sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("run-1"),
			WebIdentityToken: &token})
}

func TestWebIdentity(t *testing.T) {
	now := time.Now()
	w := newWorld(t, awssim.Options{Now: func() time.Time { return now }})
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, p384, p521 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521())
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: rsaKey.Public(), KeyID: "r"},
		{Key: p256.Public(), KeyID: "e"}, {Key: p384.Public(), KeyID: "f"}, {Key: p521.Public(), KeyID: "g"}}}
	provider := w.customer.AddOIDCProvider(issuer, []string{"sts.amazonaws.com"}, keys)
	if want := "arn:aws:iam::444455556666:oidc-provider/issuer.example/tenant"; provider != want {
		t.Fatalf("provider %s, want %s", provider, want)
	}
	trust := func(actions, condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider +
			`"},"Action":` + actions + `,"Condition":` + condition + `}]}`
	}
	scout := `{"StringEquals":{"issuer.example/tenant:sub":"agent:scout",` +
		`"issuer.example/tenant:aud":"sts.amazonaws.com"}}`
	const only, more = `"sts:AssumeRoleWithWebIdentity"`,
		`["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]`
	role := w.customer.CreateRole(awssim.Role{Name: "web", TrustPolicy: trust(only, scout),
		MaxSessionDuration: 12 * time.Hour})
	good := mint(t, jose.ES256, p256, "e", claims(now, nil))

	for algorithm, key := range map[jose.SignatureAlgorithm]struct {
		key any
		id  string
	}{jose.RS256: {rsaKey, "r"}, jose.RS384: {rsaKey, "r"}, jose.RS512: {rsaKey, "r"}, jose.ES256: {p256, "e"},
		jose.ES384: {p384, "f"}, jose.ES512: {p521, "g"}} {
		out, err := w.assumeWithToken(role.ARN, mint(t, algorithm, key.key, key.id, claims(now, nil)))
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if *out.SubjectFromWebIdentityToken != "agent:scout" || *out.Audience != "sts.amazonaws.com" ||
			*out.Provider != provider {
			t.Errorf("%s: %s, %s, %s", algorithm, *out.SubjectFromWebIdentityToken, *out.Audience, *out.Provider)
		}
	}
	const noKey = "Couldn't retrieve verification key from your identity provider,  please reference " +
		"AssumeRoleWithWebIdentity documentation for requirements"
	for _, test := range []struct{ name, token, code, message string }{
		{"not a token", "abcd", "InvalidIdentityToken", ""},
		{"unsigned", strings.Replace(good, strings.Split(good, ".")[0], "eyJhbGciOiJub25lIn0", 1),
			"InvalidIdentityToken", ""},
		{"another issuer", mint(t, jose.ES256, p256, "e", claims(now, map[string]any{"iss": "https://other.example"})),
			"InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://other.example"},
		{"the issuer without tls", mint(t, jose.ES256, p256, "e",
			claims(now, map[string]any{"iss": "http://issuer.example/tenant"})), "InvalidIdentityToken",
			"No OpenIDConnect provider found in your account for http://issuer.example/tenant"},
		{"another audience", mint(t, jose.ES256, p256, "e", claims(now, map[string]any{"aud": "x"})),
			"InvalidIdentityToken", "Incorrect token audience"},
		{"an unknown key", mint(t, jose.ES256, p256, "z", claims(now, nil)), "InvalidIdentityToken", noKey},
		{"another key of that name", mint(t, jose.ES256, ecKey(t, elliptic.P256()), "e", claims(now, nil)),
			"InvalidIdentityToken", ""},
		{"expired", mint(t, jose.ES256, p256, "e", claims(now, map[string]any{"exp": now.Unix() - 1})),
			"ExpiredTokenException", ""},
		{"no expiry", mint(t, jose.ES256, p256, "e", claims(now, map[string]any{"exp": nil})), "InvalidIdentityToken",
			"Missing a required claim: exp"},
		{"a fractional expiry", mint(t, jose.ES256, p256, "e", claims(now, map[string]any{"exp": 1e10 + 0.5})),
			"InvalidIdentityToken", ""},
		{"from the future", mint(t, jose.ES256, p256, "e", claims(now, map[string]any{"iat": now.Unix() + 1000})),
			"InvalidIdentityToken", ""},
		{"another subject", mint(t, jose.ES256, p256, "e", claims(now, map[string]any{"sub": "agent:other"})),
			"AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"tags that are not permitted", mint(t, jose.ES256, p256, "e",
			claims(now,
				map[string]any{"https://aws.amazon.com/tags": map[string]any{
					"principal_tags": map[string]any{"team": []string{"blue"}}}})),
			"AccessDenied", "Not authorized to perform sts:TagSession"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.assumeWithToken(role.ARN, test.token)
			wantCode(t, err, test.code)
			if test.message != "" {
				wantMessage(t, err, test.message)
			}
		})
	}
	_, err = w.assumeWithToken("arn:aws:iam::444455556666:role/none", good)
	wantMessage(t, err, "Not authorized to perform sts:AssumeRoleWithWebIdentity")

	w.customer.SetTrustPolicy("web",
		trust(more, `{"StringEquals":{"aws:RequestTag/team":"blue","sts:SourceIdentity":"alice"}}`))
	out, err := w.assumeWithToken(role.ARN, mint(t, jose.ES256, p256, "e", claims(now, map[string]any{
		"https://aws.amazon.com/tags": map[string]any{
			"principal_tags": map[string]any{"team": []string{"blue"}}, "transitive_tag_keys": []string{"team"}},
		"https://aws.amazon.com/source_identity": "alice",
	})))
	if err != nil || *out.SourceIdentity != "alice" {
		t.Fatalf("%v, %v", out, err)
	}
	seen := w.aws.Assumed()
	if last := seen[len(seen)-1]; last.Action != "AssumeRoleWithWebIdentity" || last.Tags["team"] != "blue" ||
		last.SourceIdentity != "alice" || last.AccessKeyID != *out.Credentials.AccessKeyId {
		t.Errorf("journal %+v", last)
	}
}

// TestDiscovery creates a provider over the IAM API and lets the simulator
// fetch its keys, which then change.
func TestDiscovery(t *testing.T) {
	now := time.Now()
	key, id, fetches, down := ecKey(t, elliptic.P256()), "one", 0, true
	idp := roundTrip(func(r *http.Request) (*http.Response, error) {
		answer := any(map[string]string{"issuer": issuer, "jwks_uri": "https://issuer.example/keys"})
		if r.URL.Path == "/keys" {
			fetches++
			answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id}}}
		}
		status := http.StatusOK
		if down {
			status = http.StatusBadGateway
		}
		text, _ := json.Marshal(answer)
		return &http.Response{StatusCode: status, Status: http.StatusText(status),
			Body: io.NopCloser(strings.NewReader(string(text)))}, nil
	})
	w := newWorld(t, awssim.Options{Now: func() time.Time { return now }, HTTPClient: &http.Client{Transport: idp}})
	ctx, c := context.Background(), w.iam(w.customer.AdminKey())
	for _, bad := range []string{"http://issuer.example", "https://issuer.example:8443", "https://issuer.example?x",
		"issuer.example"} {
		_, err := c.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: &bad})
		wantCode(t, err, "InvalidInput")
	}
	in := &iam.CreateOpenIDConnectProviderInput{Url: aws.String(issuer), ClientIDList: []string{"sts.amazonaws.com"}}
	made, err := c.CreateOpenIDConnectProvider(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateOpenIDConnectProvider(ctx, in)
	wantCode(t, err, "EntityAlreadyExists")
	arn := *made.OpenIDConnectProviderArn
	role := w.role("web",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"`+arn+`"},`+
			`"Action":"sts:AssumeRoleWithWebIdentity"}}`)
	token := func() string { return mint(t, jose.ES256, key, id, claims(now, nil)) }

	_, err = w.assumeWithToken(role.ARN, token())
	wantCode(t, err, "IDPCommunicationError")
	down = false
	for range 3 {
		_, err = w.assumeWithToken(role.ARN, token())
		wantCode(t, err, "")
	}
	if fetches != 1 {
		t.Errorf("fetched the keys %d times, want once", fetches)
	}
	key, id = ecKey(t, elliptic.P256()), "two"
	_, err = w.assumeWithToken(role.ARN, token())
	wantCode(t, err, "InvalidIdentityToken") // not again within ten seconds
	now = now.Add(11 * time.Second)
	_, err = w.assumeWithToken(role.ARN, token())
	wantCode(t, err, "")

	got, err := c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	if err != nil || *got.Url != "issuer.example/tenant" || got.ClientIDList[0] != "sts.amazonaws.com" {
		t.Errorf("provider %+v, %v", got, err)
	}
	_, err = c.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	wantCode(t, err, "")
	list, err := c.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	if err != nil || len(list.OpenIDConnectProviderList) != 0 {
		t.Errorf("providers %v, %v", list, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
