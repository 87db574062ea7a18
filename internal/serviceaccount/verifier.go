package serviceaccount

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rolebroker/rolebroker"
)

// DefaultAudience is the audience for which pods request their tokens.
const DefaultAudience = "rolebroker"

// The files that the kubelet puts into a pod, and the keys of its API server, which
// has the same name in every cluster.
const (
	podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	podCAFile    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
	podAPIServer = "https://kubernetes.default.svc"
	podKeysURL   = podAPIServer + "/openid/v1/jwks"
)

// algorithms are the accepted ones: a key that verifies their signatures cannot
// sign. A token only chooses among them.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

const (
	// maxToken bounds the size of a token. A projected token has about 1 KiB.
	maxToken = 16 << 10

	// maxLifetime bounds how long a token lives. The kubelet replaces a projected
	// token after a day at the latest, so a longer life helps only someone who has
	// copied it. The default is an hour. A token that Kubernetes extends, because an
	// old client may not read it again, lives for a year.
	//
	// Source: Kubernetes documentation, "Configure Service Accounts for Pods",
	// "Launch a Pod using service account token projection".
	maxLifetime = 24 * time.Hour

	// early is how much the issuer's clock may be ahead of ours, and late how long
	// a token is valid after it expired.
	early = 10 * time.Second
	late  = 5 * time.Second

	// keepVerified is how long, at most, a verified token is remembered, and
	// maxVerified how many are.
	keepVerified = 10 * time.Minute
	maxVerified  = 10_000

	// keepKeys is the age at which the keys are fetched again even if no token
	// names an unknown one, so that a withdrawn key is forgotten.
	keepKeys = time.Hour
)

// Options configure New. The zero value works in a pod of the cluster.
type Options struct {
	// Issuer is the claim iss that a token must have. Empty: that of the token in
	// TokenFile, which is the pod's own and not verified.
	Issuer string

	// Audience must be the only one in the claim aud of a token. Empty:
	// DefaultAudience.
	Audience string

	// PodsOnly refuses tokens that are not bound to a pod, such as those that
	// kubectl create token makes.
	PodsOnly bool

	// KeysURL is the address of the issuer's JSON Web Key Set. Empty: that of the
	// pod's API server, which is asked with the pod's certificates and token.
	KeysURL string

	// Discover finds the keys by the issuer's discovery document instead, as AWS
	// does, and ignores KeysURL.
	Discover bool

	// KeysFile is a file with the keys, as a JSON Web Key Set or as PEM, which
	// replaces KeysURL. It is read again when a token names an unknown key.
	KeysFile string

	// APIServer is the URL of the API server that reviews tokens and knows the labels
	// of service accounts. It is asked with CAFile and TokenFile. Empty: the pod's, if
	// the keys are the pod's; else none, and tokens that live for more than an hour
	// are refused. NoReview asks none in any case.
	APIServer string
	NoReview  bool

	// CAFile has the certificates to trust, as PEM. Empty: the pod's for its own
	// API server, else the system's.
	CAFile string

	// TokenFile has the token to send to KeysURL; it is read each time. Empty: the
	// pod's for its own API server, else none.
	TokenFile string

	Log        *slog.Logger     // nil: none
	Now        func() time.Time // nil: time.Now
	HTTPClient *http.Client     // nil: one that trusts CAFile
}

// Verifier verifies the tokens of one issuer. Goroutines may share it.
type Verifier struct {
	opts        Options
	keys        *keySource
	reviewer    *reviewer // nil: the API server is not asked
	maxVerified int

	mu       sync.Mutex
	issuer   string              // empty until known
	verified map[digest]verified // by the SHA-256 of the token
}

type digest = [sha256.Size]byte

// verified is a token whose signature was verified.
type verified struct {
	said  rolebroker.ServiceAccountToken
	made  time.Time     // when the token was made
	life  time.Duration // how long it lives
	until time.Time     // when to verify it again
}

