package rolebroker

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Validation is the outcome of the last attempt to assume a role, and its cause.
type Validation struct {
	Status    ValidationStatus
	Code      ValidationCode
	Message   string // one sentence without a full stop
	Hint      Hint   // the exact statement, command or setting to change; empty when there is nothing to do
	RequestID string // AWS's, of the call that decided; may be empty
	CheckedAt time.Time
	CheckedBy string    // the name of the runner that tried; empty: this server
	Since     time.Time // when validations began to find that the role works, or does not; zero: not known
}

// ValidationStatus is the result of a validation.
type ValidationStatus string

const (
	StatusAssumable ValidationStatus = "assumable" // we can assume the role, and only with our external ID
	StatusWarning   ValidationStatus = "warning"   // we can assume the role, but something should be changed
	StatusFailed    ValidationStatus = "failed"    // we cannot assume the role as the integration describes it
	StatusUnknown   ValidationStatus = "unknown"   // STS gave no answer, or nobody has asked it yet
)

// Works reports whether the role can be lent.
func (s ValidationStatus) Works() bool { return s == StatusAssumable || s == StatusWarning }

// ValidationCode says what AWS's answers mean. Codes are stable, so that programs can depend on them.
type ValidationCode string

// The codes, by who has to change something.
const (
	ValidAssumable ValidationCode = "assumable"

	// The platform's own identity.
	ValidNoIdentity      ValidationCode = "no_identity"
	ValidIdentityExpired ValidationCode = "identity_expired"
	ValidIdentityInvalid ValidationCode = "identity_invalid"
	ValidIdentityRegion  ValidationCode = "identity_not_valid_in_region"
	ValidIdentityRoot    ValidationCode = "identity_is_root" // a root user can assume nothing
	// AWS does not accept the token of a service account: what it says of the issuer, the provider or the audience.
	ValidIssuerUnreachable ValidationCode = "issuer_unreachable"
	ValidNoProvider        ValidationCode = "no_oidc_provider"
	ValidAudience          ValidationCode = "token_audience"
	// AWS says that our identity may not call sts:AssumeRole on the role.
	ValidPlatformDenied ValidationCode = "platform_not_allowed"

	// The role's trust policy.
	ValidDenied             ValidationCode = "denied"               // AWS does not say why
	ValidTrustDenied        ValidationCode = "trust_denied"         // AWS says that the trust policy denies
	ValidPolicyDenied       ValidationCode = "policy_denied"        // AWS names a policy of another owner
	ValidExternalIDOutdated ValidationCode = "external_id_outdated" // only an earlier one works
	ValidExternalIDRefused  ValidationCode = "external_id_refused"  // the role works only without ours
	// it works without ours, or with a wrong one
	ValidExternalIDOpen     ValidationCode = "external_id_not_required"
	ValidExternalIDAhead    ValidationCode = "external_id_ahead"             // only the next one of a rotation works
	ValidExternalIDPrevious ValidationCode = "previous_external_id_accepted" // an earlier one works too
	// the next one of a rotation does not work
	ValidNextExternalID ValidationCode = "next_external_id_refused"
	ValidAgentRefused   ValidationCode = "agent_refused" // it works for some of the integration's agents only
	// it works, and some agents get no session: their session policy is too large
	ValidSessionPolicy        ValidationCode = "session_policy_too_large"
	ValidTagSessionDenied     ValidationCode = "tag_session_denied"
	ValidSourceIdentityDenied ValidationCode = "source_identity_denied"

	// The role's fields in the integration.
	ValidDurationMaximum  ValidationCode = "duration_over_maximum"  // the role's MaxSessionDuration
	ValidDurationChaining ValidationCode = "duration_over_chaining" // the hour of role chaining
	ValidRegionDisabled   ValidationCode = "region_disabled"
	ValidRegionInvalid    ValidationCode = "region_invalid"
	ValidPartition        ValidationCode = "partition_mismatch" // region, role and platform are not in one partition
	ValidARNInvalid       ValidationCode = "arn_invalid"
	ValidDurationInvalid  ValidationCode = "duration_invalid"
	ValidServiceLinked    ValidationCode = "service_linked_role"
	ValidIdentityCenter   ValidationCode = "identity_center_role"
	ValidRejected         ValidationCode = "rejected" // anything else STS found wrong
	// the session policy of a validation does not fit beside the session's tags; STS might take the call of a loan
	ValidPackedPolicy ValidationCode = "packed_policy_too_large"

	// The outcome is unknown.
	ValidThrottled   ValidationCode = "throttled"
	ValidUnreachable ValidationCode = "unreachable"
	ValidClusterMode ValidationCode = "cluster_mode"
	ValidNotChecked  ValidationCode = "not_checked" // the validation ended before the role's turn
	// AWS denied the role, and a later try may find otherwise; only while a validation runs
	ValidTryingAgain ValidationCode = "trying_again"
	// the runner that assumes the roles is not connected, or does not answer
	ValidRunnerUnavailable ValidationCode = "runner_unavailable"
)

