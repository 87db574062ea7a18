package broker

import (
	"context"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// RotationStep is one step of changing an integration's external ID.
type RotationStep string

// The steps.
const (
	RotationStart  RotationStep = "start"  // makes the next external ID; roles may require either
	RotationFinish RotationStep = "finish" // the next external ID becomes the current one
	RotationCancel RotationStep = "cancel" // the current external ID stays
)

// RotateExternalID changes an integration's external ID in steps, so that the trust policies can be changed one by one
// while every role can be assumed. Finishing is refused while an enabled role cannot be assumed with the next external
// ID, unless force is true. Codes: denied, not_found, invalid, conflict, stale, unavailable.
func (b *Broker) RotateExternalID(
	ctx context.Context, who rolebroker.Caller, nameOrID string, step RotationStep, force bool,
) (*rolebroker.Integration, error) {
	const action = rolebroker.ActionIntegrationRotate
	in, err := b.integrationFor(ctx, who, action, nameOrID)
	if err != nil {
		return nil, err
	}
	rotated, results, err := b.rotated(ctx, who, in, step, force)
	if err != nil {
		return nil, err
	}
	event := b.event(who, action, nil, rolebroker.Facts{"step": string(step)}, in.Subject())
	if err := b.store.SetExternalIDs(ctx, rotated, in.Version, event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	if err := b.recordValidations(ctx, rotated, results); err != nil {
		b.warn(ctx, "recording a validation", in, err)
	}
	return b.store.Integration(ctx, string(in.ID))
}

// rotated returns the integration after a step. For the last step it validates the roles, and returns the results.
func (b *Broker) rotated(
	ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration, step RotationStep, force bool,
) (*rolebroker.Integration, []rolebroker.RoleValidation, error) {
	rotated := *in
	rotated.Version, rotated.UpdatedAt = in.Version+1, b.now()
	switch {
	case step == RotationStart && in.NextExternalID == "":
		reserved, err := b.reserveExternalID(ctx, who)
		if err != nil {
			return nil, nil, err
		}
		rotated.NextExternalID = reserved.ExternalID
	case step == RotationStart:
		return nil, nil, rotating(in)
	case in.NextExternalID == "" && (step == RotationFinish || step == RotationCancel):
		return nil, nil, rolebroker.Errorf(rolebroker.CodeConflict,
			"the external ID of integration %s is not being changed", in.Name).
			WithHint("rolebroker integration rotate-external-id %s starts it", in.Name)
	case step == RotationFinish:
		rotated.ExternalID, rotated.NextExternalID = in.NextExternalID, ""
		results, err := b.validateNow(ctx, &rotated, Validating{turn: recordTimeout})
		if err == nil && !force {
			err = acceptNext(&rotated, results)
		}
		return &rotated, results, err
	case step == RotationCancel:
		rotated.NextExternalID = ""
	default:
		return nil, nil, invalid("the request", "step", "%q is not one of start, finish, cancel", string(step))
	}
	return &rotated, nil, nil
}

// rotating refuses another external ID while a rotation is under way.
func rotating(in *rolebroker.Integration) error {
	return rolebroker.Errorf(rolebroker.CodeConflict,
		"the external ID of integration %s is being changed already", in.Name).
		WithHint("rolebroker integration rotate-external-id %s --finish, or --cancel", in.Name)
}

// acceptNext returns nil when every enabled role can be assumed with the rotated external ID. Codes: conflict.
func acceptNext(rotated *rolebroker.Integration, results []rolebroker.RoleValidation) error {
	var refused []string
	reason := ""
	for _, r := range results {
		if r.Role.Enabled && !r.Status.Works() && rotated.AssumptionMode == rolebroker.ModePlatform {
			refused = append(refused, r.Role.Name)
			reason = r.Message
		}
	}
	const hint = "rolebroker integration validate %s says what to change; " +
		"--force finishes all the same, and takes such roles away"
	switch len(refused) {
	case 0:
		return nil
	case 1:
		return rolebroker.Errorf(rolebroker.CodeConflict,
			"role %s cannot be assumed with the new external ID: %s", refused[0], reason).
			WithHint(hint, rotated.Name)
	}
	named := strings.Join(refused[:min(len(refused), maxNamed)], ", ")
	return rolebroker.Errorf(rolebroker.CodeConflict,
		"%d roles cannot be assumed with the new external ID: %s", len(refused), named).
		WithHint(hint, rotated.Name)
}

// maxNamed is how many roles a message names.
const maxNamed = 20
