package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/validate"
)

const (
	// validateBudget is how long somebody may have to wait for a validation
	// who is not told how it goes; roles whose turn has not come by then are
	// left unknown.
	validateBudget = 45 * time.Second

	// recordTimeout bounds recording what came of a validation that was
	// broken off.
	recordTimeout = 10 * time.Second

	// maxValidations is how many validations may run at a time. One alone may
	// have thousands of roles.
	maxValidations = 16

	// atOnce is how many integrations are validated at a time in the
	// background, and backgroundBudget how long one may take there.
	atOnce           = 4
	backgroundBudget = 5 * time.Minute

	// againAfter is after how long one is due again that could not be
	// validated in the background.
	againAfter = 5 * time.Minute
)

// Validating says how roles are validated. The zero value is the server's way.
type Validating struct {
	RequireExternalID bool                            // a role that can be assumed without it fails
	Tell              func(rolebroker.RoleValidation) // each outcome as soon as it is known; nil: nobody is told
	Alive             func()                          // called when there was nothing to tell for a while; nil: never. Both are called one at a time

	wait time.Duration // for others to end when too many are running
}

// ValidateIntegration tries to assume every role of an integration, keeps what
// comes of it, and answers it in the order of the roles. When ctx ends it
// answers what it has; the roles that are left are unknown. Codes: denied,
// not_found, unavailable.
func (b *Broker) ValidateIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, how Validating) ([]rolebroker.RoleValidation, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	if in.AssumptionMode == rolebroker.ModeCluster && in.Runner != "" {
		return asTheRunnerSaw(in, how.Tell), nil
	}
	results, err := b.validateNow(ctx, in, how)
	if err != nil {
		return nil, err
	}
	b.audit(ctx, who, "integration validated", in.Name)
	return results, b.recordValidations(ctx, in, results)
}

// asTheRunnerSaw is what the runner found out when it last tried the roles, which
// it does by itself when the integration changes, and now and then.
func asTheRunnerSaw(in *rolebroker.Integration, tell func(rolebroker.RoleValidation)) []rolebroker.RoleValidation {
	results := make([]rolebroker.RoleValidation, len(in.Roles))
	for i, role := range in.Roles {
		results[i] = rolebroker.RoleValidation{Index: i, Role: role, Validation: rolebroker.Validation{
			Status: rolebroker.StatusUnknown, Code: rolebroker.ValidClusterMode,
			Message: "runner " + in.RunnerName + " has not tried the role yet", Hint: "see whether it is connected: rolebroker runner show " + in.RunnerName}}
		if role.Validation != nil {
			results[i].Validation = *role.Validation
		}
		if tell != nil {
			tell(results[i])
		}
	}
	return results
}

// ValidateDraft does the same for an integration that is not saved. If it has an
// ID it is a draft of that one's next version, and what comes of the roles that
// are in it as they are saved is kept; otherwise nothing is. Without
// an external ID one is reserved, which the answer has. What is wrong with the
// draft itself fails the roles it concerns. Codes: denied, not_found, invalid,
// unavailable.
func (b *Broker) ValidateDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, how Validating) (results []rolebroker.RoleValidation, externalID string, err error) {
	if err := who.MayWrite(); err != nil {
		return nil, "", err
	}
	if err := b.nameRunner(ctx, &draft); err != nil {
		return nil, "", err
	}
	stored, err := b.completeDraft(ctx, who, &draft)
	if err != nil {
		return nil, "", err
	}
	results, err = b.validateNow(ctx, &draft, how)
	if err == nil && stored != nil {
		err = b.recordValidations(ctx, stored, asSaved(stored, &draft, results))
	}
	return results, draft.ExternalID, err
}

// asSaved are the results for roles that are in a draft as they are saved.
func asSaved(stored, draft *rolebroker.Integration, results []rolebroker.RoleValidation) (same []rolebroker.RoleValidation) {
	for _, r := range results {
		role := stored.Role(string(r.Role.ID))
		if r.Role.ID != "" && role != nil && stored.Fingerprint(role) == draft.Fingerprint(&r.Role) {
			r.Role = *role
			same = append(same, r)
		}
	}
	return same
}

// completeDraft gives a draft the external ID that its roles have to require,
// and finds what it is the next version of; nil if it is of nothing.
func (b *Broker) completeDraft(ctx context.Context, who rolebroker.Caller, draft *rolebroker.Integration) (*rolebroker.Integration, error) {
	if draft.ID == "" {
		return nil, b.externalIDFor(ctx, who, draft)
	}
	stored, err := b.store.Integration(ctx, string(draft.ID))
	if err != nil {
		return nil, err
	}
	if draft.ExternalID != "" && draft.ExternalID != stored.ExternalID {
		return nil, errExternalID
	}
	draft.ID, draft.ExternalID, draft.NextExternalID = stored.ID, stored.ExternalID, stored.NextExternalID
	return stored, nil
}

