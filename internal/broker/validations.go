package broker

import (
	"cmp"
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
	// validateTimeout bounds a validation whose outcomes are not reported as they come, beside the time for which a
	// denied role is tried again. Roles that were not tried by then are unknown.
	validateTimeout = 45 * time.Second

	// savePatience is how long saving tries a denied role again.
	savePatience = 3 * time.Second

	// recordTimeout bounds recording the outcomes of a validation that was interrupted.
	recordTimeout = 10 * time.Second

	// maxValidations is how many validations run at a time. Each may have thousands of roles.
	maxValidations = 16

	// backgroundValidations is how many integrations are validated at a time in the background, backgroundTimeout how
	// long one of them may take, and backgroundRetry when one that could not be validated is tried again.
	backgroundValidations = 4
	backgroundTimeout     = 5 * time.Minute
	backgroundRetry       = 5 * time.Minute
)

// Validating says how roles are validated. The zero value follows the server's configuration.
type Validating struct {
	RequireExternalID bool // a role that can be assumed without the external ID fails

	// Wait is how long a denied role is tried again, for rolebroker.MaxWait at most. IAM takes some seconds to spread
	// a new role or a change.
	Wait *time.Duration

	// Tell is called with each outcome as soon as it is known, and Alive after a while without outcomes. A role that is
	// tried again has the outcome ValidTryingAgain before its last one. Calls do not overlap. Either may be nil.
	Tell  func(rolebroker.RoleValidation)
	Alive func()

	turn time.Duration // how long to wait when maxValidations are running
}

// validatingFor says how roles are validated for saving: a wait that is not given is short, except for
// rolebroker.ValidateRequire, which saves nothing if a role is denied.
func (b *Broker) validatingFor(how rolebroker.Saving) Validating {
	if how.Wait == nil && how.Validate != rolebroker.ValidateRequire {
		return Validating{Wait: new(min(savePatience, b.validator.Patience()))}
	}
	return Validating{Wait: how.Wait}
}

// wait is how long a denied role is tried again.
func (b *Broker) wait(how Validating) time.Duration {
	if how.Wait == nil {
		return b.validator.Patience()
	}
	return min(*how.Wait, rolebroker.MaxWait)
}

// ValidateIntegration tries to assume every role of an integration, stores the outcomes, and returns them in the order
// of the roles. When ctx ends it returns the outcomes so far; the other roles are unknown. In cluster mode it asks the
// runner, and waits. Codes: denied, not_found, throttled, unavailable.
func (b *Broker) ValidateIntegration(
	ctx context.Context, who rolebroker.Caller, nameOrID string, how Validating,
) ([]rolebroker.RoleValidation, error) {
	const action = rolebroker.ActionIntegrationValidate
	in, err := b.integrationFor(ctx, who, action, nameOrID)
	if err != nil {
		return nil, err
	}
	results, err := b.validateWhereAssumed(ctx, in, how)
	if err != nil {
		return nil, err
	}
	b.RecordEvent(ctx, b.event(who, action, nil, nil, in.Subject()))
	return results, b.recordValidations(ctx, in, results)
}

// validateWhereAssumed tries the roles where they are assumed: here or at a runner.
func (b *Broker) validateWhereAssumed(
	ctx context.Context, in *rolebroker.Integration, how Validating,
) ([]rolebroker.RoleValidation, error) {
	if in.AssumptionMode == rolebroker.ModeCluster && in.Runner != "" {
		return b.validateByRunner(ctx, in, how)
	}
	return b.validateNow(ctx, in, how)
}

// ValidateDraft validates an integration that is not saved. A draft with an ID is the next version of that
// integration: outcomes of roles that are the same in both are stored. A draft without an external ID gets one, which
// ValidateDraft reserves and returns. What is wrong with the draft fails the roles that it concerns. Codes: denied,
// not_found, invalid, throttled, unavailable.
func (b *Broker) ValidateDraft(
	ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, how Validating,
) (results []rolebroker.RoleValidation, externalID string, err error) {
	const action = rolebroker.ActionIntegrationValidate
	subject := rolebroker.Named(rolebroker.KindIntegration, cmp.Or(string(draft.ID), draft.Name))
	if err := b.May(ctx, who, action, subject); err != nil {
		return nil, "", err
	}
	if err := b.nameRunner(ctx, &draft); err != nil {
		return nil, "", err
	}
	stored, err := b.completeDraft(ctx, who, &draft)
	if err != nil {
		return nil, "", err
	}
	if results, err = b.validateWhereAssumed(ctx, &draft, how); err != nil {
		return nil, draft.ExternalID, err
	}
	b.RecordEvent(ctx, b.event(who, action, nil, nil, subject))
	if stored != nil {
		err = b.recordValidations(ctx, stored, unchanged(stored, &draft, results))
	}
	return results, draft.ExternalID, err
}

