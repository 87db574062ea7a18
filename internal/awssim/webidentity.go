package awssim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// provider is an OpenID Connect provider of an account. The lock guards keys and
// fetched; the rest is immutable.
type provider struct {
	name      string // the issuer's URL without its scheme
	issuer    string
	arn       string
	clientIDs []string
	thumbs    []string
	tags      map[string]string
	created   time.Time
	fixed     bool // keys were set, and are never fetched
	keys      jose.JSONWebKeySet
	fetched   time.Time
}

func newProvider(a *account, issuer string, clientIDs []string, now time.Time) (*provider, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return nil, refuse(http.StatusBadRequest, "InvalidInput", "Invalid Open ID Connect Provider URL")
	}
	name := u.Host + strings.TrimSuffix(u.EscapedPath(), "/")
	return &provider{
		name: name, issuer: issuer, arn: a.arn("iam", "oidc-provider/"+name),
		clientIDs: slices.Clone(clientIDs), created: now.Truncate(time.Second),
	}, nil
}

func badToken(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "InvalidIdentityToken", format, args...)
}

var errNoKey = badToken(
	"Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity " +
		"documentation for requirements")

// algorithms are the signature algorithms that the service model lists.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// token is a verified web identity token.
type token struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Expires  *json.Number    `json:"exp"`
	Issued   *json.Number    `json:"iat"`
	NotBy    *json.Number    `json:"nbf"`
	Methods  []string        `json:"amr"`
	Source   string          `json:"https://aws.amazon.com/source_identity"`
	Tags     struct {
		Principal  map[string]json.RawMessage `json:"principal_tags"`
		Transitive []string                   `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`

	audience []string
}

func readWebIdentity(p params) (assumeInput, string, error) {
	k := p.check()
	in := assumeInput{
		roleARN:     k.required("RoleArn", arnShape),
		sessionName: k.required("RoleSessionName", sessionNameShape),
		policy:      k.optional("Policy", webPolicyShape),
		duration:    k.seconds("DurationSeconds", shortest, longest),
		policyARNs:  k.policyARNs(),
	}
	raw := k.required("WebIdentityToken", webTokenShape)
	return in, raw, k.err()
}

// assumeRoleWithWebIdentity needs no signature: the token is the proof.
func assumeRoleWithWebIdentity(c *call) ([]node, error) {
	in, raw, err := readWebIdentity(c.params)
	if err != nil {
		return nil, err
	}
	parsed, err := readRoleARN(in.roleARN)
	if err != nil {
		return nil, err
	}
	if err := c.fault.error(); err != nil {
		return nil, err
	}
	c.region = "us-east-1" // the request does not show its endpoint
	t, p, err := c.verifyToken(raw, parsed.account)
	if err != nil {
		return nil, err
	}
	in.sourceIdentity = t.Source
	to := c.aws.target(parsed, in.roleARN, c.now)
	next, err := c.admitToken(&in, to, t, p)
	if err != nil {
		return nil, err
	}
	issued, packed, err := c.open(in, to, next, false)
	if err != nil {
		return nil, err
	}
	return append(assumed(to, next, issued, packed),
		leaf("SubjectFromWebIdentityToken", t.Subject),
		leaf("Audience", t.audience[0]),
		leaf("Provider", p.arn),
	), nil
}

// verifyToken verifies a token with the account's providers.
func (c *call) verifyToken(raw, owner string) (*token, *provider, error) {
	signed, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, nil,
			badToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	t, err := readClaims(signed.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, nil, err
	}
	p := c.aws.providerOf(owner, t.Issuer)
	if p == nil {
		return nil, nil, badToken("No OpenIDConnect provider found in your account for %s", t.Issuer)
	}
	key, err := c.verificationKey(p, signed.Signatures[0].Header.KeyID)
	if err != nil {
		return nil, nil, err
	}
	if _, err := signed.Verify(key); err != nil {
		return nil, nil, badToken("Provided Token is not a valid token: its signature could not be verified")
	}
	return t, p, t.check(p, c.now)
}