var errExternalID = &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid", Fields: []rolebroker.Field{
	{Path: "external_id", Message: "is made by the server and cannot be chosen; leave it out"}}}

// externalIDFor sees to it that a new integration has an external ID of ours
// that no other has.
func (b *Broker) externalIDFor(ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration) (err error) {
	if in.ExternalID == "" {
		in.ExternalID, err = b.madeExternalID(ctx, who)
		return err
	}
	reserved, err := b.store.ReservationOf(ctx, in.ExternalID)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound || err == nil && reserved.Integration != "" {
		err = &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid", Fields: []rolebroker.Field{
			{Path: "external_id", Message: "is not one that was reserved here, or it was used already"}}}
	}
	return err
}

// validateNow tries the roles of an integration as it is given. Where nobody is
// told on the way, somebody waits for the whole, and not for long. Codes:
// throttled.
func (b *Broker) validateNow(ctx context.Context, in *rolebroker.Integration, how Validating) ([]rolebroker.RoleValidation, error) {
	if !b.mayValidate(ctx, how.wait) {
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "%d validations are running already", maxValidations).WithHint("try again in a few seconds")
	}
	ended := sync.OnceFunc(func() { <-b.validations })
	defer ended()
	if how.Tell == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, validateBudget)
		defer cancel()
	}
	subject := validate.Subject{Integration: *in, RequireExternalID: how.RequireExternalID || b.requireExternalID}
	if in.ID != "" {
		var err error
		if subject.Earlier, err = b.store.EarlierExternalIDs(ctx, in.ID, validate.MaxEarlier); err != nil {
			return nil, err
		}
	}
	if how.Tell == nil {
		return b.validator.Roles(ctx, subject, nil), nil
	}
	t := newTeller(how)
	results := b.validator.Roles(ctx, subject, t.add)
	ended() // whoever listens slowly holds up nobody
	t.end()
	return results, nil
}

// mayValidate says whether one more validation may run, now or after a wait.
func (b *Broker) mayValidate(ctx context.Context, wait time.Duration) bool {
	select {
	case b.validations <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case b.validations <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// recordValidations keeps what was found out, also when ctx has ended, and
// notices roles that work no longer, or again. What could not be found out
// does not replace what is known, and what only the one who asked calls a
// failure is kept as the server sees it.
func (b *Broker) recordValidations(ctx context.Context, in *rolebroker.Integration, results []rolebroker.RoleValidation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var found []rolebroker.RoleValidation
	whole := len(results) == len(in.Roles)
	for _, r := range results {
		if r.Code == rolebroker.ValidExternalIDOpen && !b.requireExternalID {
			r.Status = rolebroker.StatusWarning
		}
		before := r.Role.Validation
		b.metrics.validations.Inc(string(r.Status), string(r.Code))
		whole = whole && r.Status != rolebroker.StatusUnknown
		if r.Status == rolebroker.StatusUnknown && (before != nil || r.Code == rolebroker.ValidNotChecked || r.Code == rolebroker.ValidClusterMode) {
			continue
		}
		found = append(found, r)
		if before != nil && before.Status != rolebroker.StatusUnknown && before.Status.Works() != r.Status.Works() {
			b.noticeChange(ctx, in, r)
		}
	}
	at := time.Time{}
	if whole {
		at = b.now()
	}
	if len(found) == 0 {
		return nil
	}
	return b.store.RecordValidations(ctx, in, found, at)
}

// noticeChange says that a role works no longer, or again.
func (b *Broker) noticeChange(ctx context.Context, in *rolebroker.Integration, r rolebroker.RoleValidation) {
	if r.Status.Works() {
		b.metrics.changes.Inc("working")
		b.log.InfoContext(ctx, "a role can be assumed again", "integration", in.Name, "role", r.Role.Name, "arn", r.Role.ARN)
		return
	}
	b.metrics.changes.Inc("failing")
	b.log.WarnContext(ctx, "a role can no longer be assumed", "integration", in.Name, "role", r.Role.Name, "arn", r.Role.ARN,
		"code", r.Code, "reason", r.Message, "aws_request_id", r.RequestID)
}

// Revalidate validates the integrations whose turn it is, if each is to be
// validated once in an interval and this is called once in a tick: as many as
// spread them evenly, the longest ago first. Of several servers one validates
// each.
func (b *Broker) Revalidate(ctx context.Context, interval, tick time.Duration) error {
	total, err := b.store.CountIntegrations(ctx)
	if err != nil || total == 0 {
		return err
	}
	begun := b.now()
	share := int((int64(total)*int64(tick) + int64(interval) - 1) / int64(interval))
	left := make(chan struct{}, share)
	for range share {
		left <- struct{}{}
	}
	close(left)
	var group errgroup.Group
	for range min(atOnce, share) {
		group.Go(func() error { return b.revalidateDue(ctx, interval, left) })
	}
	err = group.Wait()
	if took := b.now().Sub(begun); took > tick && ctx.Err() == nil {
		b.log.WarnContext(ctx, "validating roles in the background takes longer than its interval allows; raise --revalidate-every or --validation-rate",
			"took", took, "allowed", tick, "integrations", share)
	}
	return err
}

// revalidateDue validates integrations that are due, one after the other, for as
// long as there is something left to do.
func (b *Broker) revalidateDue(ctx context.Context, interval time.Duration, left <-chan struct{}) error {
	for range left {
		now := b.now()
		claimed, err := b.store.ClaimIntegrations(ctx, now.Add(-interval), now, 1)
		if err != nil || len(claimed) == 0 {
			return err
		}
		if err := b.revalidate(ctx, claimed[0], interval); err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			return err
		}
	}
	return nil
}

// revalidate validates one that was claimed. If that could not be done it is due
// again soon, here or elsewhere.
func (b *Broker) revalidate(ctx context.Context, id rolebroker.IntegrationID, interval time.Duration) error {
	done := false
	defer func() {
		if !done {
			giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
			defer cancel()
			due := b.now().Add(min(againAfter, interval) - interval)
			if err := b.store.SetValidatedAt(giving, id, due); err != nil {
				b.log.WarnContext(ctx, "giving back an integration that was not validated", "integration", id, "reason", err)
			}
		}
	}()
	in, err := b.store.Integration(ctx, string(id))
	if err != nil {
		return err
	}
	earlier, err := b.store.EarlierExternalIDs(ctx, id, validate.MaxEarlier)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, backgroundBudget)
	defer cancel()
	results := b.validator.Roles(bounded, validate.Subject{Integration: *in, Earlier: earlier, RequireExternalID: b.requireExternalID, Impatient: true}, nil)
	done = !slices.ContainsFunc(results, func(r rolebroker.RoleValidation) bool { return r.Status == rolebroker.StatusUnknown })
	return b.recordValidations(ctx, in, results)
}

