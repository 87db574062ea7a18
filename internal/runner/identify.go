package runner

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"

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
}

// maxIdentified bounds the agents that are remembered, and their tokens.
const maxIdentified = 10_000

// identified is an agent that the server identified.
type identified struct {
	caller rolebroker.Caller
	token  rolebroker.Secret // for the roles that the platform assumes; zero for a service account
}

// identifier finds out which agent asks. It remembers the server's answer until
// the next change, and uses it while the record is watching.
type identifier struct {
	record   *record
	verifier Verifier // nil: service-account tokens are refused
	failed   *guard.Failures

	mu      sync.Mutex
	changes uint64                                   // how many there were
	known   map[any]identified                       // by the SHA-256 of an agent token, or by service account
	tokens  map[rolebroker.TokenID]rolebroker.Secret // the token of an ID never changes
}

func newIdentifier(r *record, v Verifier, failed *guard.Failures) *identifier {
	return &identifier{record: r, verifier: v, failed: failed, known: map[any]identified{},
		tokens: map[rolebroker.TokenID]rolebroker.Secret{}}
}

// forget is called with every change.
func (i *identifier) forget(rolebroker.Change) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.changes++
	clear(i.known)
}

// identify is for containercreds.Options.
func (i *identifier) identify(ctx context.Context, authorization, address string) (rolebroker.Caller, error) {
	who, err := i.agent(ctx, auth.Bearer(authorization))
	if err != nil {
		return rolebroker.Caller{}, i.failed.Refuse("credentials", address, err)
	}
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
	who, err := i.find(ctx, said.Account, api.Identification{ServiceAccount: convert.ServiceAccount(said.Account)},
		rolebroker.Secret{})
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
	found, seen, ok := i.remembered(key)
	if ok {
		return found.caller, nil
	}
	answer, err := ask(ctx, i.record.link, func(ctx context.Context, c *client.Client) (api.Identified, error) {
		return c.Identify(ctx, shown)
	})
	switch {
	case err != nil:
		return rolebroker.Caller{}, i.record.explain(err)
	case answer.Token == nil:
		return rolebroker.Caller{}, refusalOf(answer.Refusal)
	}
	found = identified{rolebroker.Caller{Agent: rolebroker.AgentID(answer.Token.Agent),
		Token: rolebroker.TokenID(answer.Token.ID)}, token}
	i.remember(key, found, seen)
	return found.caller, nil
}

// remembered is the remembered agent of a key, if it may be used, and the number
// of changes until now.
func (i *identifier) remembered(key any) (found identified, seen uint64, ok bool) {
	watching := i.record.Watching()
	i.mu.Lock()
	defer i.mu.Unlock()
	found, ok = i.known[key]
	return found, i.changes, ok && watching
}

// remember remembers an answer, unless something changed after seen changes.
func (i *identifier) remember(key any, found identified, seen uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known) >= maxIdentified {
		clear(i.known)
	}
	if seen == i.changes {
		i.known[key] = found
	}
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
