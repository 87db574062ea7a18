package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// records are kept in memory.
type records struct {
	tokens map[rolebroker.TokenID]*rolebroker.Token
	keys   map[rolebroker.APIKeyID]*rolebroker.APIKey
	ins    map[rolebroker.SignInID]*rolebroker.SignIn
	runner map[rolebroker.RunnerKeyID]*rolebroker.RunnerKey
	events *[]rolebroker.AuditEvent
	used   map[rolebroker.APIKeyID]int // how often
}

func (r records) RecordEvent(_ context.Context, e rolebroker.AuditEvent) {
	*r.events = append(*r.events, e)
}

func (r records) RunnerKey(_ context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error) {
	if k := r.runner[id]; k != nil {
		copied := *k
		return &copied, nil
	}
	return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no runner key %q", id)
}

func (r records) UseRunnerKey(_ context.Context, id rolebroker.RunnerKeyID) error {
	k := r.runner[id]
	if k == nil || k.Join {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no runner key %q", id)
	}
	k.UsedAt = now
	return nil
}

func (r records) Token(_ context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	if t := r.tokens[id]; t != nil {
		return t, nil
	}
	return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no token %q", id)
}

func (r records) APIKey(_ context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error) {
	if k := r.keys[id]; k != nil {
		return k, nil
	}
	return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no API key %q", id)
}

func (r records) SignInRecord(_ context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error) {
	if in := r.ins[id]; in != nil {
		return in, nil
	}
	return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no sign-in %q", id)
}

func (r records) UsedAPIKey(_ context.Context, who rolebroker.Caller) { r.used[who.APIKey]++ }