// unchanged returns the results for the roles that are the same in a draft and as stored.
func unchanged(
	stored, draft *rolebroker.Integration, results []rolebroker.RoleValidation,
) (same []rolebroker.RoleValidation) {
	for _, r := range results {
		role := stored.Role(string(r.Role.ID))
		if r.Role.ID != "" && role != nil && stored.Fingerprint(role) == draft.Fingerprint(&r.Role) {
			r.Role = *role
			same = append(same, r)
		}
	}
	return same
}

// completeDraft fills in the external IDs of a draft, and returns the integration whose next version it is; nil: it is
// the draft of a new one. Codes: not_found, invalid.
func (b *Broker) completeDraft(
	ctx context.Context, who rolebroker.Caller, draft *rolebroker.Integration,
) (*rolebroker.Integration, error) {
	if draft.ID == "" {
		if draft.SourceIdentityOpen {
			draft.SourceIdentity = false // as in validateBefore
		}
		return nil, b.assignExternalID(ctx, who, draft)
	}
	stored, err := b.store.Integration(ctx, string(draft.ID))
	if err != nil {
		return nil, err
	}
	externalID, err := b.nextVersionsExternalID(ctx, stored, draft.ExternalID)
	if err != nil {
		return nil, err
	}
	draft.ID, draft.ExternalID, draft.NextExternalID = stored.ID, externalID, stored.NextExternalID
	if draft.SourceIdentityOpen {
		draft.SourceIdentity = stored.SourceIdentity
	}
	return stored, nil
}

var errExternalID = invalid("the integration", "external_id",
	"is made by the server and cannot be chosen; leave it out")

// nextVersionsExternalID returns the external ID of the next version of an integration: the current one if the caller
// gave none, else the one that the caller gave, which must be the current one, or reserved and unused. Codes: invalid,
// conflict (a rotation is under way).
func (b *Broker) nextVersionsExternalID(
	ctx context.Context, old *rolebroker.Integration, given string,
) (string, error) {
	if given == "" || given == old.ExternalID {
		return old.ExternalID, nil
	}
	reserved, err := b.store.ReservationOf(ctx, given)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound || err == nil && reserved.Integration != "":
		return "", errExternalID
	case err != nil:
		return "", err
	case old.NextExternalID != "":
		return "", rotating(old)
	}
	return given, nil
}

// assignExternalID reserves an external ID for a new integration that has none. One that the caller gave must be
// reserved and unused. Codes: invalid.
func (b *Broker) assignExternalID(ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration) error {
	if in.ExternalID == "" {
		reserved, err := b.reserveExternalID(ctx, who)
		if err == nil {
			in.ExternalID = reserved.ExternalID
		}
		return err
	}
	reserved, err := b.store.ReservationOf(ctx, in.ExternalID)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound || err == nil && reserved.Integration != "" {
		return invalid("the integration", "external_id", "is not one that was reserved here, or it was used already")
	}
	return err
}

// validateNow tries the roles of an integration as it is given. Without how.Tell the caller waits for all outcomes, for
// validateTimeout and the wait at most. Codes: throttled.
func (b *Broker) validateNow(
	ctx context.Context, in *rolebroker.Integration, how Validating,
) ([]rolebroker.RoleValidation, error) {
	if !b.beginValidation(ctx, how.turn) {
		return nil, errTooManyValidations()
	}
	end := sync.OnceFunc(func() { <-b.validations })
	defer end()
	wait := b.wait(how)
	if how.Tell == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, validateTimeout+wait)
		defer cancel()
	}
	subject := validate.Subject{Integration: *in, Wait: &wait,
		RequireExternalID: how.RequireExternalID || b.requireExternalID}
	if in.ID != "" {
		var err error
		if subject.Earlier, err = b.store.EarlierExternalIDs(ctx, in.ID, validate.MaxEarlier); err != nil {
			return nil, err
		}
	}
	var err error
	if subject.Tried, err = b.tried(ctx, in); err != nil {
		return nil, err
	}
	if how.Tell == nil {
		return b.validator.Roles(ctx, subject, nil), nil
	}
	p := newProgress(how)
	results := b.validator.Roles(ctx, subject, p.report)
	end() // before the caller, who may be slow, has got all outcomes
	p.end()
	return results, nil
}