// validateBefore validates what is about to be saved, and is an error when
// that must not be. Codes: invalid (a role failed), unavailable (it could not
// be found out).
func (b *Broker) validateBefore(ctx context.Context, in *rolebroker.Integration, isNew bool) ([]rolebroker.RoleValidation, error) {
	tried := *in
	if isNew {
		tried.ID = "" // no command can name it yet
	}
	results, err := b.validateNow(ctx, &tried, Validating{})
	if err != nil {
		return nil, err
	}
	return results, refuseUnless(results)
}

// refuseUnless is why roles of which every one has to work must not be saved.
func refuseUnless(results []rolebroker.RoleValidation) error {
	failed := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "not every role can be assumed; nothing was saved"}
	for _, r := range results {
		if r.Status == rolebroker.StatusFailed {
			failed.Fields = append(failed.Fields, rolebroker.Field{Path: fmt.Sprintf("roles[%d].%s", r.Index, fieldOf(r.Code)), Message: r.Message, Hint: r.Hint})
		}
	}
	if len(failed.Fields) > 0 {
		return failed
	}
	for _, r := range results {
		if r.Status == rolebroker.StatusUnknown && r.Code != rolebroker.ValidClusterMode {
			return rolebroker.Errorf(rolebroker.CodeUnavailable, "whether role %s can be assumed could not be found out, and nothing was saved: %s", r.Role.Name, r.Message).
				WithHint("try again in a while, or save it without validation")
		}
	}
	return nil
}

// fieldOf is which of a role's fields a validation is about.
func fieldOf(code rolebroker.ValidationCode) string {
	switch code {
	case rolebroker.ValidRegionDisabled, rolebroker.ValidRegionInvalid, rolebroker.ValidPartition:
		return "region"
	case rolebroker.ValidDurationMaximum, rolebroker.ValidDurationChaining, rolebroker.ValidDurationInvalid:
		return "session_duration"
	}
	return "arn"
}

// validateAfter validates what was just saved. That is a service: what goes
// wrong with it is for the log, and does not undo the change.
func (b *Broker) validateAfter(ctx context.Context, in *rolebroker.Integration) {
	results, err := b.validateNow(ctx, in, Validating{wait: recordTimeout})
	if err == nil {
		err = b.recordValidations(ctx, in, results)
	}
	if err != nil {
		b.log.WarnContext(ctx, "validating a saved integration", "integration", in.Name, "reason", err, "cause", errors.Unwrap(err))
	}
}
