package rolebroker

import (
	"crypto/rand"
	"strings"
)

// The IDs. Each is stable for the life of the thing it names, unguessable,
// and starts with the prefix of its kind, so that one is never taken for
// another.
type (
	IntegrationID string // int_…
	RoleID        string // rol_…
	AgentID       string // agt_…
	SessionID     string // ses_…
	TokenID       string // tok_…, or bnd_… of a service account that an agent is bound to
	APIKeyID      string // key_…
	SignInID      string // sig_…
	ReservationID string // ext_…, of an external ID, which must not stand in a URL
	RunnerID      string // run_…
	RunnerKeyID   string // rky_…
)

// idLength is what rand.Text gives: 26 characters of base32, 130 random bits.
const idLength = 26

var idPrefixes = []string{"int_", "rol_", "agt_", "ses_", "tok_", "key_", "sig_", "ext_", "run_", "rky_", "bnd_"}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// The makers of IDs.
func NewIntegrationID() IntegrationID { return IntegrationID(newID("int_")) }
func NewRoleID() RoleID               { return RoleID(newID("rol_")) }
func NewAgentID() AgentID             { return AgentID(newID("agt_")) }
func NewSessionID() SessionID         { return SessionID(newID("ses_")) }
func NewTokenID() TokenID             { return TokenID(newID("tok_")) }
func NewBindingID() TokenID           { return TokenID(newID("bnd_")) }
func NewAPIKeyID() APIKeyID           { return APIKeyID(newID("key_")) }
func NewSignInID() SignInID           { return SignInID(newID("sig_")) }
func NewReservationID() ReservationID { return ReservationID(newID("ext_")) }
func NewRunnerID() RunnerID           { return RunnerID(newID("run_")) }
func NewRunnerKeyID() RunnerKeyID     { return RunnerKeyID(newID("rky_")) }

// IsID says whether s has the form of an ID of any kind. No name may have it,
// so wherever a name is taken an ID can be taken too.
func IsID(s string) bool {
	for _, prefix := range idPrefixes {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return len(rest) == idLength
		}
	}
	return false
}
