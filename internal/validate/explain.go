package validate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// Explain puts a finding about role i of the subject in words. by is the party that tried the role. What a runner found
// comes from another machine: its words are quoted, and none of them are in a command or a policy.
func Explain(s Subject, by rolebroker.Party, i int, f rolebroker.Finding) rolebroker.RoleValidation {
	by.Account = f.Account
	w := words{Subject: s, by: by, role: s.Integration.Roles[i], f: f}
	w.oversized()
	f = w.f
	message, hint := w.explain()
	if f.Code != rolebroker.ValidSessionPolicy && len(w.large) > 0 {
		message, hint = message+"; it cannot be assumed for "+w.whose(), append(hint, w.hintPolicies()...)
	}
	return rolebroker.RoleValidation{Index: i, Role: w.role, Finding: f, Validation: rolebroker.Validation{
		Status: f.Status(&s.Integration, s.RequireExternalID), Code: f.Code, Message: message, Hint: hint,
		RequestID: f.RequestID, CheckedAt: f.CheckedAt}}
}

// words writes the message and the hint for a finding.
type words struct {
	Subject
	by    rolebroker.Party
	role  rolebroker.Role
	f     rolebroker.Finding
	large []rolebroker.TriedPolicy // too large, each with those of its agents for which that was tried
}

// explain returns the message and the hint.
func (w words) explain() (string, rolebroker.Hint) {
	if w.f.Code == rolebroker.ValidSessionPolicy {
		return "the role can be assumed, but not for " + w.whose() + w.because(),
			append(w.hintPolicies(), w.hintAgain()...)
	}
	if w.f.Method == rolebroker.MethodWebIdentity {
		return w.token()
	}
	switch w.f.Code {
	case rolebroker.ValidAssumable:
		if w.f.Method == "" {
			return "the role can be assumed", nil
		}
		return "the role can be assumed, and only with the external ID of this integration" + w.under(), nil
	case rolebroker.ValidClusterMode:
		return "the role is assumed in your cluster; the server cannot know whether that works", hintCluster()
	case rolebroker.ValidTryingAgain:
		return "AWS does not let " + w.by.String() + " assume the role so far; it is tried again, since a change takes " +
			"some seconds to arrive", w.hintDenied()
	case rolebroker.ValidNotChecked:
		return "the validation ended before this role was tried", w.hintAgain()
	case rolebroker.ValidThrottled, rolebroker.ValidUnreachable:
		return w.unanswered()
	case rolebroker.ValidPackedPolicy:
		return w.tooLarge()
	}
	if message, hint, ok := w.ourIdentity(); ok {
		return message, hint
	}
	if message, hint, ok := w.trustPolicy(); ok {
		return message, hint
	}
	return w.fields()
}

// unanswered is for a role about which STS could not be asked.
func (w words) unanswered() (string, rolebroker.Hint) {
	message, hint := w.refusal(rolebroker.RefusedThrottled).Explain(w.by, w.role, "the role"), w.hintAgain()
	if w.f.Code == rolebroker.ValidUnreachable {
		message, hint = w.refused(rolebroker.RefusedUnreachable), w.hintReach()
	}
	if !w.f.Unclear {
		return message, hint
	}
	what := map[rolebroker.Probe]string{
		rolebroker.ProbeNextExternalID:    "whether also with the external ID that the integration is being changed to",
		rolebroker.ProbeEarlierExternalID: "whether also with an earlier external ID",
		rolebroker.ProbeSourceIdentity:    "whether also with a source identity",
		rolebroker.ProbeSessionPolicy:     "whether also with the session policies of its connections",
	}[w.f.Probe]
	if what == "" {
		what = "whether also without the external ID"
	}
	return "the role can be assumed; " + what + " could not be found out: " + message, hint
}

// under is the session name under which the role was tried, if it was that of an agent.
func (w words) under() string {
	if w.f.SessionName == "" {
		return ""
	}
	return ", under the session name " + w.f.SessionName
}