// Confirm answers for all people but the one who left.
func (r records) Confirm(_ context.Context, in *rolebroker.SignIn, _ rolebroker.Secret) (*rolebroker.User, error) {
	if in.User == "usr_left" {
		return nil, rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the identity provider ended it")
	}
	return &rolebroker.User{ID: in.User, Email: "ada@example.com", Access: rolebroker.KeyApprover}, nil
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// address is the RemoteAddr of every request.
const address = "192.0.2.7:40000"

// world is an Authenticator and the credentials that it knows.
type world struct {
	*auth.Authenticator
	token            string // of the agent agt_scout
	key, expired     string // a read-only API key, and an admin key that has expired
	chosen           string // the bootstrap key, chosen by the operator
	join, credential string // a join token and a credential of the runner run_eks
}

func newWorld() world {
	r := records{
		map[rolebroker.TokenID]*rolebroker.Token{}, map[rolebroker.APIKeyID]*rolebroker.APIKey{},
		map[rolebroker.SignInID]*rolebroker.SignIn{}, map[rolebroker.RunnerKeyID]*rolebroker.RunnerKey{},
		&[]rolebroker.AuditEvent{}, map[rolebroker.APIKeyID]int{},
	}
	tokenID := rolebroker.NewTokenID()
	token, hash := auth.NewAgentToken(tokenID)
	r.tokens[tokenID] = &rolebroker.Token{ID: tokenID, Agent: "agt_scout", Hash: hash}
	key := func(name string, access rolebroker.KeyAccess, expiresAt time.Time) string {
		id := rolebroker.NewAPIKeyID()
		secret, hash := auth.NewAPIKey(id)
		r.keys[id] = &rolebroker.APIKey{ID: id, Name: name, Access: access, Hash: hash, ExpiresAt: expiresAt}
		return secret.Reveal()
	}
	w := world{
		Authenticator: &auth.Authenticator{Records: r, Now: func() time.Time { return now }},
		token:         token.Reveal(), chosen: "what the operator chose himself",
	}
	w.join = w.runnerKey(auth.NewJoinToken, true).Reveal()
	w.credential = w.runnerKey(auth.NewRunnerCredential, false).Reveal()
	w.key, w.expired = key("reader", rolebroker.KeyReadOnly, time.Time{}), key("old", rolebroker.KeyAdmin, now)
	r.keys[auth.BootstrapKey] = &rolebroker.APIKey{ID: auth.BootstrapKey, Name: "bootstrap",
		Access: rolebroker.KeyAdmin, Hash: seal.Hash(w.chosen)}
	return w
}

// runnerKey makes a key of a runner that is valid for a minute.
func (w world) runnerKey(make func(rolebroker.RunnerKeyID) (rolebroker.Secret, []byte), join bool) rolebroker.Secret {
	id := rolebroker.NewRunnerKeyID()
	secret, hash := make(id)
	w.Records.(records).runner[id] = &rolebroker.RunnerKey{ID: id, Runner: "run_eks", RunnerName: "eks",
		Join: join, Hash: hash, ExpiresAt: now.Add(time.Minute)}
	return secret
}

func TestATokenSaysWhichAgentItIs(t *testing.T) {
	w := newWorld()
	for _, header := range []string{w.token, "Bearer " + w.token, "bearer  " + w.token} {
		who, err := w.Agent(t.Context(), header, address)
		if err != nil || who.Agent != "agt_scout" || who.Access != "" {
			t.Errorf("%+v, %v", who, err)
		}
	}
	other, _ := auth.NewAgentToken(rolebroker.NewTokenID())
	for header, want := range map[string]rolebroker.Code{
		"":                             rolebroker.CodeUnauthenticated,
		"Bearer ":                      rolebroker.CodeUnauthenticated,
		"Basic " + w.token:             rolebroker.CodeUnauthenticated,
		other.Reveal():                 rolebroker.CodeUnauthenticated,
		w.token[:len(w.token)-1]:       rolebroker.CodeUnauthenticated,
		w.token[:len(w.token)-1] + "-": rolebroker.CodeUnauthenticated,
		strings.ToUpper(w.token):       rolebroker.CodeUnauthenticated,
		w.key:                          rolebroker.CodeDenied,
		w.chosen:                       rolebroker.CodeUnauthenticated,
		w.join:                         rolebroker.CodeDenied,
		w.credential:                   rolebroker.CodeDenied,
	} {
		who, err := w.Agent(t.Context(), header, address)
		if rolebroker.CodeOf(err) != want || who != (rolebroker.Caller{}) {
			t.Errorf("%+v, %v; want %s", who, err, want)
		}
	}
}

func TestAKeySaysWhatItOpens(t *testing.T) {
	w := newWorld()
	if who, err := w.APIKey(t.Context(), "Bearer "+w.key, address); err != nil || who.MayRead() != nil ||
		who.MayWrite() == nil || who.Address != "192.0.2.7" {
		t.Errorf("a read-only key: %+v, %v", who, err)
	}
	if who, err := w.APIKey(t.Context(), "Bearer "+w.chosen, address); err != nil || who.MayWrite() != nil {
		t.Errorf("the operator's own key: %+v, %v", who, err)
	}
	if used := w.Records.(records).used; len(used) != 2 || used[auth.BootstrapKey] != 1 {
		t.Errorf("the keys that were used are %v", used)
	}
	for header, want := range map[string]rolebroker.Code{
		"":                    rolebroker.CodeUnauthenticated,
		w.chosen + "x":        rolebroker.CodeUnauthenticated,
		w.key[:len(w.key)-1]:  rolebroker.CodeUnauthenticated,
		"Bearer " + w.expired: rolebroker.CodeExpired,
		"Bearer " + w.token:   rolebroker.CodeDenied,
		w.join:                rolebroker.CodeDenied,
		w.credential:          rolebroker.CodeDenied,
	} {
		who, err := w.APIKey(t.Context(), header, address)
		if rolebroker.CodeOf(err) != want || who != (rolebroker.Caller{}) {
			t.Errorf("%+v, %v; want %s", who, err, want)
		}
	}
}

// broken are records of a database that is down.
type broken struct{ testing.TB }

func (b broken) RecordEvent(_ context.Context, e rolebroker.AuditEvent) {
	b.Errorf("trouble with the database is recorded as a refusal: %+v", e)
}

func (broken) Token(context.Context, rolebroker.TokenID) (*rolebroker.Token, error) {
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", errors.New("gone"))
}

func (broken) APIKey(context.Context, rolebroker.APIKeyID) (*rolebroker.APIKey, error) {
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", errors.New("gone"))
}

func (broken) SignInRecord(context.Context, rolebroker.SignInID) (*rolebroker.SignIn, error) {
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", errors.New("gone"))
}

func (broken) UsedAPIKey(context.Context, rolebroker.Caller) {}

func (broken) Confirm(context.Context, *rolebroker.SignIn, rolebroker.Secret) (*rolebroker.User, error) {
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", errors.New("gone"))
}

func (broken) RunnerKey(context.Context, rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error) {
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", errors.New("gone"))
}

func (broken) UseRunnerKey(context.Context, rolebroker.RunnerKeyID) error {
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", errors.New("gone"))
}

func TestNobodyIsIdentifiedWhileTheDatabaseIsDown(t *testing.T) {
	w := newWorld()
	w.Records = broken{t}
	if _, err := w.Agent(t.Context(), w.token, address); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if _, err := w.APIKey(t.Context(), w.key, address); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if _, err := w.Runner(t.Context(), w.credential, address); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("%v", err)
	}
	if _, err := w.JoinToken(t.Context(), w.join, address); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestASignInStandsForItsAPIKey(t *testing.T) {
	w := newWorld()
	r := w.Records.(records)
	signIn := func(key rolebroker.APIKeyID, link bool, expires time.Time) (string, *rolebroker.SignIn) {
		id := rolebroker.NewSignInID()
		shown, hash := auth.NewSignIn(id)
		r.ins[id] = &rolebroker.SignIn{ID: id, APIKey: key, KeyHash: r.keys[key].Hash, Hash: hash,
			Link: link, ExpiresAt: expires}
		return shown.Reveal(), r.ins[id]
	}
	later := now.Add(time.Minute)
	good, record := signIn(auth.BootstrapKey, false, later)
	who, id, err := w.SignedIn(t.Context(), good, false, address)
	if err != nil || who.APIKey != auth.BootstrapKey || who.Access != rolebroker.KeyAdmin || id != record.ID {
		t.Fatalf("it is %+v, %s: %v", who, id, err)
	}
	link, _ := signIn(auth.BootstrapKey, true, later)
	old, _ := signIn(auth.BootstrapKey, false, now)
	for name, c := range map[string]struct {
		shown string
		link  bool
		code  rolebroker.Code
	}{
		"nothing":               {"", false, rolebroker.CodeUnauthenticated},
		"an API key":            {w.key, false, rolebroker.CodeUnauthenticated},
		"an agent token":        {w.token, false, rolebroker.CodeUnauthenticated},
		"another secret":        {good[:len(good)-1] + "!", false, rolebroker.CodeUnauthenticated},
		"an old one":            {old, false, rolebroker.CodeExpired},
		"a link as a cookie":    {link, false, rolebroker.CodeUnauthenticated},
		"a cookie as a link":    {good, true, rolebroker.CodeUnauthenticated},
		"one that is not known": {"rbs_x_" + strings.Repeat("a", 52), false, rolebroker.CodeUnauthenticated},
	} {
		who, _, err := w.SignedIn(t.Context(), c.shown, c.link, address)
		if rolebroker.CodeOf(err) != c.code || who != (rolebroker.Caller{}) {
			t.Errorf("%s is %+v: %v", name, who, err)
		}
	}
	key := *r.keys[auth.BootstrapKey]
	for name, change := range map[string]func(*rolebroker.APIKey){
		"another key in its place": func(k *rolebroker.APIKey) { k.Hash = seal.Hash("another") },
		"an expired key":           func(k *rolebroker.APIKey) { k.ExpiresAt = now },
	} {
		changed := key
		change(&changed)
		r.keys[auth.BootstrapKey] = &changed
		if _, _, err := w.SignedIn(t.Context(), good, false, address); err == nil {
			t.Errorf("it goes on with %s", name)
		}
	}
	delete(r.keys, auth.BootstrapKey)
	_, _, err = w.SignedIn(t.Context(), good, false, address)
	if rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		t.Errorf("it goes on without its key: %v", err)
	}
}