// New makes a Verifier. It reads and fetches nothing: Verify does, and tries again
// after a failure.
func New(opts Options) *Verifier {
	if opts.Audience == "" {
		opts.Audience = DefaultAudience
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	v := &Verifier{opts: opts, maxVerified: maxVerified, issuer: opts.Issuer,
		verified: map[digest]verified{}}
	v.keys = newKeySource(opts, v.Issuer)
	v.reviewer = newReviewer(opts, v.keys)
	return v
}

// Issuer is the issuer of the tokens. Codes: unavailable, if it cannot be read from
// TokenFile.
func (v *Verifier) Issuer() (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.issuer != "" {
		return v.issuer, nil
	}
	issuer, err := issuerOf(cmp.Or(v.opts.TokenFile, podTokenFile))
	if err != nil {
		return "", rolebroker.Errorf(rolebroker.CodeUnavailable,
			"the issuer of this cluster's service-account tokens is not known: %w", err).
			WithSteps(rolebroker.Step{
				Text: "run it in a pod that has a service-account token, or name the issuer with " +
					"--cluster-issuer; this shows it:",
				Command: "kubectl get --raw /.well-known/openid-configuration"})
	}
	v.issuer = issuer
	return issuer, nil
}

// issuerOf reads the claim iss of the token in a file.
func issuerOf(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	_, c, err := parse(strings.TrimSpace(string(content)))
	if err != nil {
		return "", err
	}
	if c.Issuer == "" {
		return "", errors.New("the token in " + file + " names no issuer")
	}
	return c.Issuer, nil
}

// Prepare fetches the keys if there are none yet. Codes: unavailable, if they cannot be
// fetched, so that no token can be verified.
func (v *Verifier) Prepare(ctx context.Context) error {
	issuer, err := v.Issuer()
	if err != nil {
		return err
	}
	if err := v.keys.prepare(ctx); err != nil {
		return v.withoutKeys(issuer, err)
	}
	return nil
}

// Verify returns what a token says. Codes:
// unauthenticated, if it is not a service-account token; token_issuer,
// token_audience, token_signature; expired, also if its pod or service account was
// deleted more than a minute ago; unavailable, if the keys cannot be fetched. No
// error repeats the token.
func (v *Verifier) Verify(ctx context.Context, token string) (rolebroker.ServiceAccountToken, error) {
	sum := sha256.Sum256([]byte(token))
	known, ok := v.remembered(sum)
	var err error
	if !ok {
		if known, err = v.verify(ctx, token); err == nil {
			v.remember(sum, known)
		}
	}
	if err == nil {
		err = v.reviewer.check(ctx, sum, token, known.made, known.life)
	}
	if err != nil {
		e := rolebroker.AsError(err)
		if len(e.Hint) == 0 {
			e = e.WithHint("%s", mountHint(v.opts.Audience))
		}
		return rolebroker.ServiceAccountToken{}, e
	}
	said := known.said
	said.Labels = v.reviewer.labels(ctx, said.Account)
	return said, nil
}

// verify is Verify for a token that is not remembered.
func (v *Verifier) verify(ctx context.Context, token string) (verified, error) {
	none := verified{}
	signed, c, err := parse(token)
	if err != nil {
		return none, notParsed(err)
	}
	issuer, err := v.Issuer()
	if err != nil {
		return none, err
	}
	// The signature is not verified yet, but the claims can be refused.
	now := v.opts.Now()
	account, err := c.check(issuer, v.opts.Audience, now)
	if err == nil && v.opts.PodsOnly {
		err = c.checkPod()
	}
	if err != nil {
		return none, err
	}
	said := rolebroker.ServiceAccountToken{Account: account, Pod: c.Kubernetes.Pod.Name,
		Expires: c.Expiry.Time().UTC()}
	life := c.lifetime(now)
	return verified{said: said, life: life, made: said.Expires.Add(-life)}, v.checkSignature(ctx, signed, issuer)
}

// parse parses a token and verifies nothing.
func parse(token string) (*jose.JSONWebSignature, *claims, error) {
	if len(token) > maxToken || strings.ContainsFunc(token, isForeign) {
		return nil, nil, errors.New("it does not have the form of a token")
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, nil, err
	}
	var c claims
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &c); err != nil {
		return nil, nil, err
	}
	return signed, &c, nil
}