func readClaims(payload []byte) (*token, error) {
	var t token
	if err := json.Unmarshal(payload, &t); err != nil {
		return nil,
			badToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	var one string
	if json.Unmarshal(t.Audience, &one) == nil {
		t.audience = []string{one}
	} else if json.Unmarshal(t.Audience, &t.audience) != nil {
		t.audience = nil
	}
	for _, claim := range []struct {
		name string
		has  bool
	}{{"iss", t.Issuer != ""}, {"sub", t.Subject != ""}, {"aud", len(t.audience) > 0}, {"exp", t.Expires != nil},
		{"iat", t.Issued != nil}} {
		if !claim.has {
			return nil, badToken("Missing a required claim: %s", claim.name)
		}
	}
	return &t, nil
}

// check compares the claims with the provider and the clock.
func (t *token) check(p *provider, now time.Time) error {
	if !slices.ContainsFunc(t.audience, func(aud string) bool { return slices.Contains(p.clientIDs, aud) }) {
		return badToken("Incorrect token audience")
	}
	expires, err1 := t.Expires.Int64()
	issued, err2 := t.Issued.Int64()
	if err1 != nil || err2 != nil || issued == math.MinInt64 {
		return badToken("Token timestamps must be integers")
	}
	if now.Unix() >= expires {
		return refuse(http.StatusBadRequest, "ExpiredTokenException",
			"Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), expires)
	}
	ahead := now.Add(5 * time.Minute).Unix()
	if t.NotBy != nil {
		if n, err := t.NotBy.Int64(); err != nil || n > ahead {
			return badToken("Token is not yet valid")
		}
	}
	if issued > ahead {
		return badToken("Token is not yet valid")
	}
	return nil
}

func (a *AWS) providerOf(owner, issuer string) *provider {
	a.mu.Lock()
	defer a.mu.Unlock()
	acct := a.accounts[owner]
	if acct == nil {
		return nil
	}
	_, name, _ := strings.Cut(issuer, "://")
	p := acct.providers[strings.TrimSuffix(name, "/")]
	if p == nil || strings.TrimSuffix(p.issuer, "/") != strings.TrimSuffix(issuer, "/") {
		return nil
	}
	return p
}

// verificationKey returns the key that a token is signed with. It fetches the
// provider's keys if the key is unknown.
func (c *call) verificationKey(p *provider, id string) (*jose.JSONWebKey, error) {
	c.aws.mu.Lock()
	keys, fixed, fresh := p.keys, p.fixed, c.now.Sub(p.fetched) < 10*time.Second
	c.aws.mu.Unlock()
	if k := pick(keys, id); k != nil {
		return k, nil
	}
	if fixed || fresh || c.aws.client == nil {
		return nil, errNoKey
	}
	keys, err := fetchKeys(c.http.Context(), c.aws.client, p.issuer)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "IDPCommunicationError",
			"Error communicating with the identity provider")
	}
	c.aws.mu.Lock()
	p.keys, p.fetched = keys, c.now
	c.aws.mu.Unlock()
	if k := pick(keys, id); k != nil {
		return k, nil
	}
	return nil, errNoKey
}

// pick returns the public key with the ID. Without an ID it returns the only key of
// a provider that has one.
func pick(set jose.JSONWebKeySet, id string) *jose.JSONWebKey {
	for _, k := range set.Keys {
		if k.KeyID == id && id != "" || id == "" && len(set.Keys) == 1 {
			public := k.Public()
			if public.Valid() {
				return &public
			}
		}
	}
	return nil
}

// fetchKeys fetches the keys that the discovery document names. The document must
// be the issuer's own.
func fetchKeys(ctx context.Context, client *http.Client, issuer string) (jose.JSONWebKeySet, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var discovery struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	var keys jose.JSONWebKeySet
	base := strings.TrimSuffix(issuer, "/")
	if err := fetchJSON(ctx, client, base+"/.well-known/openid-configuration", &discovery); err != nil {
		return keys, err
	}
	if strings.TrimSuffix(discovery.Issuer, "/") != base || discovery.Keys == "" {
		return keys, errors.New("the discovery document is not the issuer's")
	}
	err := fetchJSON(ctx, client, discovery.Keys, &keys)
	return keys, err
}

func fetchJSON(ctx context.Context, client *http.Client, from string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching %s: %s", from, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(into)
}

// admitToken evaluates the trust policy for a token.
func (c *call) admitToken(in *assumeInput, to target, t *token, p *provider) (*session, error) {
	for k, raw := range t.Tags.Principal {
		values, ok := texts(raw)
		if !ok || len(values) != 1 {
			return nil, badToken("Session tags must have exactly one value")
		}
		in.tags = append(in.tags, tag{k, values[0]})
	}
	in.transitive = t.Tags.Transitive
	if err := t.checkShapes(in); err != nil {
		return nil, err
	}
	tags, err := tagMap(in.tags)
	if err != nil {
		return nil, err
	}
	c.caller = &caller{provider: p.arn}
	c.trail.SourceIdentity, c.trail.Tags, c.trail.TransitiveTagKeys = t.Source, tags, in.transitive
	known := c.assumeFacts(*in, to, tags, nil, t.Source)
	known.set("aws:FederatedProvider", p.arn)
	known.set(p.name+":sub", t.Subject)
	known.set(p.name+":aud", t.audience...)
	known.set(p.name+":amr", t.Methods...)
	actions := []string{"sts:AssumeRoleWithWebIdentity"}
	if len(tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if t.Source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		r := ask(c.caller, action, to.raw, known)
		if !to.exists || !evaluateAssume(r, to.role.trust, to.account).allowed {
			return nil, denied("Not authorized to perform %s", action)
		}
	}
	return &session{name: in.sessionName, sourceIdentity: t.Source, tags: tags, transitive: in.transitive}, nil
}

// checkShapes checks the values in a token against the limits of parameters.
func (t *token) checkShapes(in *assumeInput) error {
	k := params{}.check()
	if t.Source != "" {
		k.text("sourceIdentity", t.Source, sessionNameShape)
	}
	k.size("Tags", len(in.tags), 50)
	for _, one := range in.tags {
		k.text("tags.key", one.key, tagKeyShape)
		k.text("tags.value", one.value, tagValueShape)
	}
	if err := k.err(); err != nil {
		return badToken("%s", err.(*Error).Message)
	}
	return nil
}
