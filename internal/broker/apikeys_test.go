package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// opens identifies the holder of an API key.
func (w *world) opens(key rolebroker.Secret) (rolebroker.Caller, error) {
	authenticator := &auth.Authenticator{Records: w.broker, Now: time.Now}
	return authenticator.APIKey(w.ctx, "Bearer "+key.Reveal(), "192.0.2.1:1")
}

func TestTheFirstStartMakesAnAdminKeyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		key, err := w.broker.BootstrapAdmin(w.ctx, rolebroker.Secret{})
		if err != nil || key.IsZero() {
			t.Fatalf("the first start made no key: %v", err)
		}
		if who, err := w.opens(key); err != nil || who.MayWrite() != nil {
			t.Errorf("the first key: %+v, %v", who, err)
		}
		if again, err := w.broker.BootstrapAdmin(w.ctx, rolebroker.Secret{}); err != nil || !again.IsZero() {
			t.Errorf("the second start made another key, or failed: %v", err)
		}
	})
}

func TestTheOperatorsKeyReplacesTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := rolebroker.NewSecret("the first key of the operator")
		second := rolebroker.NewSecret("the second key of the operator")
		for _, key := range []rolebroker.Secret{first, first, second} {
			if _, err := w.broker.BootstrapAdmin(w.ctx, key); err != nil {
				t.Fatal(err)
			}
			if _, err := w.opens(key); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.opens(first); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
			t.Errorf("the key that was replaced: %v", err)
		}
	})
}

func TestADeletedOperatorsKeyDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		leaked := rolebroker.NewSecret("a key of the operator that leaked")
		if _, err := w.broker.BootstrapAdmin(w.ctx, leaked); err != nil {
			t.Fatal(err)
		}
		err := w.broker.DeleteAPIKey(w.ctx, admin, auth.BootstrapKey)
		if rolebroker.CodeOf(err) != rolebroker.CodeConflict {
			t.Errorf("deleting the last admin key: %v", err)
		}
		ops := broker.APIKeySpec{Name: "ops", Access: rolebroker.KeyAdmin}
		if _, _, err := w.broker.CreateAPIKey(w.ctx, admin, ops); err != nil {
			t.Fatal(err)
		}
		if err := w.broker.DeleteAPIKey(w.ctx, admin, auth.BootstrapKey); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := w.opens(leaked); err == nil {
				t.Error("a key that was deleted opens the API")
			}
			if _, err := w.broker.BootstrapAdmin(w.ctx, leaked); err != nil {
				t.Error(err)
			}
		}
		next := rolebroker.NewSecret("the next key of the operator")
		if _, err := w.broker.BootstrapAdmin(w.ctx, next); err != nil {
			t.Fatal(err)
		}
		if _, err := w.opens(next); err != nil {
			t.Errorf("the operator's next key: %v", err)
		}
	})
}

func TestNobodyTakesTheNameOfTheFirstKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bootstrap := broker.APIKeySpec{Name: "bootstrap", Access: rolebroker.KeyAdmin}
		_, _, err := w.broker.CreateAPIKey(w.ctx, admin, bootstrap)
		if rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
			t.Errorf("%v", err)
		}
	})
}
