package broker

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// Integration finds an integration by name or ID. The validations of its roles have no hints, in whatever way they are
// read: AddHints adds them. Codes: denied, not_found.
func (b *Broker) Integration(
	ctx context.Context, who rolebroker.Caller, nameOrID string,
) (*rolebroker.Integration, error) {
	return b.integrationFor(ctx, who, rolebroker.ActionIntegrationGet, nameOrID)
}

// AddHints adds to the validations of these roles of an integration their hints, which are long; no roles: of all. A
// validation that is newer than that of the role takes its place. Codes: denied.
func (b *Broker) AddHints(
	ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration, roles ...rolebroker.RoleID,
) error {
	if err := b.May(ctx, who, rolebroker.ActionIntegrationGet, in.Subject()); err != nil {
		return err
	}
	return b.store.AddHints(ctx, in, roles...)
}

// IntegrationOfRole finds the integration that has a role, by the ID of the role. Codes: denied, not_found.
func (b *Broker) IntegrationOfRole(
	ctx context.Context, who rolebroker.Caller, id rolebroker.RoleID,
) (*rolebroker.Integration, error) {
	role := rolebroker.Named(rolebroker.KindRole, string(id))
	if err := b.May(ctx, who, rolebroker.ActionIntegrationGet, role); err != nil {
		return nil, err
	}
	return b.integrationOfRole(ctx, id)
}

func (b *Broker) integrationOfRole(ctx context.Context, id rolebroker.RoleID) (*rolebroker.Integration, error) {
	named, err := b.store.RolesNamed(ctx, string(id))
	if err != nil {
		return nil, err
	}
	for _, role := range named {
		if role.Role == id { // and not a role with that name
			return b.store.Integration(ctx, string(role.Integration))
		}
	}
	return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no role %q", string(id))
}

// integrationFor permits an action that concerns an integration, and finds the integration. Codes: denied, not_found.
func (b *Broker) integrationFor(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, nameOrID string,
) (*rolebroker.Integration, error) {
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindIntegration, nameOrID)); err != nil {
		return nil, err
	}
	return b.store.Integration(ctx, nameOrID)
}

// Integrations lists integrations by name. Codes: denied.
func (b *Broker) Integrations(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.Integration, error) {
	if err := b.May(ctx, who, rolebroker.ActionIntegrationList); err != nil {
		return nil, err
	}
	return b.store.Integrations(ctx, page)
}

// CreateIntegration stores a new integration. how says whether its roles are validated first, afterwards or not at all. in.ExternalID is one that ReserveExternalID made, or empty for a new one; in.Runner is the name or ID of a
// runner. Other IDs, the times and the version in in are ignored. If in.SourceIdentityOpen, roles are validated first
// in the mode warn too. Codes: denied, invalid, conflict, unavailable.
func (b *Broker) CreateIntegration(
	ctx context.Context, who rolebroker.Caller, in rolebroker.Integration, how rolebroker.Saving,
) (*rolebroker.Integration, error) {
	const action = rolebroker.ActionIntegrationCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindIntegration, in.Name)); err != nil {
		return nil, err
	}
	now := b.now()
	in.ID, in.Version, in.CreatedAt, in.UpdatedAt = rolebroker.NewIntegrationID(), 1, now, now
	in.NextExternalID, in.SourceIdentity = "", in.SourceIdentity || in.SourceIdentityOpen
	in.Roles = withIDs(in.Roles, nil)
	if err := b.check(ctx, &in); err != nil {
		return nil, err
	}
	how.Validate = saveMode(&in, how.Validate)
	given := in.ExternalID
	if err := b.assignExternalID(ctx, who, &in); err != nil {
		return nil, err
	}
	platform := in.AssumptionMode == rolebroker.ModePlatform
	if how.Validate == rolebroker.ValidateWarn && in.SourceIdentityOpen && platform {
		ctx, how.Validate = uncanceled(ctx), validateFirst
	}
	event := b.event(who, action, nil, in.Facts(), in.Subject())
	save := func() error { return b.store.CreateIntegration(ctx, &in, event) }
	if err := b.saveValidated(ctx, &in, true, how, save); err != nil {
		return nil, keepExternalID(err, given, in.ExternalID)
	}
	b.logEvent(ctx, &event)
	return b.saved(ctx, in.ID, how)
}

// keepExternalID adds a hint to a refusal because of roles: the external ID that was made for the integration is
// reserved, so that roles can be made to require it before the next attempt.
func keepExternalID(err error, given, made string) error {
	e := rolebroker.AsError(err)
	aboutRoles := e.Code == rolebroker.CodeInvalid && len(e.Hint) == 0 || e.Code == rolebroker.CodeUnavailable
	if given != "" || !aboutRoles {
		return err
	}
	return e.WithHint("%s is kept as its external ID: try again with --external-id %[1]s (external_id)", made)
}

