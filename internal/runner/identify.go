package runner

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Verifier verifies service-account tokens. Its errors are *rolebroker.Error.
type Verifier interface {
	// Verify returns what a token says.
	Verify(ctx context.Context, token string) (rolebroker.ServiceAccountToken, error)
	// Prepare makes the verifier ready. Codes: unavailable.
	Prepare(ctx context.Context) error
}

const (
	// maxIdentified bounds the agents that are remembered, and their tokens.
	maxIdentified = 10_000

	// keepIdentified is for how long an agent that asks for nothing is remembered.
	// SDKs ask again when their credentials expire.
	keepIdentified = rolebroker.MaxSessionDuration + time.Hour
)

// identified is an agent that the server identified.
type identified struct {
	caller  rolebroker.Caller
	token   rolebroker.Secret // for the roles that the platform assumes; zero for a service account
	shown   api.Identification
	askedAt time.Time
	stale   bool // a change since the server's answer may concern the agent
}

// labelled is a service account with its labels, by which an agent may be bound to it.
type labelled struct {
	account rolebroker.ServiceAccount
	labels  string
	read    bool // the labels are known
}

// identifier finds out which agent asks. It remembers the server's answer, uses it
// while the record is watching, and asks the server again after a change that may
// concern the agent.
type identifier struct {
	record   *record
	verifier Verifier // nil: service-account tokens are refused
	failed   *guard.Failures

	mu      sync.Mutex
	changes uint64                                   // how many there were that may concern an agent
	known   map[any]*identified                      // by the SHA-256 of an agent token, or labelled
	tokens  map[rolebroker.TokenID]rolebroker.Secret // the token of an ID never changes
}

func newIdentifier(r *record, v Verifier, failed *guard.Failures) *identifier {
	return &identifier{record: r, verifier: v, failed: failed, known: map[any]*identified{},
		tokens: map[rolebroker.TokenID]rolebroker.Secret{}}
}

// onChange is called with every change. An agent's identity is the server's answer
// until the agent changes; that of a service account, until any agent does, because
// the service account may be that agent from now on.
func (i *identifier) onChange(change rolebroker.Change) {
	all := change == (rolebroker.Change{})
	if !all && (change.Agent == "" || change.Integration != "") {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.changes++
	for _, known := range i.known {
		if all || known.caller.Agent == change.Agent || known.shown.ServiceAccount != nil {
			known.stale = true
		}
	}
}

// recent returns who asked within keepIdentified, by key, and forgets the others.
func (i *identifier) recent() map[any]identified {
	i.mu.Lock()
	defer i.mu.Unlock()
	recent := map[any]identified{}
	for key, known := range i.known {
		if i.record.now().Sub(known.askedAt) > keepIdentified {
			delete(i.known, key)
			continue
		}
		recent[key] = *known
	}
	return recent
}

// identify is for containercreds.Options.
func (i *identifier) identify(ctx context.Context, authorization, address string) (rolebroker.Caller, error) {
	who, err := i.agent(ctx, auth.Bearer(authorization))
	if err != nil {
		return rolebroker.Caller{}, i.failed.Refuse("credentials", address, err)
	}
	who.Address, who.Request = auth.IP(address), rolebroker.RequestIDOf(ctx)
	return who, nil
}

// agent is the agent that a token stands for.
func (i *identifier) agent(ctx context.Context, shown string) (rolebroker.Caller, error) {
	if shown == "" {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"an agent token is required, or the token of a service account").
			WithHint("have AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE name a projected service-account token with the " +
				"audience rolebroker")
	}
	if !isJWT(shown) {
		return i.find(ctx, sha256.Sum256([]byte(shown)), api.Identification{Token: api.Secret(shown)},
			rolebroker.NewSecret(shown))
	}
	if i.verifier == nil {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"this runner takes no service-account tokens: it does not know their issuer").
			WithHint("start it with --cluster-issuer, or show an agent token")
	}
	said, err := i.verifier.Verify(ctx, shown)
	if err != nil {
		return rolebroker.Caller{}, err
	}
	sent := convert.ServiceAccount(said.Account)
	sent.Labels = said.Labels
	key := labelled{said.Account, said.Labels.String(), said.Labels != nil}
	who, err := i.find(ctx, key, api.Identification{ServiceAccount: sent}, rolebroker.Secret{})
	who.Workload = said.Workload()
	return who, err
}