// tried is what a validation of an integration tries: denied roles in the names of agents, and the session policies of
// its connections. The agents are those of the integration or, if it has none, any others. A runner is told no others,
// unless they can borrow from another integration of it.
func (b *Broker) tried(ctx context.Context, in *rolebroker.Integration) (rolebroker.Tried, error) {
	if in.AssumptionMode == rolebroker.ModeCluster && in.Runner == "" {
		return rolebroker.Tried{}, nil
	}
	if in.ID != "" {
		agents, err := b.agentsOf(ctx, in.ID)
		if err != nil {
			return rolebroker.Tried{}, err
		}
		if len(agents) > 0 {
			policies, err := b.store.SessionPolicies(ctx, in.ID, validate.MaxPolicies, validate.MaxAgents)
			return rolebroker.Tried{Agents: agents, Connected: true, Policies: policies}, err
		}
	}
	if in.AssumptionMode != rolebroker.ModeCluster {
		agents, err := b.agentsOf(ctx, "")
		return rolebroker.Tried{Agents: agents}, err
	}
	others, err := b.store.IntegrationsOf(ctx, in.Runner)
	for i := range others {
		if agents, err := b.agentsOf(ctx, others[i].ID); err != nil || len(agents) > 0 {
			return rolebroker.Tried{Agents: agents}, err
		}
	}
	return rolebroker.Tried{}, err
}

// agentsOf are the names of some agents that are connected to an integration; empty: of any.
func (b *Broker) agentsOf(ctx context.Context, id rolebroker.IntegrationID) (names []string, err error) {
	agents, err := b.store.Agents(ctx, rolebroker.Page{Limit: validate.MaxAgents, Integration: string(id)})
	for _, agent := range agents {
		names = append(names, agent.Name)
	}
	return names, err
}

// beginValidation reports whether one more validation may run, now or within wait.
func (b *Broker) beginValidation(ctx context.Context, wait time.Duration) bool {
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

// recordValidations stores outcomes, also after ctx has ended, and notices roles that stopped or started to work. An
// unknown outcome does not replace a known one. A role that fails only because the caller required the external ID is
// stored with a warning, unless the server requires it too.
func (b *Broker) recordValidations(
	ctx context.Context, in *rolebroker.Integration, results []rolebroker.RoleValidation,
) error {
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
		notTried := r.Code == rolebroker.ValidNotChecked || r.Code == rolebroker.ValidClusterMode ||
			r.Code == rolebroker.ValidRunnerUnavailable
		if r.Status == rolebroker.StatusUnknown && (before != nil || notTried) {
			continue
		}
		r.Follow(before)
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

// noticeChange counts and logs that a role stopped or started to work.
func (b *Broker) noticeChange(ctx context.Context, in *rolebroker.Integration, r rolebroker.RoleValidation) {
	if r.Status.Works() {
		b.metrics.changes.Inc("working")
		b.log.InfoContext(ctx, "a role can be assumed again",
			"integration", in.Name, "role", r.Role.Name, "arn", r.Role.ARN)
		return
	}
	b.metrics.changes.Inc("failing")
	b.log.WarnContext(ctx, "a role can no longer be assumed",
		"integration", in.Name, "role", r.Role.Name, "arn", r.Role.ARN,
		"code", r.Code, "reason", r.Message, "aws_request_id", r.RequestID)
}

// Revalidate validates integrations in the background so that each is validated once per interval. It is called once
// per tick, and takes that share of the integrations, those of the longest ago first. Servers that share a database
// share the work.
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
	for range min(backgroundValidations, share) {
		group.Go(func() error { return b.revalidateDue(ctx, interval, left) })
	}
	err = group.Wait()
	if duration := b.now().Sub(begun); duration > tick && ctx.Err() == nil {
		b.log.WarnContext(ctx, "validating roles in the background takes longer than its interval allows; "+
			"raise --revalidate-every or --validation-rate",
			"took", duration, "allowed", tick, "integrations", share)
	}
	return err
}

// revalidateDue validates integrations that are due, one after the other, one for each element of left.
func (b *Broker) revalidateDue(ctx context.Context, interval time.Duration, left <-chan struct{}) error {
	for range left {
		now := b.now()
		claimed, err := b.store.ClaimIntegrations(ctx, now.Add(-interval), now, 1)
		if err != nil || len(claimed) == 0 {
			return err
		}
		if err := b.revalidate(ctx, claimed[0], interval); err != nil &&
			rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			return err
		}
	}
	return nil
}