// knownCodes has all codes above.
var knownCodes = map[ValidationCode]bool{
	ValidAssumable: true, ValidNoIdentity: true, ValidIdentityExpired: true, ValidIdentityInvalid: true,
	ValidIdentityRegion: true, ValidIdentityRoot: true, ValidPlatformDenied: true, ValidDenied: true,
	ValidTrustDenied: true, ValidPolicyDenied: true, ValidExternalIDOutdated: true, ValidExternalIDRefused: true,
	ValidExternalIDOpen: true, ValidExternalIDAhead: true, ValidExternalIDPrevious: true, ValidNextExternalID: true,
	ValidTagSessionDenied: true, ValidSourceIdentityDenied: true, ValidDurationMaximum: true,
	ValidDurationChaining: true, ValidRegionDisabled: true, ValidRegionInvalid: true, ValidPartition: true,
	ValidARNInvalid: true, ValidDurationInvalid: true, ValidServiceLinked: true, ValidIdentityCenter: true,
	ValidIssuerUnreachable: true, ValidNoProvider: true, ValidAudience: true, ValidPackedPolicy: true,
	ValidAgentRefused: true, ValidSessionPolicy: true, ValidRejected: true, ValidThrottled: true,
	ValidUnreachable: true, ValidClusterMode: true, ValidNotChecked: true, ValidRunnerUnavailable: true,
}

// IsKnown reports whether this version knows the code.
func (c ValidationCode) IsKnown() bool { return knownCodes[c] }

// Field returns the field of a role that the code is about, as in "region", and "arn" for all other codes.
func (c ValidationCode) Field() string {
	switch c {
	case ValidRegionDisabled, ValidRegionInvalid, ValidPartition:
		return "region"
	case ValidDurationMaximum, ValidDurationChaining, ValidDurationInvalid:
		return "session_duration"
	}
	return "arn"
}

// IsKnown reports whether this version knows the status.
func (s ValidationStatus) IsKnown() bool {
	return s.Works() || s == StatusFailed || s == StatusUnknown
}

// ValidateMode says what creating or updating an integration does about roles that cannot be assumed.
type ValidateMode string

const (
	ValidateRequire ValidateMode = "require" // save nothing unless every enabled role can be assumed
	ValidateWarn    ValidateMode = "warn"    // save, and report the roles that fail
	ValidateSkip    ValidateMode = "skip"    // save without trying the roles
)

// Saving says how creating or updating an integration validates its roles.
type Saving struct {
	Validate ValidateMode
	Wait     *time.Duration // how long a denied role is tried again; nil: as long as suits the mode
}

// Saving is the mode with the wait that suits it.
func (m ValidateMode) Saving() Saving { return Saving{Validate: m} }

// MaxWait is the longest time for which a caller can have a denied role tried again.
const MaxWait = 5 * time.Minute

// RoleValidation is the outcome for one role of an integration, or of a draft.
type RoleValidation struct {
	Index int // of the role in the integration
	Role  Role
	Validation
	Finding Finding // what Validation puts in words; zero if it was read from the store
}

// AllWork reports whether every enabled role can be assumed. It is false for no enabled roles.
func AllWork(results []RoleValidation) bool {
	enabled := 0
	for _, r := range results {
		if !r.Role.Enabled {
			continue
		}
		if enabled++; !r.Status.Works() {
			return false
		}
	}
	return enabled > 0
}

// Fingerprint returns everything that shapes the assumption of the role, as one string. A validation of the role counts
// only while its fingerprint stays the same.
func (in *Integration) Fingerprint(r *Role) string {
	by := string(in.AssumptionMode)
	if in.Runner != "" {
		by += " " + string(in.Runner)
	}
	return strings.Join([]string{
		by, r.ARN.String(), string(r.Region), strconv.FormatInt(r.Duration().Milliseconds(), 10),
		in.ExternalID, strconv.FormatBool(in.SessionTags), strconv.FormatBool(in.SourceIdentity),
	}, "|")
}

// The paths of roles whose trust policy belongs to AWS, so that the customer cannot change it.
//
// Source: IAM User Guide, "Using service-linked roles"; IAM Identity Center User Guide, "Referencing permission sets in
// resource policies".
const (
	serviceLinkedPath  = "/aws-service-role/"
	identityCenterPath = "/aws-reserved/sso.amazonaws.com/"
)

// NeverTrusts returns the code that says why the role can never trust us; "" if it can.
func (a RoleARN) NeverTrusts() ValidationCode {
	switch {
	case strings.HasPrefix(a.Path, serviceLinkedPath):
		return ValidServiceLinked
	case strings.HasPrefix(a.Path, identityCenterPath), strings.HasPrefix(a.Name, "AWSReservedSSO_"):
		return ValidIdentityCenter
	}
	return ""
}

// Unassumable returns why nothing can assume the role as the integration describes it; nil if only AWS can tell.
func (r Role) Unassumable() (ValidationCode, error) {
	if r.ARN == (RoleARN{}) {
		_, err := ParseRoleARN("")
		return ValidARNInvalid, fmt.Errorf("the ARN %w", err)
	}
	switch r.ARN.NeverTrusts() {
	case ValidServiceLinked:
		return ValidServiceLinked, fmt.Errorf("the role is linked to an AWS service, which alone may assume it")
	case ValidIdentityCenter:
		return ValidIdentityCenter,
			fmt.Errorf("the role belongs to IAM Identity Center, and its trust policy cannot be changed")
	}
	if of := r.Region.Partition(); of != "" && of != r.ARN.Partition {
		return ValidPartition, fmt.Errorf("the region %w", CheckRegion(r.Region, r.ARN.Partition))
	}
	if err := CheckRegion(r.Region, r.ARN.Partition); err != nil {
		return ValidRegionInvalid, fmt.Errorf("the region %w", err)
	}
	if err := checkDuration(r.SessionDuration); err != nil {
		return ValidDurationInvalid, fmt.Errorf("the session duration %w", err)
	}
	return "", nil
}
