package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// Setup says what has to be done in AWS so that the roles of an integration
// can be assumed. Codes: denied, not_found (the integration, or the role in
// it), invalid.
func (b *Broker) Setup(ctx context.Context, who rolebroker.Caller, nameOrID string, req rolebroker.SetupRequest) (*rolebroker.Setup, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	earlier, err := b.store.EarlierExternalIDs(ctx, in.ID, validate.MaxEarlier)
	if err != nil {
		return nil, err
	}
	return b.setup(ctx, who, in, earlier, req)
}

// SetupDraft does the same for an integration that is not saved: one that is not
// there yet, with an external ID that ReserveExternalID gave and with roles that
// may not be there either; or, with an ID, the next version of one. Codes:
// denied, not_found, invalid.
func (b *Broker) SetupDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, req rolebroker.SetupRequest) (*rolebroker.Setup, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	if draft.ID != "" {
		if _, err := b.completeDraft(ctx, who, &draft); err != nil {
			return nil, err
		}
		earlier, err := b.store.EarlierExternalIDs(ctx, draft.ID, validate.MaxEarlier)
		if err != nil {
			return nil, err
		}
		return b.setup(ctx, who, &draft, earlier, req)
	}
	free, err := b.store.ExternalIDIsFree(ctx, draft.ExternalID)
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, (&rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid", Fields: []rolebroker.Field{
			{Path: "external_id", Message: "is not one that was reserved here, or an integration has it already"}}}).
			WithHint("rolebroker external-id reserve makes one; the setup of an integration is asked for by its name")
	}
	return b.setup(ctx, who, &draft, nil, req)
}

func (b *Broker) setup(ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration, earlier []string, req rolebroker.SetupRequest) (*rolebroker.Setup, error) {
	req = req.WithDefaults()
	if err := errors.Join(req.Check(), checkNames(in)); err != nil {
		return nil, err
	}
	roles := in.Roles
	if req.Role != "" {
		role := in.Role(req.Role)
		if role == nil {
			return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "integration %s has no role %q", in.Name, rolebroker.ShowReference(req.Role)).
				WithHint("rolebroker integration show %s", in.Name)
		}
		roles = []rolebroker.Role{*role}
	}
	platform, err := b.Platform(ctx, who)
	if err != nil {
		return nil, err
	}
	externalIDs := slices.DeleteFunc([]string{in.ExternalID, in.NextExternalID}, func(id string) bool { return id == "" })
	subject := setup.Subject{Integration: in.Name, Mode: in.AssumptionMode, Platform: platform.Identity,
		ExternalIDs: externalIDs, Earlier: earlier, Roles: roles, Request: req}
	made, err := setup.New(subject)
	if err != nil {
		return nil, err
	}
	made.TrustPolicy = commonTrust(subject, made.Roles)
	if made.Principal == "" && in.AssumptionMode == rolebroker.ModePlatform && platform.ARN != "" {
		made.Principal = platform.AccountPrincipal() // there is no role yet
	}
	if platform.Err != nil && in.AssumptionMode == rolebroker.ModePlatform {
		made.PlatformProblem = platform.Err.Error()
	}
	return made, nil
}

// checkNames refuses a draft with names that are none: they are to be pasted into
// a shell.
func checkNames(in *rolebroker.Integration) error {
	refused := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid"}
	check := func(path, name string) {
		if err := rolebroker.CheckName(name); name != "" && err != nil {
			refused.Fields = append(refused.Fields, rolebroker.Field{Path: path, Message: err.Error()})
		}
	}
	check("name", in.Name)
	for i, role := range in.Roles {
		check(fmt.Sprintf("roles[%d].name", i), role.Name)
	}
	if len(refused.Fields) == 0 {
		return nil
	}
	return refused
}