// revalidate validates an integration that this server claimed. If a role stays unknown the integration is due again
// soon, on any server.
func (b *Broker) revalidate(ctx context.Context, id rolebroker.IntegrationID, interval time.Duration) error {
	complete := false
	defer func() {
		if !complete {
			b.unclaim(ctx, id, interval)
		}
	}()
	in, err := b.store.Integration(ctx, string(id))
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	results, err := b.tryInBackground(bounded, in)
	if err != nil {
		return err
	}
	isUnknown := func(r rolebroker.RoleValidation) bool { return r.Status == rolebroker.StatusUnknown }
	complete = !slices.ContainsFunc(results, isUnknown)
	return b.recordValidations(ctx, in, results)
}

// unclaim makes an integration due again after backgroundRetry.
func (b *Broker) unclaim(ctx context.Context, id rolebroker.IntegrationID, interval time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	validatedAt := b.now().Add(min(backgroundRetry, interval) - interval)
	if err := b.store.SetValidatedAt(ctx, id, validatedAt); err != nil {
		b.log.WarnContext(ctx, "giving back an integration that was not validated", "integration", id, "reason", err)
	}
}

// validateBefore validates an integration that is about to be saved. Codes: invalid (a role failed), unavailable (an
// outcome is unknown), throttled.
func (b *Broker) validateBefore(
	ctx context.Context, in *rolebroker.Integration, isNew bool, how Validating,
) ([]rolebroker.RoleValidation, error) {
	tried := *in
	if isNew {
		tried.ID = "" // so that no hint names an integration that does not exist
	}
	if tried.SourceIdentityOpen {
		tried.SourceIdentity = false // validation then finds out whether it can be on
	}
	results, err := b.validateNow(ctx, &tried, how)
	if err != nil {
		return nil, err
	}
	return results, allWork(results)
}

// allWork returns nil when every enabled role can be assumed: roles that do not work can be disabled. Codes: invalid,
// unavailable.
func allWork(all []rolebroker.RoleValidation) error {
	results := slices.DeleteFunc(slices.Clone(all), func(r rolebroker.RoleValidation) bool {
		return !r.Role.Enabled
	})
	failed := &rolebroker.Error{Code: rolebroker.CodeInvalid,
		Message: "not every role can be assumed; nothing was saved"}
	for _, r := range results {
		if r.Status == rolebroker.StatusFailed {
			failed.Fields = append(failed.Fields, rolebroker.Field{
				Path: fmt.Sprintf("roles[%d].%s", r.Index, r.Code.Field()), Message: r.Message, Hint: r.Hint})
		}
	}
	if len(failed.Fields) > 0 {
		return failed
	}
	for _, r := range results {
		if r.Status == rolebroker.StatusUnknown && r.Code != rolebroker.ValidClusterMode {
			return rolebroker.Errorf(rolebroker.CodeUnavailable,
				"whether role %s can be assumed could not be found out, and nothing was saved: %s",
				r.Role.Name, r.Message).
				WithHint("try again in a while, or save it without validation")
		}
	}
	return nil
}

// validateAfter validates an integration that was just saved. An error is logged: the integration stays saved.
func (b *Broker) validateAfter(ctx context.Context, in *rolebroker.Integration, how Validating) {
	how.turn = recordTimeout
	results, err := b.validateNow(ctx, in, how)
	if err == nil {
		err = b.recordValidations(ctx, in, results)
	}
	if err != nil {
		b.warn(ctx, "validating a saved integration", in, err)
	}
}

// warn logs that a validation went wrong whose integration is saved all the same.
func (b *Broker) warn(ctx context.Context, what string, in *rolebroker.Integration, err error) {
	b.log.WarnContext(ctx, what, "integration", in.Name, "reason", err, "cause", errors.Unwrap(err))
}