// isForeign reports whether a character has no place in a token. A lenient decoder
// of base64 would skip it.
func isForeign(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	return !letter && (r < '0' || '9' < r) && r != '-' && r != '_' && r != '.'
}

// notParsed explains an error of parse, without its text: that may quote the token.
func notParsed(err error) error {
	if wrong := new(jose.ErrUnexpectedSignatureAlgorithm); errors.As(err, &wrong) {
		return rolebroker.Errorf(rolebroker.CodeTokenSignature,
			"the service-account token is signed with an algorithm that is not accepted; RS256 and ES256 are")
	}
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "this is not a service-account token; show the content "+
		"of the file of a projected token, and nothing around it")
}

// claims are the claims of a token that this package reads.
type claims struct {
	jwt.Claims
	Kubernetes struct {
		Namespace string `json:"namespace"`
		Pod       struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"pod"`
		ServiceAccount struct {
			Name string `json:"name"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// check checks the claims.
func (c *claims) check(issuer, audience string, now time.Time) (rolebroker.ServiceAccount, error) {
	none := rolebroker.ServiceAccount{}
	if c.Issuer != issuer {
		return none, rolebroker.Errorf(rolebroker.CodeTokenIssuer, "the service-account token is of the issuer %s, "+
			"and this runner is for the cluster with the issuer %s; ask the runner of your own cluster",
			rolebroker.Quote(c.Issuer), rolebroker.Quote(issuer)).
			WithHint("if the issuer of this cluster has changed, restart the runner, or start it with --cluster-issuer")
	}
	if err := c.checkTimes(now); err != nil {
		return none, err
	}
	if err := c.checkAudience(audience); err != nil {
		return none, err
	}
	return c.account()
}

// checkAudience accepts a token that is for us alone: any other audience that gets
// it could show it here.
func (c *claims) checkAudience(audience string) error {
	switch {
	case !c.Audience.Contains(audience):
		return rolebroker.Errorf(rolebroker.CodeTokenAudience, "the service-account token is for the audience "+
			"%s, and must be for %s; mount a projected token with audience: %s",
			rolebroker.Quote(strings.Join(c.Audience, ", ")), rolebroker.Quote(audience), audience)
	case len(c.Audience) != 1:
		return rolebroker.Errorf(rolebroker.CodeTokenAudience, "the service-account token is for several audiences, "+
			"%s, so that each of them could use it here; mount a projected token of its own with audience: %s",
			rolebroker.Quote(strings.Join(c.Audience, ", ")), audience)
	}
	return nil
}

// checkPod refuses a token that is not bound to a pod.
func (c *claims) checkPod() error {
	if c.Kubernetes.Pod.Name != "" && c.Kubernetes.Pod.UID != "" {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the service-account token is bound to no pod, and this "+
		"runner accepts those of pods only; show the projected token of a pod")
}

func (c *claims) checkTimes(now time.Time) error {
	switch {
	case c.Expiry == nil:
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"the service-account token never expires, so it is not accepted; mount a projected token")
	case !now.Before(c.Expiry.Time().Add(late)):
		return rolebroker.Errorf(rolebroker.CodeExpired, "the service-account token expired at %s; read it from its "+
			"file each time, the kubelet writes a new one there", c.Expiry.Time().UTC().Format(time.RFC3339)).
			WithHint("name the file in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, and do not set " +
				"AWS_CONTAINER_AUTHORIZATION_TOKEN")
	}
	for _, start := range []*jwt.NumericDate{c.NotBefore, c.IssuedAt} {
		if start != nil && now.Add(early).Before(start.Time()) {
			return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the service-account token is not valid before "+
				"%s; compare the clock of the runner with that of the API server",
				start.Time().UTC().Format(time.RFC3339))
		}
	}
	if life := c.lifetime(now); life > maxLifetime {
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the service-account token lives for %s, and one "+
			"that lives for more than %s is not accepted; mount a projected token with expirationSeconds: 3600",
			rolebroker.ShortDuration(life), rolebroker.ShortDuration(maxLifetime))
	}
	return nil
}