// someNames is for a role that only some agents get.
func (w words) someNames() string {
	return fmt.Sprintf("the role can be assumed under the session name %s, and not under %s, which agents of the "+
		"integration have too", w.f.SessionName, w.f.RefusedAgent)
}

// tooLarge is for a role whose session tags leave no space for the session policy of a validation.
func (w words) tooLarge() (string, rolebroker.Hint) {
	message := "whether the role can be assumed could not be found out: "
	if w.f.Unclear {
		message = "the role can be assumed; whether also with its session tags could not be found out: "
	}
	return message + "the tags leave no space for the session policy of a validation, which loans do not have" +
		w.because(), w.hintTags()
}

// ourIdentity is for the codes that are about the AWS identity of the party.
func (w words) ourIdentity() (message string, hint rolebroker.Hint, ok bool) {
	advised := func(kind rolebroker.RefusalKind) (string, rolebroker.Hint, bool) {
		return w.refused(kind), append(w.refusal(kind).Advise(w.by), w.hintAgain()...), true
	}
	switch w.f.Code {
	case rolebroker.ValidNoIdentity:
		return advised(rolebroker.RefusedNoIdentity)
	case rolebroker.ValidIdentityExpired:
		return advised(rolebroker.RefusedIdentityExpired)
	case rolebroker.ValidIdentityInvalid:
		return advised(rolebroker.RefusedIdentity)
	case rolebroker.ValidIssuerUnreachable:
		return advised(rolebroker.RefusedIssuer)
	case rolebroker.ValidIdentityRegion:
		return fmt.Sprintf("AWS does not accept %s's own AWS credentials in %s, and does elsewhere",
			w.by, w.role.Region) + w.because(), w.hintIdentityRegion(), true
	case rolebroker.ValidIdentityRoot:
		return fmt.Sprintf("%s is the root user of account %s, and AWS lets no root user assume a role", w.by,
			w.f.Identity.Account), w.hintRoot(), true
	case rolebroker.ValidPlatformDenied:
		return w.platformDenied(), w.hintPlatform(), true
	}
	return "", nil, false
}

// trustPolicy is for the codes that are about the role's trust policy.
func (w words) trustPolicy() (message string, hint rolebroker.Hint, ok bool) {
	switch w.f.Code {
	case rolebroker.ValidExternalIDOpen:
		how := "without an external ID"
		if w.f.Probe == rolebroker.ProbeWrongExternalID {
			how = "with a wrong external ID"
		}
		return "the role can also be assumed " + how + "; everyone who may add roles to this platform could have it",
			w.hintOpen(), true
	case rolebroker.ValidAgentRefused:
		return w.someNames(), w.hintNames(), true
	case rolebroker.ValidNextExternalID:
		return "the role can be assumed, but not with the external ID that the integration is being changed to",
			w.hintNext(), true
	case rolebroker.ValidExternalIDPrevious:
		return "the role can be assumed, and with an earlier external ID of the integration too", w.hintPrevious(), true
	case rolebroker.ValidExternalIDRefused:
		return "the role can be assumed without an external ID and not with this integration's, which is always sent",
			w.hintOpen(), true
	case rolebroker.ValidExternalIDAhead:
		return "the role accepts the external ID that the integration is being changed to, and no longer the current " +
			"one", w.hintAhead(), true
	case rolebroker.ValidExternalIDOutdated:
		return "the role's trust policy requires an earlier external ID of this integration, and not the current one",
			w.hintOutdated(), true
	case rolebroker.ValidTagSessionDenied, rolebroker.ValidSourceIdentityDenied:
		return w.attribution()
	case rolebroker.ValidTrustDenied:
		return fmt.Sprintf("the role's trust policy does not let %s in", w.by) + w.because(), w.hintTrust(), true
	case rolebroker.ValidPolicyDenied:
		return "a policy of the organization or the network denies it" + w.because(), w.hintOrganization(), true
	case rolebroker.ValidDenied:
		return w.refusal(rolebroker.RefusedDenied).Explain(w.by, w.role, "the role") + ", and does not say why" +
			w.because(), w.hintDenied(), true
	}
	return "", nil, false
}