// saveMode returns the mode in which an integration is saved. Nothing is required of a disabled one, and disabling it
// does not wait for a validation.
func saveMode(in *rolebroker.Integration, mode rolebroker.ValidateMode) rolebroker.ValidateMode {
	if mode == rolebroker.ValidateRequire && !in.Enabled {
		return rolebroker.ValidateWarn
	}
	return mode
}

// validateFirst is the mode warn, but roles are validated before the integration is saved.
const validateFirst rolebroker.ValidateMode = "first"

// saveValidated calls save. In the mode require it validates the roles first, and does not save an integration with
// an enabled role that cannot be assumed. What validation finds decides an open source identity.
func (b *Broker) saveValidated(
	ctx context.Context, in *rolebroker.Integration, isNew bool, how rolebroker.Saving, save func() error,
) error {
	if how.Validate != rolebroker.ValidateRequire && how.Validate != validateFirst {
		return save()
	}
	trying := b.validatingFor(how)
	if how.Validate == validateFirst {
		trying.turn = recordTimeout
	}
	results, err := b.validateBefore(ctx, in, isNew, trying)
	switch {
	case how.Validate == rolebroker.ValidateRequire && err != nil:
		return err
	case results == nil && err != nil:
		b.warn(ctx, "validating an integration that is to be saved", in, err)
	}
	decideSourceIdentity(in, results)
	if err := save(); err != nil {
		return err
	}
	if err := b.recordValidations(ctx, in, b.explained(in, results)); err != nil {
		b.warn(ctx, "recording a validation", in, err)
	}
	return nil
}

// decideSourceIdentity turns an open source identity off if a role works only without it.
func decideSourceIdentity(in *rolebroker.Integration, results []rolebroker.RoleValidation) {
	for _, r := range results {
		if in.SourceIdentityOpen && r.Finding.NoSourceIdentity {
			in.SourceIdentity = false
		}
	}
}

// explained puts what was found about a draft in words again, now that commands can name the integration.
func (b *Broker) explained(
	in *rolebroker.Integration, results []rolebroker.RoleValidation,
) (again []rolebroker.RoleValidation) {
	tried := validate.Subject{Integration: *in, RequireExternalID: b.requireExternalID}
	for _, r := range results {
		again = append(again, validate.Explain(tried, rolebroker.Party{}, r.Index, r.Finding))
	}
	return again
}

// saved reads an integration that was just saved. In the mode warn it validates the roles before.
func (b *Broker) saved(
	ctx context.Context, id rolebroker.IntegrationID, how rolebroker.Saving,
) (*rolebroker.Integration, error) {
	in, err := b.store.Integration(ctx, string(id))
	if err != nil || how.Validate != rolebroker.ValidateWarn {
		return in, err
	}
	ctx = uncanceled(ctx)
	b.validateAfter(ctx, in, b.validatingFor(how))
	return b.store.Integration(ctx, string(id))
}

// uncanceled returns ctx for a validation that goes on after its request was canceled: a person who presses the button
// twice cancels the first request.
func uncanceled(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// UpdateIntegration replaces what a person set of an integration. ifVersion is the version that the caller read; 0
// replaces any version. in.ExternalID is empty, the current one, or one that ReserveExternalID made and nothing has
// used, which takes its place at once; in.Runner is a name or an ID. A role keeps its ID, and so its sessions, when its
// ID is given again, or else its name. Roles are validated as in CreateIntegration.
// Codes: denied, not_found, invalid, conflict, stale, unavailable.
func (b *Broker) UpdateIntegration(
	ctx context.Context, who rolebroker.Caller, nameOrID string, in rolebroker.Integration, ifVersion int64,
	how rolebroker.Saving,
) (*rolebroker.Integration, error) {
	const action = rolebroker.ActionIntegrationUpdate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindIntegration, nameOrID)); err != nil {
		return nil, err
	}
	if how.Validate == rolebroker.ValidateRequire && ifVersion == 0 {
		current, err := b.store.Integration(ctx, nameOrID)
		if err != nil {
			return nil, err
		}
		ifVersion = current.Version // validating takes too long to be repeated after another update
	}
	var old, updated *rolebroker.Integration
	var event rolebroker.AuditEvent
	err := retryStale(ifVersion, func() (err error) {
		if old, err = b.store.Integration(ctx, nameOrID); err != nil {
			return err
		}
		if updated, err = b.replaced(ctx, old, in); err != nil {
			return err
		}
		after := updated.Facts()
		if updated.ExternalID != old.ExternalID {
			after["external_id"] = "replaced by another reserved one"
		}
		event = b.event(who, action, old.Facts(), after, updated.Subject())
		how.Validate = saveMode(updated, how.Validate)
		return b.saveValidated(ctx, updated, false, how, func() error {
			return b.store.UpdateIntegration(ctx, updated, expected(ifVersion, old.Version), event)
		})
	})
	if err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return b.saved(ctx, old.ID, how)
}

