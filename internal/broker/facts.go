package broker

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// The subjects and facts that audit events hold.

func subjectAgent(a *rolebroker.Agent) rolebroker.Subject {
	return rolebroker.Subject{Kind: rolebroker.KindAgent, ID: string(a.ID), Name: a.Name}
}

func subjectIntegration(in *rolebroker.Integration) rolebroker.Subject {
	return rolebroker.Subject{Kind: rolebroker.KindIntegration, ID: string(in.ID), Name: in.Name}
}

func subjectRunner(r *rolebroker.Runner) rolebroker.Subject {
	return rolebroker.Subject{Kind: rolebroker.KindRunner, ID: string(r.ID), Name: r.Name}
}

func subjectRunnerKey(k *rolebroker.RunnerKey) rolebroker.Subject {
	return rolebroker.Subject{Kind: rolebroker.KindRunnerKey, ID: string(k.ID)}
}

func subjectAPIKey(k *rolebroker.APIKey) rolebroker.Subject {
	return rolebroker.Subject{Kind: rolebroker.KindAPIKey, ID: string(k.ID), Name: k.Name}
}

// subjectToken is an agent token or a binding.
func subjectToken(t *rolebroker.Token) rolebroker.Subject {
	kind := rolebroker.KindToken
	if t.Account != (rolebroker.ServiceAccount{}) {
		kind = rolebroker.KindBinding
	}
	return rolebroker.Subject{Kind: kind, ID: string(t.ID)}
}

func agentFacts(a *rolebroker.Agent) rolebroker.Facts {
	facts := rolebroker.Facts{"name": a.Name, "description": a.Description, "disabled": strconv.FormatBool(a.Disabled)}
	names := make([]string, len(a.Connections))
	for i, c := range a.Connections {
		names[i] = c.IntegrationName
		if c.Integration == a.DefaultIntegration {
			facts["default_integration"] = c.IntegrationName
		}
	}
	facts["connections"] = strings.Join(names, ", ")
	return facts
}

func integrationFacts(in *rolebroker.Integration) rolebroker.Facts {
	facts := rolebroker.Facts{
		"name": in.Name, "description": in.Description, "assumption_mode": string(in.AssumptionMode),
		"runner": in.RunnerName, "default_role": in.DefaultRole,
		"session_tags": strconv.FormatBool(in.SessionTags), "source_identity": strconv.FormatBool(in.SourceIdentity),
	}
	for _, r := range in.Roles {
		state := "enabled"
		if !r.Enabled {
			state = "disabled"
		}
		facts["roles."+r.Name] = fmt.Sprintf("%s %s %s %s", r.ARN, r.Region, state, rolebroker.ShortDuration(r.Duration()))
	}
	return facts
}

func runnerFacts(r *rolebroker.Runner) rolebroker.Facts {
	return rolebroker.Facts{"name": r.Name, "description": r.Description, "issuer": r.Issuer}
}

func apiKeyFacts(k *rolebroker.APIKey) rolebroker.Facts {
	return rolebroker.Facts{"name": k.Name, "access": string(k.Access), "expires_at": timeFact(k.ExpiresAt)}
}

func tokenFacts(t *rolebroker.Token) rolebroker.Facts {
	return rolebroker.Facts{"label": t.Label, "expires_at": timeFact(t.ExpiresAt)}
}

// timeFact writes a time that may be zero.
func timeFact(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
