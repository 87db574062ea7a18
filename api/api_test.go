package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/api"
)

// A secret is in JSON, and is printed nowhere.
func TestSecret(t *testing.T) {
	token := api.NewToken{ID: "tok_x", Token: "hunter2"}
	encoded, err := json.Marshal(token)
	if err != nil || !strings.Contains(string(encoded), `"token":"hunter2"`) {
		t.Errorf("the token travels as %s: %v", encoded, err)
	}
	var decoded api.NewToken
	if err := json.Unmarshal(encoded, &decoded); err != nil || decoded.Token.Reveal() != "hunter2" {
		t.Errorf("the token arrives as %s: %v", decoded.Token.Reveal(), err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token.Token, "answer", token)
	if text := fmt.Sprintf("%v %+v %#v %s %q %d %s", token, token, token, token.Token, token.Token, token.Token,
		log.String()); strings.Contains(text, "hunter2") {
		t.Errorf("the token is printed: %s", text)
	}
}

// A request distinguishes fields that are left out from empty ones.
func TestOmitted(t *testing.T) {
	empty, none, off := "", []api.ConnectionRequest{}, false
	for want, v := range map[string]any{
		`{"name":"x"}`: api.AgentRequest{Name: "x"},
		`{"name":"x","default_integration":"","connections":[]}`: api.AgentRequest{Name: "x",
			DefaultIntegration: &empty,
			Connections:        &none},
		`{"name":"r","arn":"","region":""}`:                 api.RoleRequest{Name: "r"},
		`{"name":"r","arn":"","region":"","enabled":false}`: api.RoleRequest{Name: "r", Enabled: &off},
		`{"id":"","expires_at":null}`:                       api.NewToken{},
	} {
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("it is %s, want %s: %v", got, want, err)
		}
	}
}

func TestETags(t *testing.T) {
	if in, agent := (api.Integration{ID: "int_x", Version: 7}).ETag(), (api.Agent{ID: "agt_x",
		Version: 8}).ETag(); in != `"int_x.7"` || agent != `"agt_x.8"` {
		t.Errorf("the ETags are %s and %s", in, agent)
	}
}