// commonTrust is the trust policy that all roles have alike; empty when they
// have not.
func commonTrust(s setup.Subject, roles []rolebroker.RoleSetup) string {
	if s.Mode == rolebroker.ModePlatform {
		return s.TrustPolicy(rolebroker.Role{})
	}
	common := ""
	for i, r := range roles {
		if i > 0 && r.TrustPolicy != common {
			return ""
		}
		common = r.TrustPolicy
	}
	return common
}

// RotationStep is one step of changing an integration's external ID.
type RotationStep string

const (
	RotationStart  RotationStep = "start"  // a new one is made; roles may require either
	RotationFinish RotationStep = "finish" // the new one is sent from now on
	RotationCancel RotationStep = "cancel" // the old one stays
)

// RotateExternalID changes an integration's external ID in steps, so that
// roles can follow one by one while all of them can be assumed. Finishing is
// refused while an enabled role does not accept the new one, unless forced.
// Codes: denied, not_found, invalid, conflict, stale, unavailable.
func (b *Broker) RotateExternalID(ctx context.Context, who rolebroker.Caller, nameOrID string, step RotationStep, force bool) (*rolebroker.Integration, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	rotated := *in
	rotated.Version, rotated.UpdatedAt = in.Version+1, b.now()
	var results []rolebroker.RoleValidation
	switch {
	case step == RotationStart && in.NextExternalID == "":
		rotated.NextExternalID, err = b.ReserveExternalID(ctx, who)
	case step == RotationStart:
		err = rolebroker.Errorf(rolebroker.CodeConflict, "the external ID of integration %s is being changed already", in.Name).
			WithHint("rolebroker integration rotate-external-id %s --finish, or --cancel", in.Name)
	case in.NextExternalID == "" && (step == RotationFinish || step == RotationCancel):
		err = rolebroker.Errorf(rolebroker.CodeConflict, "the external ID of integration %s is not being changed", in.Name).
			WithHint("rolebroker integration rotate-external-id %s starts it", in.Name)
	case step == RotationFinish:
		rotated.ExternalID, rotated.NextExternalID = in.NextExternalID, ""
		if results, err = b.validateNow(ctx, &rotated, Validating{wait: recordTimeout}); err == nil && !force {
			err = acceptNext(&rotated, results)
		}
	case step == RotationCancel:
		rotated.NextExternalID = ""
	default:
		err = &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid", Fields: []rolebroker.Field{
			{Path: "step", Message: fmt.Sprintf("%q is not one of start, finish, cancel", string(step))}}}
	}
	if err != nil {
		return nil, err
	}
	if err := b.store.SetExternalIDs(ctx, &rotated, in.Version); err != nil {
		return nil, err
	}
	b.audit(ctx, who, "external ID rotation: "+string(step), in.Name)
	if err := b.recordValidations(ctx, &rotated, results); err != nil {
		b.log.WarnContext(ctx, "recording a validation", "integration", in.Name, "reason", err, "cause", errors.Unwrap(err))
	}
	return b.store.Integration(ctx, string(in.ID))
}

// acceptNext is nil when every enabled role can be assumed as rotated has it.
func acceptNext(rotated *rolebroker.Integration, results []rolebroker.RoleValidation) error {
	var refused []string
	why := ""
	for _, r := range results {
		if r.Role.Enabled && !r.Status.Works() && rotated.AssumptionMode == rolebroker.ModePlatform {
			refused = append(refused, r.Role.Name)
			why = r.Message
		}
	}
	const hint = "rolebroker integration validate %s says what to change; --force finishes all the same, and takes such roles away"
	switch len(refused) {
	case 0:
		return nil
	case 1:
		return rolebroker.Errorf(rolebroker.CodeConflict, "role %s cannot be assumed with the new external ID: %s", refused[0], why).WithHint(hint, rotated.Name)
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "%d roles cannot be assumed with the new external ID: %s", len(refused), strings.Join(refused[:min(len(refused), maxNamed)], ", ")).
		WithHint(hint, rotated.Name)
}

// maxNamed is how many roles one message names.
const maxNamed = 20