// A token that was made elsewhere works once its record exists. A refusal does not repeat the token.
func TestATokenThatWasMadeElsewhere(t *testing.T) {
	id := rolebroker.NewTokenID()
	token, hash := auth.NewAgentToken(id)
	got, gotHash, err := auth.MadeAgentToken(token)
	if err != nil || got != id || !seal.Same(gotHash, hash) || !rolebroker.IsID(string(got)) {
		t.Errorf("it is %s: %v", got, err)
	}
	w := newWorld()
	w.Records.(records).tokens[got] = &rolebroker.Token{ID: got, Agent: "agt_other", Hash: gotHash}
	who, err := w.Agent(t.Context(), "Bearer "+token.Reveal(), address)
	if err != nil || who.Agent != "agt_other" || who.Token != id {
		t.Errorf("it opens %+v: %v", who, err)
	}
	for _, bad := range []string{w.key, w.chosen, token.Reveal() + "x", strings.ToUpper(token.Reveal())} {
		_, _, err := auth.MadeAgentToken(rolebroker.NewSecret(bad))
		e := rolebroker.AsError(err)
		if e.Code != rolebroker.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Path != "token" || len(e.Hint) == 0 ||
			strings.Contains(e.Error()+e.Hint.String(), bad) {
			t.Errorf("it is refused as %v (%s)", err, e.Hint)
		}
	}
}

