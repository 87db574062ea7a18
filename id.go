package rolebroker

import (
	"crypto/rand"
	"strings"
)

// The IDs. An ID never changes, cannot be guessed, and starts with the prefix of its kind, so that an ID of one kind
// is never mistaken for another.
type (
	IntegrationID string // int_…
	RoleID        string // rol_…
	AgentID       string // agt_…
	SessionID     string // ses_…
	TokenID       string // tok_…; bnd_… for the binding of a service account to an agent
	APIKeyID      string // key_…
	UserID        string // usr_…
	PrincipalID   string // an APIKeyID or a UserID
	SignInID      string // sig_…
	ReservationID string // ext_…; it stands for an external ID in URLs
	RunnerID      string // run_…
	RunnerKeyID   string // rky_…
	AuditEventID  string // evt_…

	ValidationRequestID string // vrq_…
	AccessRequestID     string // req_…
	ApprovalRuleID      string // apr_…
	CutOffID            string // cut_…
)

// idLength is the length of rand.Text: 26 characters of base32, 130 random bits.
const idLength = 26

// idCharacters are the characters of rand.Text in lower case.
//
// Source: RFC 4648, section 6.
const idCharacters = "abcdefghijklmnopqrstuvwxyz234567"

var idPrefixes = []string{"int_", "rol_", "agt_", "ses_", "tok_", "key_", "usr_", "sig_", "ext_", "run_", "rky_",
	"bnd_", "vrq_",
	"evt_", "req_", "apr_", "cut_", callPrefix}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// The functions that make IDs.
func NewIntegrationID() IntegrationID { return IntegrationID(newID("int_")) }
func NewRoleID() RoleID               { return RoleID(newID("rol_")) }
func NewAgentID() AgentID             { return AgentID(newID("agt_")) }
func NewSessionID() SessionID         { return SessionID(newID("ses_")) }
func NewTokenID() TokenID             { return TokenID(newID("tok_")) }
func NewBindingID() TokenID           { return TokenID(newID("bnd_")) }
func NewAPIKeyID() APIKeyID           { return APIKeyID(newID("key_")) }
func NewUserID() UserID               { return UserID(newID("usr_")) }
func NewSignInID() SignInID           { return SignInID(newID("sig_")) }
func NewReservationID() ReservationID { return ReservationID(newID("ext_")) }
func NewRunnerID() RunnerID           { return RunnerID(newID("run_")) }
func NewRunnerKeyID() RunnerKeyID     { return RunnerKeyID(newID("rky_")) }
func NewAuditEventID() AuditEventID   { return AuditEventID(newID("evt_")) }
func NewValidationRequestID() ValidationRequestID {
	return ValidationRequestID(newID("vrq_"))
}
func NewAccessRequestID() AccessRequestID { return AccessRequestID(newID("req_")) }
func NewApprovalRuleID() ApprovalRuleID   { return ApprovalRuleID(newID("apr_")) }
func NewCutOffID() CutOffID               { return CutOffID(newID("cut_")) }

// IsID reports whether s has the form of an ID of any kind. No name has that form, so a path or a field that takes a
// name can take an ID too.
func IsID(s string) bool {
	_, ok := cutIDPrefix(s)
	return ok
}

// IsUser reports whether the principal is a person.
func (p PrincipalID) IsUser() bool { return strings.HasPrefix(string(p), "usr_") }

// IsTokenID reports whether s has the form of a TokenID.
func IsTokenID(s string) bool {
	return IsID(s) && (strings.HasPrefix(s, "tok_") || strings.HasPrefix(s, "bnd_"))
}

// IsAccessRequestID reports whether s has the form of an AccessRequestID.
func IsAccessRequestID(s string) bool { return IsID(s) && strings.HasPrefix(s, "req_") }

// IsGeneratedID reports whether s is an ID that this package could have made. It holds no characters but those of
// such an ID, so a log or a page can show it even if a stranger sent it.
func IsGeneratedID(s string) bool {
	rest, ok := cutIDPrefix(s)
	return ok && strings.Trim(rest, idCharacters) == ""
}

// cutIDPrefix returns what follows the prefix of an ID; false if s does not have the form of an ID.
func cutIDPrefix(s string) (string, bool) {
	for _, prefix := range idPrefixes {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return rest, len(rest) == idLength
		}
	}
	return "", false
}
