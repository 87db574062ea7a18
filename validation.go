package rolebroker

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Validation is what AWS answered when we last tried to assume a role, and why.
type Validation struct {
	Status    ValidationStatus
	Code      ValidationCode
	Message   string // one sentence without a full stop
	Hint      Hint   // what to do, with the very statement, command or setting to change; empty when nothing has to be done
	RequestID string // AWS's, of the answer that decided; may be empty
	CheckedAt time.Time
	CheckedBy string // the name of the runner that tried; empty: this server did
}

// ValidationStatus is what a validation comes to.
type ValidationStatus string

const (
	StatusAssumable ValidationStatus = "assumable" // we assumed it, and only with our external ID
	StatusWarning   ValidationStatus = "warning"   // we assumed it, and something about it should be changed
	StatusFailed    ValidationStatus = "failed"    // it cannot be assumed as it is asked for
	StatusUnknown   ValidationStatus = "unknown"   // it could not be found out
)

// Works says whether the role can be lent.
func (s ValidationStatus) Works() bool { return s == StatusAssumable || s == StatusWarning }

// ValidationCode says what AWS's answers mean. Codes are stable: programs may
// go by them.
type ValidationCode string

// The codes, by who has to change something.
const (
	ValidAssumable ValidationCode = "assumable"

	// The platform's own identity.
	ValidNoIdentity      ValidationCode = "no_identity"
	ValidIdentityExpired ValidationCode = "identity_expired"
	ValidIdentityInvalid ValidationCode = "identity_invalid"
	ValidIdentityRegion  ValidationCode = "identity_not_valid_in_region"
	ValidIdentityRoot    ValidationCode = "identity_is_root"     // a root user can assume nothing
	ValidPlatformDenied  ValidationCode = "platform_not_allowed" // AWS says that our identity may not call sts:AssumeRole on the role

	// The role's trust policy.
	ValidDenied               ValidationCode = "denied"                        // no trust, no such role, or a policy denies: AWS does not say which
	ValidTrustDenied          ValidationCode = "trust_denied"                  // AWS says that it is the trust policy
	ValidPolicyDenied         ValidationCode = "policy_denied"                 // AWS says that it is a policy of an organization, or one on the way
	ValidExternalIDOutdated   ValidationCode = "external_id_outdated"          // an earlier external ID works, the current one does not
	ValidExternalIDRefused    ValidationCode = "external_id_refused"           // it works without our external ID, and not with it
	ValidExternalIDOpen       ValidationCode = "external_id_not_required"      // it works without our external ID, or with a wrong one
	ValidExternalIDAhead      ValidationCode = "external_id_ahead"             // only the external ID that is being changed to works
	ValidExternalIDPrevious   ValidationCode = "previous_external_id_accepted" // it works with an earlier external ID too
	ValidNextExternalID       ValidationCode = "next_external_id_refused"      // it does not accept the external ID that is being changed to
	ValidTagSessionDenied     ValidationCode = "tag_session_denied"
	ValidSourceIdentityDenied ValidationCode = "source_identity_denied"

	// What the integration says of the role.
	ValidDurationMaximum  ValidationCode = "duration_over_maximum"  // the role's MaxSessionDuration
	ValidDurationChaining ValidationCode = "duration_over_chaining" // the hour of role chaining
	ValidRegionDisabled   ValidationCode = "region_disabled"
	ValidRegionInvalid    ValidationCode = "region_invalid"
	ValidPartition        ValidationCode = "partition_mismatch" // region, role and platform are not all of one partition
	ValidARNInvalid       ValidationCode = "arn_invalid"
	ValidDurationInvalid  ValidationCode = "duration_invalid"
	ValidServiceLinked    ValidationCode = "service_linked_role"
	ValidIdentityCenter   ValidationCode = "identity_center_role"
	ValidRejected         ValidationCode = "rejected" // anything else STS found wrong

	// It could not be found out.
	ValidThrottled   ValidationCode = "throttled"
	ValidUnreachable ValidationCode = "unreachable"
	ValidClusterMode ValidationCode = "cluster_mode"
	ValidNotChecked  ValidationCode = "not_checked" // it ended before the role's turn came
)