// lifetime is how long the token lives, from when it was made or, if it does not say
// that, from now on.
func (c *claims) lifetime(now time.Time) time.Duration {
	made := now
	if c.IssuedAt != nil {
		made = c.IssuedAt.Time()
	}
	return c.Expiry.Time().Sub(made).Truncate(time.Second)
}

// account is the subject. Kubernetes' own claims must agree with it.
func (c *claims) account() (rolebroker.ServiceAccount, error) {
	subject, ok := strings.CutPrefix(c.Subject, "system:serviceaccount:")
	namespace, name, found := strings.Cut(subject, ":")
	account := rolebroker.ServiceAccount{Issuer: c.Issuer, Namespace: namespace, Name: name}
	k := c.Kubernetes
	agrees := (k.Namespace == "" || k.Namespace == namespace) &&
		(k.ServiceAccount.Name == "" || k.ServiceAccount.Name == name)
	if !ok || !found || !agrees || account.Check() != nil {
		return rolebroker.ServiceAccount{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"the token is of %s, which is not a service account; show the projected token of a pod",
			rolebroker.Quote(c.Subject))
	}
	return account, nil
}

// checkSignature verifies the signature with the issuer's keys.
func (v *Verifier) checkSignature(ctx context.Context, signed *jose.JSONWebSignature, issuer string) error {
	err := v.keys.verify(ctx, signed)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotSigned):
		return rolebroker.Errorf(rolebroker.CodeTokenSignature, "the service-account token is not signed by a key of "+
			"the issuer %s; show the token as it is in the pod's file", rolebroker.Quote(issuer)).
			WithHint("if the cluster has had new keys for a few seconds only, try again; kubectl get --raw " +
				"/openid/v1/jwks shows them")
	}
	return v.withoutKeys(issuer, err)
}

// withoutKeys is the error of a verification without keys.
func (v *Verifier) withoutKeys(issuer string, err error) error {
	return rolebroker.Errorf(rolebroker.CodeUnavailable,
		"the keys of the issuer %s cannot be fetched, so no token can be verified: %w", rolebroker.Quote(issuer), err).
		WithHint("%s", v.keys.hint())
}

func (v *Verifier) remembered(sum digest) (verified, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, ok := v.verified[sum]
	if !ok {
		return verified{}, false
	}
	if !v.opts.Now().Before(known.until) {
		delete(v.verified, sum)
		return verified{}, false
	}
	return known, true
}

func (v *Verifier) remember(sum digest, known verified) {
	now := v.opts.Now()
	until := now.Add(keepVerified)
	if end := known.said.Expires.Add(late); end.Before(until) {
		until = end
	}
	known.until = until
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.verified) >= v.maxVerified {
		v.forget(now)
	}
	v.verified[sum] = known
}

// forget makes room: it forgets the tokens that are over, and if too few are, some
// of the others; v.mu is held.
func (v *Verifier) forget(now time.Time) {
	for sum, known := range v.verified {
		if !now.Before(known.until) {
			delete(v.verified, sum)
		}
	}
	for sum := range v.verified {
		if len(v.verified) <= v.maxVerified*9/10 {
			return
		}
		delete(v.verified, sum)
	}
}

// mountHint is the volume that a pod needs.
func mountHint(audience string) string {
	return "in the pod: volumes: [{name: rolebroker, projected: {sources: [{serviceAccountToken: {path: token, " +
		"audience: " + audience + ", expirationSeconds: 3600}}]}}]"
}