// attribution is for a role that AWS gives without session tags or source identity only.
func (w words) attribution() (message string, hint rolebroker.Hint, ok bool) {
	lacking := w.lacking()
	blamed := "its trust policy does not allow " + lacking
	switch w.f.OwnSide {
	case rolebroker.OwnSideDenies:
		blamed = fmt.Sprintf("%s's own AWS identity may not use %s on it", w.by, lacking)
	case "":
		blamed = fmt.Sprintf("either its trust policy or a policy of %s's own AWS identity does not allow %s", w.by,
			lacking)
	}
	const can = "the role can be assumed, but "
	switch needs := w.needs(); {
	case w.f.Inherited:
		return "AWS denies the role because " + blamed + needs, w.hintAttribution(), true
	case w.f.Code == rolebroker.ValidSourceIdentityDenied && !w.Integration.SourceIdentity:
		return can + blamed + ", so its sessions have no source identity: an agent whose role may assume further " +
			"roles can pass for another agent there", w.hintSourceIdentity(), true
	default:
		return can + blamed + needs, w.hintAttribution(), true
	}
}

// lacking are the actions that are not allowed.
func (w words) lacking() string {
	return strings.Join(needed(w.f.NoTags, w.f.NoSourceIdentity), " and ")
}

// needs says what needs the actions that are not allowed.
func (w words) needs() string {
	switch {
	case w.f.Inherited && w.f.NoTags:
		return fmt.Sprintf(", which the tags of %s's own session need: they are transitive, as those of EKS Pod "+
			"Identity, and go with every role that it assumes", w.by)
	case w.f.Inherited:
		return fmt.Sprintf(", which the source identity of %s's own session needs: it goes with every role that it "+
			"assumes", w.by)
	case w.f.NoTags && w.f.NoSourceIdentity:
		return ", which this integration's attribution needs"
	case w.f.NoTags:
		return ", which this integration's session tags need"
	}
	return ", which this integration's source identity needs"
}

// platformDenied is for a role that our own policies do not let us assume, or not with tags or a source identity.
func (w words) platformDenied() string {
	if lacking := w.lacking(); lacking != "" {
		return fmt.Sprintf("%s's own AWS identity may not use %s on the role", w.by, lacking) + w.needs()
	}
	message := fmt.Sprintf("%s's own AWS identity may not assume the role", w.by)
	if w.f.OwnSide == rolebroker.OwnSideDenies {
		message += ", as IAM says of its policies"
	}
	return message + w.because()
}

// fields is for the codes that are about the role's fields in the integration, and for all others.
func (w words) fields() (string, rolebroker.Hint) {
	duration := rolebroker.ShortDuration(w.role.Duration())
	switch w.f.Code {
	case rolebroker.ValidDurationChaining:
		return fmt.Sprintf("the role's session duration is %s; %s is itself the session of a role, and AWS limits the "+
			"sessions that it starts to an hour", duration, w.by), w.hintHour()
	case rolebroker.ValidDurationMaximum:
		return fmt.Sprintf("the role's session duration is %s, and its maximum session duration in IAM is less",
			duration), w.hintMaximum()
	case rolebroker.ValidRegionDisabled:
		return w.refusal(rolebroker.RefusedRegion).Explain(w.by, w.role, "the role"), w.hintRegion()
	}
	if code, err := w.role.Unassumable(); err != nil {
		return err.Error(), w.hintUnassumable(code)
	}
	if w.f.Code == rolebroker.ValidPartition {
		return fmt.Sprintf("the role is in the partition %s and %s's AWS identity is in %s; nobody can assume a role "+
			"across partitions", w.role.ARN.Partition, w.by, w.f.Identity.Partition()), w.hintPartition()
	}
	return w.refused(rolebroker.RefusedOther), w.hintSetup()
}

