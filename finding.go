package rolebroker

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Finding is the result of trying a role, as codes and facts. It has no words: internal/validate writes the
// [Validation] from it, also from one that a runner sent.
type Finding struct {
	Code   ValidationCode
	Method AssumeMethod // how the role was tried; empty: an earlier version of the runner does not say

	Identity Identity       // the AWS identity of the party that tried; zero: not known
	Account  ServiceAccount // the one whose token STS got; zero: the party has AWS credentials of its own

	// Probe is the call that decided, if it was not the one that lending makes.
	Probe   Probe
	Unclear bool // the role was assumed, and STS gave no answer to Probe

	NoTags           bool // AWS does not allow sts:TagSession
	NoSourceIdentity bool // AWS does not allow sts:SetSourceIdentity
	// Inherited says that the integration's calls need neither: the party's own session passes its tags or its source
	// identity on.
	Inherited bool
	// OwnSide says whether the policies of the party's own AWS identity allow what was denied; empty: not known.
	OwnSide OwnSide

	// SessionName is the session name that an agent would have, under which the role was tried; empty: the one of all
	// validations. RefusedAgent is an agent of the integration in whose name AWS denies the role; empty: none is known.
	SessionName, RefusedAgent string

	// TooLarge are agents whose session policy AWS finds too large for the role, mostly together with the session tags.
	TooLarge []string

	ExternalID string   // the earlier one that works; only with the codes that are about it
	Refusal    *Refusal // what STS answered; nil: nothing that matters
	RequestID  string   // AWS's, of the call that decided; may be empty
	CheckedAt  time.Time
}

// OwnSide is what the policies of a party's own AWS identity say of an action on a role. The other side is the role's
// trust policy.
type OwnSide string

const (
	OwnSideAllows OwnSide = "allows"
	OwnSideDenies OwnSide = "denies"
)

// Probe is a call to STS that differs from the one that lending makes.
type Probe string

// The probes, by what is different.
const (
	ProbeNoExternalID      Probe = "no_external_id"
	ProbeWrongExternalID   Probe = "wrong_external_id"
	ProbeNextExternalID    Probe = "next_external_id"
	ProbeEarlierExternalID Probe = "earlier_external_id"
	ProbeSessionPolicy     Probe = "session_policy"  // it has the session policy and the tags of a loan
	ProbeSourceIdentity    Probe = "source_identity" // it has one, and the integration's calls have none
)

// Status returns the status of a validation with the finding. requireExternalID makes a role that can be assumed
// without the external ID a failure.
func (f *Finding) Status(in *Integration, requireExternalID bool) ValidationStatus {
	switch f.Code {
	case ValidAssumable:
		return StatusAssumable
	case ValidExternalIDOpen:
		if requireExternalID {
			return StatusFailed
		}
		return StatusWarning
	case ValidNextExternalID, ValidExternalIDPrevious, ValidAgentRefused, ValidSessionPolicy:
		return StatusWarning
	case ValidSourceIdentityDenied:
		if in.SourceIdentity {
			return StatusFailed
		}
		return StatusWarning
	case ValidThrottled, ValidUnreachable, ValidClusterMode, ValidNotChecked, ValidTryingAgain,
		ValidRunnerUnavailable, ValidPackedPolicy:
		return StatusUnknown
	}
	return StatusFailed
}

// Check returns every field that is wrong, because a runner that sends a finding is not trusted. It does not check the
// words of AWS: they are shown as a quotation. Codes: invalid.
func (f *Finding) Check() error {
	var p problems
	if !f.Code.IsKnown() {
		p.add("code", "%s is not known to this server", Quote(string(f.Code)))
	}
	if f.Method != "" && f.Method != MethodWebIdentity && f.Method != MethodAssumeRole {
		p.add("method", "%s is not one of web-identity, assume-role", Quote(string(f.Method)))
	}
	p.check("identity", f.Identity.Check())
	if f.Account != (ServiceAccount{}) && f.Account.Check() != nil {
		p.add("account", "is not a service account")
	}
	if f.OwnSide != "" && f.OwnSide != OwnSideAllows && f.OwnSide != OwnSideDenies {
		p.add("own_side", "%s is not one of allows, denies", Quote(string(f.OwnSide)))
	}
	switch f.Probe {
	case "", ProbeNoExternalID, ProbeWrongExternalID, ProbeNextExternalID, ProbeEarlierExternalID, ProbeSourceIdentity,
		ProbeSessionPolicy:
	default:
		p.add("probe", "%s is not known to this server", Quote(string(f.Probe)))
	}
	if f.Refusal != nil {
		p.check("refusal", f.Refusal.check())
	}
	if !isToken(strings.ReplaceAll(f.SessionName, "@", "="), maxName) || !isToken(f.RefusedAgent, maxName) {
		p.add("session_name", "is not the name of a session")
	}
	if !isNames(f.TooLarge) {
		p.add("too_large", "has what is not the name of an agent, or more than %d names", maxTooLarge)
	}
	if !IsRequestID(f.RequestID) {
		p.add("request_id", "is not an AWS request ID")
	}
	return p.err("the finding")
}

// maxTooLarge bounds the agents in a finding.
const maxTooLarge = 300

func isNames(names []string) bool {
	wrong := func(name string) bool { return !isToken(name, maxName) }
	return len(names) <= maxTooLarge && !slices.ContainsFunc(names, wrong)
}

// check checks all of a refusal but AWS's message.
func (r *Refusal) check() error {
	if !r.Kind.IsKnown() {
		return fmt.Errorf("%s is not a kind of refusal", Quote(string(r.Kind)))
	}
	switch r.Action {
	case "", ActionTagSession, ActionSetSourceIdentity:
	default:
		return fmt.Errorf("%s is not an action of a denial", Quote(string(r.Action)))
	}
	switch r.Lack {
	case "", LackProfile, LackLogin, LackTokenFile:
	default:
		return fmt.Errorf("%s is not a lack of an identity", Quote(string(r.Lack)))
	}
	switch r.DeniedBy {
	case "", DeniedByIdentity, DeniedByTrust, DeniedByOrganization:
	default:
		return fmt.Errorf("%s is not a kind of policy", Quote(string(r.DeniedBy)))
	}
	if r.Code != "" && !isToken(r.Code, 100) {
		return fmt.Errorf("%s is not an error code of AWS", Quote(r.Code))
	}
	if !IsRequestID(r.RequestID) {
		return fmt.Errorf("%s is not an AWS request ID", Quote(r.RequestID))
	}
	return nil
}

// IsRequestID reports whether s has the form of an AWS request ID, or is empty.
func IsRequestID(s string) bool { return isToken(s, 128) }

// isToken reports whether s has letters, digits, '.', '-', '_' and '=' only, and at most so many.
func isToken(s string, most int) bool {
	return len(s) <= most && only(s, func(c byte) bool { return isNameByte(c) || c == '=' })
}
