package serviceaccount

import (
	"context"
	"crypto/sha256"
	"errors"
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

// DefaultAudience is whom pods have their tokens made for.
const DefaultAudience = "rolebroker"

// Where the kubelet puts what a pod needs to speak to its API server, and the
// name of that server in every cluster.
const (
	podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	podCAFile    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
	podKeysURL   = "https://kubernetes.default.svc/openid/v1/jwks"
)

// algorithms are those that are believed: with them a key that verifies cannot
// sign. What a token says of itself chooses among them and no further.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

const (
	// maxToken bounds what is looked at. A projected token has about 1 KiB.
	maxToken = 16 << 10

	// early is how much the clock that made a token may be ahead of ours, and
	// late how long a token is good after its end.
	early = 10 * time.Second
	late  = 5 * time.Second

	// keepVerified is for how long, at most, a token is believed without its
	// signature being looked at again, and maxVerified how many are.
	keepVerified = 10 * time.Minute
	maxVerified  = 10_000

	// keepKeys is after how long the keys are fetched anew though nothing asks
	// for it, so that one that was withdrawn is forgotten.
	keepKeys = time.Hour
)

// Options configure New. The zero value is for a pod of the cluster.
type Options struct {
	// Issuer is what the claim iss of a token has to be. Empty: that of the
	// token in TokenFile, which is not verified for it: it is the pod's own.
	Issuer string

	// Audience is what has to be in the claim aud. Empty: DefaultAudience.
	Audience string

	// KeysURL is where the issuer's keys are, as a JSON Web Key Set. Empty: the
	// API server of the pod's cluster, with the pod's CA and token.
	KeysURL string

	// Discover finds the keys by the issuer's discovery document instead, as AWS
	// does. Then KeysURL is not used.
	Discover bool

	// KeysFile is a file with the keys, as a JSON Web Key Set or as PEM. Then
	// nothing is fetched. It is read again when a key is not known.
	KeysFile string

	// CAFile has the certificates to trust in place of the system's, as PEM.
	// Empty: the pod's for its API server, else the system's.
	CAFile string

	// TokenFile is a token that is shown to KeysURL, read each time. Empty: the
	// pod's for its API server, else none.
	TokenFile string

	Now        func() time.Time // nil: time.Now
	HTTPClient *http.Client     // nil: one that trusts CAFile
}

// Verifier verifies the tokens of one issuer. It may be used by many at once.
type Verifier struct {
	opts Options
	keys *keySource
	most int // how many tokens are remembered

	mu       sync.Mutex
	issuer   string            // empty until known
	verified map[digest]answer // tokens, by their SHA-256
}

type digest = [sha256.Size]byte

// answer is what a token turned out to be.
type answer struct {
	account rolebroker.ServiceAccount
	expires time.Time // by the token
	until   time.Time // the answer may be given without another look
}

// New makes a Verifier. It reads and fetches nothing yet; what it cannot have
// is said by Verify, and tried again.
func New(opts Options) *Verifier {
	if opts.Audience == "" {
		opts.Audience = DefaultAudience
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	v := &Verifier{opts: opts, most: maxVerified, issuer: opts.Issuer, verified: map[digest]answer{}}
	v.keys = newKeySource(opts, v.Issuer)
	return v
}

// Issuer is whose tokens are verified. Codes: unavailable, when it is to be
// read from a file that is not there.
func (v *Verifier) Issuer() (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.issuer != "" {
		return v.issuer, nil
	}
	issuer, err := issuerOf(orElse(v.opts.TokenFile, podTokenFile))
	if err != nil {
		return "", rolebroker.Errorf(rolebroker.CodeUnavailable, "the issuer of this cluster's service-account tokens is not known: %w", err).
			WithHint("run it in a pod that has a service-account token, or say what the issuer is with --cluster-issuer;\n" +
				"kubectl get --raw /.well-known/openid-configuration shows it")
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

// Verify says whose token it is, and when it expires by its own word. Codes:
// unauthenticated for what is no such token, token_issuer, token_audience,
// token_signature, expired; unavailable when the keys cannot be fetched. No
// error repeats the token.
func (v *Verifier) Verify(ctx context.Context, token string) (account rolebroker.ServiceAccount, expires time.Time, err error) {
	sum := sha256.Sum256([]byte(token))
	if known, ok := v.remembered(sum); ok {
		return known.account, known.expires, nil
	}
	account, expires, err = v.look(ctx, token)
	if err != nil {
		e := rolebroker.AsError(err)
		if len(e.Hint) == 0 {
			e = e.WithHint("%s", mountHint(v.opts.Audience))
		}
		return rolebroker.ServiceAccount{}, time.Time{}, e
	}
	v.remember(sum, account, expires)
	return account, expires, nil
}

// look is Verify for a token that is not known.
func (v *Verifier) look(ctx context.Context, token string) (rolebroker.ServiceAccount, time.Time, error) {
	none := rolebroker.ServiceAccount{}
	signed, c, err := parse(token)
	if err != nil {
		return none, time.Time{}, notParsed(err)
	}
	issuer, err := v.Issuer()
	if err != nil {
		return none, time.Time{}, err
	}
	// Nothing of this is believed yet, but it can be refused.
	account, err := c.check(issuer, v.opts.Audience, v.opts.Now())
	if err != nil {
		return none, time.Time{}, err
	}
	return account, c.Expiry.Time().UTC(), v.checkSignature(ctx, signed, issuer)
}

// parse takes a token apart. Nothing of it is verified.
func parse(token string) (*jose.JSONWebSignature, *claims, error) {
	if len(token) > maxToken || strings.ContainsFunc(token, isNotOfToken) {
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

// isNotOfToken is for what has no place in a token, though a decoder of base64
// may be indulgent.
func isNotOfToken(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	return !letter && (r < '0' || '9' < r) && r != '-' && r != '_' && r != '.'
}

// notParsed words what parse says. Its errors are not shown: they may quote the token.
func notParsed(err error) error {
	if wrong := new(jose.ErrUnexpectedSignatureAlgorithm); errors.As(err, &wrong) {
		return rolebroker.Errorf(rolebroker.CodeTokenSignature, "the service-account token is signed with an algorithm that is not believed; RS256 and ES256 are")
	}
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "this is not a service-account token; show the content of the file of a projected token, and nothing around it")
}

// claims are what is read of a token.
type claims struct {
	jwt.Claims
	Kubernetes struct {
		Namespace      string `json:"namespace"`
		ServiceAccount struct {
			Name string `json:"name"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// check refuses what the claims alone are enough to refuse.
func (c *claims) check(issuer, audience string, now time.Time) (rolebroker.ServiceAccount, error) {
	none := rolebroker.ServiceAccount{}
	if c.Issuer != issuer {
		return none, rolebroker.Errorf(rolebroker.CodeTokenIssuer, "the service-account token is of the issuer %s, and this runner is for the cluster with the issuer %s; ask the runner of your own cluster", quoted(c.Issuer), quoted(issuer)).
			WithHint("where the issuer of this cluster has changed, start the runner again, or with --cluster-issuer")
	}
	if err := c.checkTimes(now); err != nil {
		return none, err
	}
	if !c.Audience.Contains(audience) {
		return none, rolebroker.Errorf(rolebroker.CodeTokenAudience, "the service-account token is for the audience %s, and has to be for %s; mount a projected token with audience: %s", quoted(strings.Join(c.Audience, ", ")), quoted(audience), audience)
	}
	return c.account()
}

func (c *claims) checkTimes(now time.Time) error {
	switch {
	case c.Expiry == nil:
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the service-account token never expires, and is not believed for it; mount a projected token")
	case !now.Before(c.Expiry.Time().Add(late)):
		return rolebroker.Errorf(rolebroker.CodeExpired, "the service-account token expired at %s; read it from its file each time, the kubelet writes a new one there", c.Expiry.Time().UTC().Format(time.RFC3339)).
			WithHint("name the file in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, and do not set AWS_CONTAINER_AUTHORIZATION_TOKEN")
	}
	for _, start := range []*jwt.NumericDate{c.NotBefore, c.IssuedAt} {
		if start != nil && now.Add(early).Before(start.Time()) {
			return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the service-account token is of %s, which is yet to come; compare the clock of the runner with that of the API server", start.Time().UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// account is the subject. What Kubernetes says of it besides has to agree.
func (c *claims) account() (rolebroker.ServiceAccount, error) {
	subject, ok := strings.CutPrefix(c.Subject, "system:serviceaccount:")
	namespace, name, found := strings.Cut(subject, ":")
	account := rolebroker.ServiceAccount{Issuer: c.Issuer, Namespace: namespace, Name: name}
	k := c.Kubernetes
	agrees := (k.Namespace == "" || k.Namespace == namespace) && (k.ServiceAccount.Name == "" || k.ServiceAccount.Name == name)
	if !ok || !found || !agrees || account.Check() != nil {
		return rolebroker.ServiceAccount{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the token is of %s, which is not a service account; show the projected token of a pod", quoted(c.Subject))
	}
	return account, nil
}

// checkSignature asks the issuer's keys.
func (v *Verifier) checkSignature(ctx context.Context, signed *jose.JSONWebSignature, issuer string) error {
	err := v.keys.verify(ctx, signed)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotSigned):
		return rolebroker.Errorf(rolebroker.CodeTokenSignature, "the service-account token is not signed by a key of the issuer %s; show the token as it is in the pod's file", quoted(issuer)).
			WithHint("where the cluster has new keys since a few seconds, try again; kubectl get --raw /openid/v1/jwks shows them")
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "the keys of the issuer %s cannot be fetched, so nobody's token can be verified: %w", quoted(issuer), err).
		WithHint("%s", v.keys.hint())
}

func (v *Verifier) remembered(sum digest) (answer, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known, ok := v.verified[sum]
	if !ok {
		return answer{}, false
	}
	if !v.opts.Now().Before(known.until) {
		delete(v.verified, sum)
		return answer{}, false
	}
	return known, true
}

func (v *Verifier) remember(sum digest, account rolebroker.ServiceAccount, expires time.Time) {
	now := v.opts.Now()
	until := now.Add(keepVerified)
	if end := expires.Add(late); end.Before(until) {
		until = end
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.verified) >= v.most {
		v.forget(now)
	}
	v.verified[sum] = answer{account: account, expires: expires, until: until}
}

// forget makes room: what is over goes, and if nothing is, a tenth of the rest;
// v.mu is held.
func (v *Verifier) forget(now time.Time) {
	for sum, known := range v.verified {
		if !now.Before(known.until) {
			delete(v.verified, sum)
		}
	}
	for sum := range v.verified {
		if len(v.verified) <= v.most*9/10 {
			return
		}
		delete(v.verified, sum)
	}
}

// mountHint is what a pod has to have.
func mountHint(audience string) string {
	return "in the pod: volumes: [{name: rolebroker, projected: {sources: [{serviceAccountToken: {path: token, audience: " + audience + "}}]}}]"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