// knownCodes are all of the above.
var knownCodes = map[ValidationCode]bool{
	ValidAssumable: true, ValidNoIdentity: true, ValidIdentityExpired: true, ValidIdentityInvalid: true,
	ValidIdentityRegion: true, ValidIdentityRoot: true, ValidPlatformDenied: true, ValidDenied: true, ValidTrustDenied: true,
	ValidPolicyDenied: true, ValidExternalIDOutdated: true, ValidExternalIDRefused: true, ValidExternalIDOpen: true,
	ValidExternalIDAhead: true, ValidExternalIDPrevious: true, ValidNextExternalID: true, ValidTagSessionDenied: true,
	ValidSourceIdentityDenied: true, ValidDurationMaximum: true, ValidDurationChaining: true, ValidRegionDisabled: true,
	ValidRegionInvalid: true, ValidPartition: true, ValidARNInvalid: true, ValidDurationInvalid: true, ValidServiceLinked: true,
	ValidIdentityCenter: true, ValidRejected: true, ValidThrottled: true, ValidUnreachable: true, ValidClusterMode: true,
	ValidNotChecked: true,
}

// IsKnown says whether this version knows the code.
func (c ValidationCode) IsKnown() bool { return knownCodes[c] }

// IsKnown says whether this version knows the status.
func (s ValidationStatus) IsKnown() bool {
	return s.Works() || s == StatusFailed || s == StatusUnknown
}

// ValidateMode says what creating or updating an integration does about the
// roles that cannot be assumed.
type ValidateMode string

const (
	ValidateRequire ValidateMode = "require" // nothing is saved unless every role can be assumed
	ValidateWarn    ValidateMode = "warn"    // it is saved, and what is wrong is said
	ValidateSkip    ValidateMode = "skip"    // nothing is tried
)

// RoleValidation is the outcome for one role of an integration, or of a draft.
type RoleValidation struct {
	Index int // of the role among the integration's
	Role  Role
	Validation
}

// AllWork says whether there are roles and every one of them can be lent.
func AllWork(results []RoleValidation) bool {
	if len(results) == 0 {
		return false
	}
	for _, r := range results {
		if !r.Status.Works() {
			return false
		}
	}
	return true
}

// Fingerprint is everything by which the integration's role is lent. A
// validation says something of the role for as long as that is what it was.
func (in *Integration) Fingerprint(r *Role) string {
	by := string(in.AssumptionMode)
	if in.Runner != "" {
		by += " " + string(in.Runner)
	}
	return strings.Join([]string{by, r.ARN.String(), string(r.Region), strconv.FormatInt(r.Duration().Milliseconds(), 10),
		in.ExternalID, strconv.FormatBool(in.SessionTags), strconv.FormatBool(in.SourceIdentity)}, "|")
}

// The paths of roles whose trust policy is AWS's and cannot be changed.
//
// Source: IAM User Guide, "Using service-linked roles"; IAM Identity Center
// User Guide, "Referencing permission sets in resource policies".
const (
	serviceLinkedPath  = "/aws-service-role/"
	identityCenterPath = "/aws-reserved/sso.amazonaws.com/"
)

// NeverTrusts says why the role can never be made to trust us; "" if it can.
func (a RoleARN) NeverTrusts() ValidationCode {
	switch {
	case strings.HasPrefix(a.Path, serviceLinkedPath):
		return ValidServiceLinked
	case strings.HasPrefix(a.Path, identityCenterPath), strings.HasPrefix(a.Name, "AWSReservedSSO_"):
		return ValidIdentityCenter
	}
	return ""
}

// Unassumable says why a role can never be assumed as the integration has it,
// whatever AWS would say; nil when only AWS can tell.
func (r Role) Unassumable() (ValidationCode, error) {
	if r.ARN == (RoleARN{}) {
		_, err := ParseRoleARN("")
		return ValidARNInvalid, fmt.Errorf("the ARN %w", err)
	}
	switch r.ARN.NeverTrusts() {
	case ValidServiceLinked:
		return ValidServiceLinked, fmt.Errorf("the role is linked to an AWS service, which alone may assume it")
	case ValidIdentityCenter:
		return ValidIdentityCenter, fmt.Errorf("the role belongs to IAM Identity Center, and its trust policy cannot be changed")
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
