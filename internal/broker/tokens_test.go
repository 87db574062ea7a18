package broker_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// elsewhere makes a token outside the server.
func elsewhere() (rolebroker.TokenID, rolebroker.Secret) {
	id := rolebroker.NewTokenID()
	token, _ := auth.NewAgentToken(id)
	return id, token
}

// registers registers a token that was made elsewhere.
func (w *world) registers(agent string, spec broker.TokenSpec) (*rolebroker.Token, error) {
	w.Helper()
	token, secret, err := w.broker.CreateToken(w.ctx, admin, agent, spec)
	if !secret.IsZero() {
		w.Error("the answer has the token")
	}
	return token, err
}

func (w *world) mustRegister(agent string, spec broker.TokenSpec) *rolebroker.Token {
	w.Helper()
	token, err := w.registers(agent, spec)
	if err != nil {
		w.Fatal(err)
	}
	return token
}

// conflicts checks that registering a token is refused, and that the refusal says neither the token nor whose it is.
func (w *world) conflicts(agent string, spec broker.TokenSpec, says string) {
	w.Helper()
	_, err := w.registers(agent, spec)
	e := rolebroker.AsError(err)
	if e.Code != rolebroker.CodeConflict || !strings.Contains(e.Message, says) || len(e.Hint) == 0 {
		w.Errorf("registering it for %s: %v (%s)", agent, err, e.Hint)
	}
	for _, secret := range []string{spec.Token.Reveal(), spec.Token.Reveal()[31:], "scout", "laptop"} {
		if strings.Contains(e.Message+e.Hint.String(), secret) {
			w.Errorf("the refusal has %q in it: %v", secret, err)
		}
	}
}

// A token that was made elsewhere opens nothing until it is registered. Then it works as one that the server made.
func TestATokenIsRegistered(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *broker.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	door := auth.Authenticator{Records: w.broker, Now: time.Now}
	id, token := elsewhere()
	if _, err := door.Agent(w.ctx, token.Reveal(), ""); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		t.Errorf("before it is registered: %v", err)
	}
	spec := broker.TokenSpec{Label: "laptop", ExpiresAt: time.Now().Add(time.Hour), Token: token}
	made := w.mustRegister("scout", spec)
	if made.ID != id || made.Agent != w.scout.Agent || made.Label != "laptop" {
		t.Errorf("it is registered as %+v", made)
	}
	who, err := door.Agent(w.ctx, "Bearer "+token.Reveal(), "")
	if err != nil || who.Agent != w.scout.Agent || who.Token != id {
		t.Fatalf("it identifies %+v: %v", who, err)
	}
	if _, err := w.lender.Lend(w.ctx, who, rolebroker.Request{}); err != nil {
		t.Error(err)
	}
	found, err := w.broker.AgentToken(w.ctx, reader, "scout", id)
	if err != nil || fmt.Sprint(*found) != fmt.Sprint(*made) {
		t.Errorf("it is found as %+v, want %+v: %v", found, made, err)
	}

	// Registering it again changes nothing, also not the expiry.
	spec.ExpiresAt = spec.ExpiresAt.Add(time.Minute)
	if again := w.mustRegister("scout", spec); fmt.Sprint(*again) != fmt.Sprint(*made) {
		t.Errorf("registered again it is %+v, want %+v", again, made)
	}
	if n := strings.Count(log.String(), "token_id="+string(id)); n != 1 {
		t.Errorf("it is in the log %d times:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), token.Reveal()[31:]) {
		t.Error("the log has the token")
	}
}

// The ID of a token stays with its agent, and a revoked token stays revoked.
func TestATokenIsRegisteredOnce(t *testing.T) {
	w := newWorld(t)
	w.agent("other")
	id, token := elsewhere()
	spec := broker.TokenSpec{Label: "laptop", Token: token}
	w.mustRegister("scout", spec)
	w.conflicts("other", spec, "taken")
	w.conflicts("scout", broker.TokenSpec{Token: token}, "taken")
	w.conflicts("scout", broker.TokenSpec{Label: "Laptop", Token: token}, "taken")
	same, _ := auth.NewAgentToken(id) // with another secret
	w.conflicts("scout", broker.TokenSpec{Label: "laptop", Token: same}, "taken")
	w.conflicts("other", broker.TokenSpec{Label: "laptop", Token: same}, "taken")
	forged, _ := auth.NewAgentToken(w.scout.Token) // of a token that was made here
	w.conflicts("scout", broker.TokenSpec{Token: forged}, "taken")
	w.mustRegister("scout", spec)

	if err := w.broker.RevokeToken(w.ctx, admin, "scout", id); err != nil {
		t.Fatal(err)
	}
	w.conflicts("scout", spec, "was revoked")
	w.conflicts("other", spec, "taken")
	if known, err := w.broker.AgentToken(w.ctx, admin, "scout", id); err != nil || known.RevokedAt.IsZero() {
		t.Errorf("it is %+v: %v", known, err)
	}
	_, err := w.broker.AgentToken(w.ctx, admin, "other", id)
	if as(err) != `not_found: there is no token "`+string(id)+`"` {
		t.Errorf("another agent has it: %v", err)
	}
}

func TestAnExpiredTokenIsNotRegisteredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, token := elsewhere()
		spec := broker.TokenSpec{ExpiresAt: time.Now().Add(time.Hour), Token: token}
		w.mustRegister("scout", spec)
		time.Sleep(time.Hour)
		spec.ExpiresAt = time.Time{}
		w.conflicts("scout", spec, "expired")
	})
}

// A token that many callers register at once, for two agents, belongs to one of the agents.
func TestATokenIsRegisteredByManyAtOnce(t *testing.T) {
	w := newWorld(t)
	w.agent("other")
	_, token := elsewhere()
	var mu sync.Mutex
	won := map[string]int{}
	together(20, func(i int) {
		agent := []string{"scout", "other"}[i%2]
		_, err := w.registers(agent, broker.TokenSpec{Token: token})
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			won[agent]++
		case rolebroker.CodeOf(err) != rolebroker.CodeConflict:
			t.Error(err)
		}
	})
	if len(won) != 1 || won["scout"]+won["other"] != 10 {
		t.Errorf("it was registered for %v", won)
	}
}

// Agents and read-only keys register no tokens. A refusal does not depend on the token or the agent.
func TestTokensAreRegisteredByAdministrators(t *testing.T) {
	w := newWorld(t)
	id, token := elsewhere()
	for who, caller := range map[string]rolebroker.Caller{"an agent": w.scout, "a read-only key": reader} {
		for _, agent := range []string{"scout", "nobody"} {
			for _, secret := range []rolebroker.Secret{token, rolebroker.NewSecret("nonsense"), {}} {
				_, _, err := w.broker.CreateToken(w.ctx, caller, agent, broker.TokenSpec{Token: secret})
				if rolebroker.CodeOf(err) != rolebroker.CodeDenied {
					t.Errorf("%s registers a token: %v", who, err)
				}
			}
		}
	}
	_, err := w.broker.AgentToken(w.ctx, w.scout, "scout", w.scout.Token)
	if rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Errorf("an agent looks at its token: %v", err)
	}
	if _, err := w.broker.AgentToken(w.ctx, admin, "scout", id); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("a token was registered: %v", err)
	}
}