// find is the caller that a key stands for, from memory or from the server.
func (i *identifier) find(ctx context.Context, key any, shown api.Identification, token rolebroker.Secret) (
	rolebroker.Caller, error) {
	return again(i.record, func() (rolebroker.Caller, error) { return i.look(ctx, key, shown, token) })
}

// look is one attempt at find.
func (i *identifier) look(ctx context.Context, key any, shown api.Identification, token rolebroker.Secret) (
	rolebroker.Caller, error) {
	caller, seen, ok := i.remembered(key)
	if ok {
		return caller, nil
	}
	return i.ask(ctx, key, identified{token: token, shown: shown, askedAt: i.record.now()}, seen)
}

// confirm asks the server again about an agent that is remembered.
func (i *identifier) confirm(ctx context.Context, key any, known identified) (rolebroker.Caller, error) {
	i.mu.Lock()
	seen := i.changes
	i.mu.Unlock()
	return i.ask(ctx, key, known, seen)
}

// ask asks the server who the agent is, and remembers the answer. It may be used
// unless something changed after seen changes.
func (i *identifier) ask(ctx context.Context, key any, found identified, seen uint64) (rolebroker.Caller, error) {
	answer, err := ask(ctx, i.record.link, func(ctx context.Context, c *client.Client) (api.Identified, error) {
		return c.Identify(ctx, found.shown)
	})
	switch {
	case err != nil:
		return rolebroker.Caller{}, i.record.explain(err)
	case answer.Token == nil:
		i.drop(key)
		return rolebroker.Caller{}, refusalOf(answer.Refusal)
	}
	found.caller = rolebroker.Caller{Agent: rolebroker.AgentID(answer.Token.Agent),
		Token: rolebroker.TokenID(answer.Token.ID)}
	i.remember(key, found, seen)
	return found.caller, nil
}

// remembered is the remembered agent of a key, if it may be used, and the number
// of changes until now. It notes that the agent asked.
func (i *identifier) remembered(key any) (caller rolebroker.Caller, seen uint64, ok bool) {
	watching := i.record.Watching()
	i.mu.Lock()
	defer i.mu.Unlock()
	found := i.known[key]
	if found == nil {
		return caller, i.changes, false
	}
	found.askedAt = i.record.now()
	return found.caller, i.changes, !found.stale && watching
}

func (i *identifier) drop(key any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.known, key)
}

// remember remembers an answer. It is stale if something changed after seen changes.
func (i *identifier) remember(key any, found identified, seen uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for other := range i.known {
		if len(i.known) < maxIdentified {
			break
		}
		delete(i.known, other)
	}
	found.stale = seen != i.changes
	i.known[key] = &found
	if found.token.IsZero() {
		return
	}
	for id := range i.tokens {
		if len(i.tokens) < maxIdentified {
			break
		}
		delete(i.tokens, id)
	}
	i.tokens[found.caller.Token] = found.token
}

// tokenOf is the agent token by which an agent was identified; zero for a
// service account.
func (i *identifier) tokenOf(id rolebroker.TokenID) rolebroker.Secret {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tokens[id]
}

// refusalOf is the server's refusal of an agent.
func refusalOf(r *api.Refusal) error {
	if r == nil {
		return rolebroker.Errorf(rolebroker.CodeInternal, "the server neither accepted nor refused the agent").
			WithHint("use the same version on both sides: rolebroker version")
	}
	return problem.Refused(*r)
}

// isJWT tells a service-account token from one of ours, which has no dot.
//
// Source: RFC 7515, section 3.1.
func isJWT(shown string) bool {
	return strings.HasPrefix(shown, "ey") && strings.Count(shown, ".") == 2
}