// DisableIntegration stops lending the roles of an integration. Credentials that were lent stay valid until they
// expire. Codes: denied, not_found.
func (b *Broker) DisableIntegration(
	ctx context.Context, who rolebroker.Caller, nameOrID string,
) (*rolebroker.Integration, error) {
	return b.setEnabled(ctx, who, rolebroker.ActionIntegrationDisable, nameOrID, false)
}

// EnableIntegration lends the roles of an integration again. Codes: denied, not_found.
func (b *Broker) EnableIntegration(
	ctx context.Context, who rolebroker.Caller, nameOrID string,
) (*rolebroker.Integration, error) {
	return b.setEnabled(ctx, who, rolebroker.ActionIntegrationEnable, nameOrID, true)
}

// setEnabled enables or disables the current version of an integration, and leaves the rest as it is.
func (b *Broker) setEnabled(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, nameOrID string, enabled bool,
) (*rolebroker.Integration, error) {
	var before *rolebroker.Integration
	var after rolebroker.Integration
	var event rolebroker.AuditEvent
	err := retryStale(0, func() (err error) {
		before, err = b.integrationFor(ctx, who, action, nameOrID)
		if err != nil || before.Enabled == enabled {
			return err
		}
		after = *before
		after.Enabled, after.Version, after.UpdatedAt = enabled, before.Version+1, b.now()
		event = b.event(who, action, before.Facts(), after.Facts(), after.Subject())
		return b.store.UpdateIntegration(ctx, &after, before.Version, event)
	})
	if err != nil || before.Enabled == enabled {
		return before, err
	}
	b.logEvent(ctx, &event)
	return b.store.Integration(ctx, string(before.ID))
}

// replaced returns the integration old with what in sets.
func (b *Broker) replaced(
	ctx context.Context, old *rolebroker.Integration, in rolebroker.Integration,
) (*rolebroker.Integration, error) {
	externalID, err := b.nextVersionsExternalID(ctx, old, in.ExternalID)
	if err != nil {
		return nil, err
	}
	if in.SourceIdentityOpen {
		in.SourceIdentity, in.SourceIdentityOpen = old.SourceIdentity, false
	}
	if in.EnabledOpen {
		in.Enabled, in.EnabledOpen = old.Enabled, false
	}
	in.ID, in.ExternalID, in.NextExternalID, in.CreatedAt = old.ID, externalID, old.NextExternalID, old.CreatedAt
	in.Version, in.UpdatedAt = old.Version+1, b.now()
	in.Roles = withIDs(in.Roles, old)
	return &in, b.check(ctx, &in)
}

// check checks an integration that is to be saved, and replaces the name of its runner by the ID. Codes: invalid.
func (b *Broker) check(ctx context.Context, in *rolebroker.Integration) error {
	if err := in.Check(); err != nil {
		return err
	}
	return b.nameRunner(ctx, in)
}

// withIDs gives each role an ID: the one it has in old, by its ID or else by its name, or a new one.
func withIDs(roles []rolebroker.Role, old *rolebroker.Integration) []rolebroker.Role {
	given := make([]rolebroker.Role, len(roles))
	taken := map[rolebroker.RoleID]bool{}
	known := func(nameOrID string) rolebroker.RoleID {
		if old == nil || nameOrID == "" {
			return ""
		}
		if role := old.Role(nameOrID); role != nil && !taken[role.ID] {
			return role.ID
		}
		return ""
	}
	for i, role := range roles {
		id := known(string(role.ID))
		given[i], given[i].ID = role, id
		taken[id] = id != ""
	}
	for i := range given {
		if given[i].ID == "" {
			given[i].ID = known(given[i].Name)
		}
		if given[i].ID == "" {
			given[i].ID = rolebroker.NewRoleID()
		}
		taken[given[i].ID] = true
	}
	return given
}

// DeleteIntegration removes an integration with its roles and connections. Its external ID cannot be used again. Codes:
// denied, not_found, stale.
func (b *Broker) DeleteIntegration(
	ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64,
) error {
	return b.deleteIntegration(ctx, who, nameOrID, ifVersion, b.store.DeleteIntegration)
}

// DeleteIntegrationButExternalID is DeleteIntegration, except that the external ID is reserved again: one more
// integration can be created with it, for the same roles.
func (b *Broker) DeleteIntegrationButExternalID(
	ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64,
) error {
	return b.deleteIntegration(ctx, who, nameOrID, ifVersion, b.store.DeleteIntegrationButExternalID)
}

func (b *Broker) deleteIntegration(
	ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64,
	remove func(context.Context, rolebroker.IntegrationID, int64, rolebroker.AuditEvent) error,
) error {
	const action = rolebroker.ActionIntegrationDelete
	in, err := b.integrationFor(ctx, who, action, nameOrID)
	if err != nil {
		return err
	}
	event := b.event(who, action, in.Facts(), nil, in.Subject())
	if err := remove(ctx, in.ID, ifVersion, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}