// token is for a role that was tried with the token of a Kubernetes service account.
func (w words) token() (string, rolebroker.Hint) {
	if code, err := w.role.Unassumable(); err != nil && code == w.f.Code {
		return err.Error(), w.correct()
	}
	switch w.f.Code {
	case rolebroker.ValidAssumable:
		return fmt.Sprintf("the role can be assumed with the token of %s", w.by) + w.under(), nil
	case rolebroker.ValidAgentRefused:
		return w.someNames(), w.hintNames()
	case rolebroker.ValidDenied:
		return w.refusal(rolebroker.RefusedDenied).Explain(w.by, w.role, "the role") + ", and does not say why" +
			w.because(), w.hintTokenTrust()
	case rolebroker.ValidThrottled:
		return w.unanswered()
	case rolebroker.ValidUnreachable:
		if w.f.Unclear {
			return w.unanswered()
		}
	}
	kind := rolebroker.RefusedOther
	for k, code := range tokenCodes() {
		if code == w.f.Code {
			kind = k
		}
	}
	return w.refused(kind), w.adviseToken(kind)
}

// refusal is what STS answered; if a runner did not say, a refusal of the kind that the code stands for.
func (w words) refusal(kind rolebroker.RefusalKind) *rolebroker.Refusal {
	if w.f.Refusal != nil && w.f.Refusal.Kind == kind {
		return w.f.Refusal
	}
	return &rolebroker.Refusal{Kind: kind}
}

// refused is the sentence for a refusal, with AWS's own words after it.
func (w words) refused(kind rolebroker.RefusalKind) string {
	return w.refusal(kind).Explain(w.by, w.role, "the role") + w.because()
}

// because is AWS's own words, after a colon; empty if there are none. A runner's are a quotation.
func (w words) because() string {
	switch {
	case w.f.Refusal == nil || w.f.Refusal.Reason() == "":
		return ""
	case w.by.Runner:
		return ": the runner reports " + rolebroker.Quote(w.f.Refusal.Reason())
	}
	return ": " + w.f.Refusal.Reason()
}

// oversized finds the session policies that are too large for agents of the finding, and sets the code accordingly. An
// agent that has no session policy of the subject is left out: what a runner says is in no command.
func (w *words) oversized() {
	for _, policy := range w.Policies {
		tried := len(policy.Agents)
		policy.Agents = slices.DeleteFunc(slices.Clone(policy.Agents), func(name string) bool {
			return !slices.Contains(w.f.TooLarge, name)
		})
		if len(policy.Agents) < tried { // one gets a session, and so do those with shorter names
			policy.Count = len(policy.Agents)
		}
		if len(policy.Agents) > 0 && policy.Includes(w.role.ID) {
			w.large = append(w.large, policy)
		}
	}
	switch w.f.Code {
	case rolebroker.ValidAssumable, rolebroker.ValidSessionPolicy:
		w.f.Code = rolebroker.ValidAssumable
		if len(w.large) > 0 {
			w.f.Code = rolebroker.ValidSessionPolicy
		}
	}
}

// maxNamed bounds the agents that a message names.
const maxNamed = 5

// whose names the agents whose session policies are too large.
func (w words) whose() string {
	var names []string
	more := 0
	for _, policy := range w.large {
		names = append(names, policy.Agents...)
		more += policy.Count - len(policy.Agents)
	}
	what := "session policy is too large"
	if w.tags() {
		what = "session policy and session tags are too large together"
	}
	if len(names) == 1 && more == 0 {
		return "agent " + names[0] + ", whose " + what
	}
	more += len(names) - min(len(names), maxNamed)
	who := names[:min(len(names), maxNamed)]
	switch {
	case more > 0 && w.tags(): // shorter names make shorter tags
		who = append(who, fmt.Sprintf("perhaps %d more", more))
	case more > 0:
		who = append(who, fmt.Sprintf("%d more", more))
	}
	last := len(who) - 1
	return "agents " + strings.Join(who[:last], ", ") + " and " + who[last] + ", whose " + what
}

// tags reports whether the calls of loans have session tags.
func (w words) tags() bool {
	return w.Integration.SessionTags && w.f.Method != rolebroker.MethodWebIdentity
}