// A person's browser has a cookie and the command line another secret, and neither opens the door of the other.
func TestAPersonIsSignedInAtOneDoor(t *testing.T) {
	w := newWorld()
	r := w.Records.(records)
	signIn := func(user rolebroker.UserID, commandLine bool, expires time.Time) string {
		id, kind := rolebroker.NewSignInID(), auth.NewSignIn
		if commandLine {
			kind = auth.NewCommandLine
		}
		shown, hash := kind(id)
		r.ins[id] = &rolebroker.SignIn{ID: id, User: user, Hash: hash, CommandLine: commandLine, ExpiresAt: expires}
		return shown.Reveal()
	}
	later := now.Add(time.Minute)
	browser, line := signIn("usr_ada", false, later), signIn("usr_ada", true, later)
	who, _, err := w.SignedIn(t.Context(), browser, false, address)
	if err != nil || who.User != "usr_ada" || who.APIKey != "" || who.Name != "ada@example.com" ||
		who.Access != rolebroker.KeyApprover {
		t.Errorf("the browser is %+v: %v", who, err)
	}
	who, err = w.APIKey(t.Context(), "Bearer "+line, address)
	if err != nil || who.User != "usr_ada" || who.Access != rolebroker.KeyApprover || who.Address != "192.0.2.7" {
		t.Errorf("the command line is %+v: %v", who, err)
	}
	inTheOther := func(shown, prefix string) string { return prefix + shown[3:] }
	for name, c := range map[string]struct {
		shown   string
		browser bool
		code    rolebroker.Code
	}{
		"a cookie as a bearer":      {browser, false, rolebroker.CodeUnauthenticated},
		"a bearer as a cookie":      {line, true, rolebroker.CodeUnauthenticated},
		"a renamed cookie":          {inTheOther(browser, "rbc"), false, rolebroker.CodeUnauthenticated},
		"a renamed bearer":          {inTheOther(line, "rbs"), true, rolebroker.CodeUnauthenticated},
		"another secret":            {line[:len(line)-1] + "!", false, rolebroker.CodeUnauthenticated},
		"an old command line":       {signIn("usr_ada", true, now), false, rolebroker.CodeExpired},
		"an old browser":            {signIn("usr_ada", false, now), true, rolebroker.CodeExpired},
		"who left, by command line": {signIn("usr_left", true, later), false, rolebroker.CodeUnauthenticated},
		"who left, by browser":      {signIn("usr_left", false, later), true, rolebroker.CodeUnauthenticated},
	} {
		var who rolebroker.Caller
		var err error
		if c.browser {
			who, _, err = w.SignedIn(t.Context(), c.shown, false, address)
		} else {
			who, err = w.APIKey(t.Context(), "Bearer "+c.shown, address)
		}
		if rolebroker.CodeOf(err) != c.code || who != (rolebroker.Caller{}) {
			t.Errorf("%s is %+v: %v", name, who, err)
		}
	}
	for name, show := range map[string]func() error{
		"an agent": func() error { _, err := w.Agent(t.Context(), line, address); return err },
		"a runner": func() error { _, err := w.Runner(t.Context(), line, address); return err },
	} {
		if err := show(); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
			t.Errorf("a command line as %s: %v", name, err)
		}
	}
}
