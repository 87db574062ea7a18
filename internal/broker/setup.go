package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// maxSetups is how many setups are written at a time. One of thousands of roles
// takes a second, and hundreds of megabytes.
const maxSetups = 4

// Setup says what has to be done in AWS so that the roles of an integration
// can be assumed. Codes: denied, not_found (the integration, or the role in
// it), invalid, unavailable.
func (b *Broker) Setup(ctx context.Context, who rolebroker.Caller, nameOrID string, req rolebroker.SetupRequest) (*rolebroker.Setup, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	return b.setup(ctx, who, in, req)
}

// SetupDraft does the same for an integration that is not saved: one that is not
// there yet, with an external ID that ReserveExternalID gave and with roles that
// may not be there either; or, with an ID, the next version of one. An external
// ID that an integration has or had stands for that integration and what its
// roles have to require now, so that whoever reserved it is answered alike before
// and after. In cluster mode none is needed. What is wrong with the draft has the
// paths name, roles[…] and external_id. Codes: denied, not_found, invalid,
// unavailable.
func (b *Broker) SetupDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, req rolebroker.SetupRequest) (*rolebroker.Setup, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	if err := checkNames(&draft); err != nil {
		return nil, err
	}
	var err error
	if draft.ID != "" {
		_, err = b.completeDraft(ctx, who, &draft)
	} else {
		err = b.followExternalID(ctx, &draft)
	}
	if err != nil {
		return nil, err
	}
	return b.setup(ctx, who, &draft, req)
}

// followExternalID gives a draft what became of its external ID: the external
// IDs of now, and the integration that has them, if one has.
func (b *Broker) followExternalID(ctx context.Context, draft *rolebroker.Integration) error {
	if draft.ExternalID == "" && draft.AssumptionMode == rolebroker.ModeCluster {
		return nil // roles there require none
	}
	reserved, err := b.store.ReservationOf(ctx, draft.ExternalID)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return (&rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid", Fields: []rolebroker.Field{
			{Path: "external_id", Message: "is not one that was reserved here, or its integration was deleted"}}}).
			WithHint("rolebroker external-id reserve makes one; the setup of an integration is asked for by its name")
	case err != nil:
		return err
	}
	draft.ExternalID, draft.NextExternalID = reserved.ExternalID, reserved.NextExternalID
	if reserved.Integration != "" {
		draft.ID, draft.Name = reserved.Integration, reserved.IntegrationName
	}
	return nil
}

// setup writes the setup of an integration; without an ID it is not saved.
func (b *Broker) setup(ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration, req rolebroker.SetupRequest) (*rolebroker.Setup, error) {
	subject := setup.Subject{Integration: in.Name, Draft: in.ID == "", Mode: in.AssumptionMode,
		ExternalIDs: []string{in.ExternalID, in.NextExternalID}, Roles: in.Roles, Request: req}
	var err error
	if in.ID != "" {
		if subject.Earlier, err = b.store.EarlierExternalIDs(ctx, in.ID, validate.MaxEarlier); err != nil {
			return nil, err
		}
	}
	if err := b.knowRunner(ctx, in, &subject); err != nil {
		return nil, err
	}
	platform, err := b.Platform(ctx, who)
	if err != nil {
		return nil, err
	}
	subject.Platform = platform.Identity
	if platform.Err != nil {
		subject.PlatformProblem = platform.Err.Error()
	}
	select {
	case b.setups <- struct{}{}:
		defer func() { <-b.setups }()
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "%d setups are being written already: %w", maxSetups, ctx.Err()).WithHint("try again in a few seconds")
	}
	made, err := setup.New(ctx, subject)
	if err != nil {
		return nil, err
	}
	made.IntegrationID = in.ID
	return made, nil
}

// knowRunner fills in what the integration's runner has told: how it assumes
// roles, unless that was asked for, and by which identity or issuer.
func (b *Broker) knowRunner(ctx context.Context, in *rolebroker.Integration, subject *setup.Subject) error {
	if in.AssumptionMode != rolebroker.ModeCluster || in.Runner == "" {
		return nil
	}
	runner, err := b.store.Runner(ctx, string(in.Runner))
	if err != nil {
		return err
	}
	cluster := &subject.Request.Cluster
	subject.Runner = runner.Report.Identity
	if cluster.Variant == "" && runner.Report.Method == rolebroker.MethodAssumeRole && runner.Report.Identity.ARN != "" {
		cluster.Variant = rolebroker.ClusterAssumeRole
	}
	known := *cluster
	known.Issuer = cmp.Or(cluster.Issuer, runner.Issuer)
	if (rolebroker.SetupRequest{Cluster: known}).WithDefaults().Check() == nil { // else IAM cannot know that issuer
		*cluster = known
	}
	return nil
}

// checkNames refuses a draft with names that are none: they are to be pasted into
// a shell. Those that are empty are yet to be given.
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
		rotated.NextExternalID, err = b.madeExternalID(ctx, who)
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
