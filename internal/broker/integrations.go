package broker

import (
	"context"
	"errors"

	"github.com/rolebroker/rolebroker"
)

// casAttempts is how often a change that shall win whatever is there is tried
// again when someone else's came between.
const casAttempts = 10

// Integration finds one by name or ID. Codes: denied, not_found.
func (b *Broker) Integration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Integration(ctx, nameOrID)
}

// Integrations lists by name. Codes: denied.
func (b *Broker) Integrations(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Integration, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Integrations(ctx, page)
}

// CreateIntegration stores a new integration and validates its roles, before
// or after that or not at all. in.ExternalID is one that ReserveExternalID gave,
// or empty for a new one, and in.Runner the name or ID of a runner; other IDs,
// times and version in in are ignored. Codes: denied, invalid, conflict,
// unavailable.
func (b *Broker) CreateIntegration(ctx context.Context, who rolebroker.Caller, in rolebroker.Integration, mode rolebroker.ValidateMode) (*rolebroker.Integration, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	now := b.now()
	in.ID, in.Version, in.CreatedAt, in.UpdatedAt, in.NextExternalID = rolebroker.NewIntegrationID(), 1, now, now, ""
	in.Roles = withIDs(in.Roles, nil)
	if err := b.checked(ctx, &in); err != nil {
		return nil, err
	}
	given := in.ExternalID
	if err := b.externalIDFor(ctx, who, &in); err != nil {
		return nil, err
	}
	save := func() error { return b.store.CreateIntegration(ctx, &in) }
	if err := b.saveValidated(ctx, &in, true, mode, save); err != nil {
		return nil, keepExternalID(err, given, in.ExternalID)
	}
	b.audit(ctx, who, "integration created", in.Name)
	return b.saved(ctx, in.ID, mode)
}

// keepExternalID adds to a refusal because of roles, which have to ask for the
// external ID that was made for the integration, how to try again with that one.
func keepExternalID(err error, given, made string) error {
	e := rolebroker.AsError(err)
	if given != "" || e.Code != rolebroker.CodeInvalid && e.Code != rolebroker.CodeUnavailable || e.Hint != "" && e.Code == rolebroker.CodeInvalid {
		return err
	}
	return e.WithHint("%s is kept as its external ID: try again with --external-id %[1]s (external_id)", made)
}

// saveValidated saves an integration, if it has to be only once every role of
// it can be assumed.
func (b *Broker) saveValidated(ctx context.Context, in *rolebroker.Integration, isNew bool, mode rolebroker.ValidateMode, save func() error) error {
	if mode != rolebroker.ValidateRequire {
		return save()
	}
	results, err := b.validateBefore(ctx, in, isNew)
	if err != nil {
		return err
	}
	if err := save(); err != nil {
		return err
	}
	if err := b.recordValidations(ctx, in, results); err != nil {
		b.log.WarnContext(ctx, "recording a validation", "integration", in.Name, "reason", err, "cause", errors.Unwrap(err))
	}
	return nil
}

// saved is an integration that was saved just now, validated if nothing has to
// be assumable and somebody wants to know.
func (b *Broker) saved(ctx context.Context, id rolebroker.IntegrationID, mode rolebroker.ValidateMode) (*rolebroker.Integration, error) {
	in, err := b.store.Integration(ctx, string(id))
	if err != nil || mode != rolebroker.ValidateWarn {
		return in, err
	}
	b.validateAfter(context.WithoutCancel(ctx), in) // whoever pressed the button twice has ended the first request
	return b.store.Integration(context.WithoutCancel(ctx), string(id))
}

// UpdateIntegration replaces what a person says of an integration. ifVersion
// is the version it must still have; 0 wins over whatever is there.
// in.ExternalID may be empty or must be what it is, and in.Runner is a name or
// an ID. A role keeps its ID, and
// with it its sessions, when its ID or else its name is given again. Roles are
// validated as in CreateIntegration. Codes: denied, not_found, invalid,
// conflict, stale, unavailable.
func (b *Broker) UpdateIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, in rolebroker.Integration, ifVersion int64, mode rolebroker.ValidateMode) (*rolebroker.Integration, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	id, err := retryStale(ifVersion, func() (rolebroker.IntegrationID, error) {
		old, err := b.store.Integration(ctx, nameOrID)
		if err != nil {
			return "", err
		}
		updated, err := b.replaced(ctx, old, in)
		if err != nil {
			return "", err
		}
		if mode == rolebroker.ValidateRequire && ifVersion == 0 {
			ifVersion = old.Version // what was validated is what is replaced, or nothing is: it takes too long to begin again
		}
		return old.ID, b.saveValidated(ctx, updated, false, mode, func() error {
			return b.store.UpdateIntegration(ctx, updated, expected(ifVersion, old.Version))
		})
	})
	if err != nil {
		return nil, err
	}
	b.audit(ctx, who, "integration updated", in.Name)
	return b.saved(ctx, id, mode)
}

// replaced is old with what in says of it.
func (b *Broker) replaced(ctx context.Context, old *rolebroker.Integration, in rolebroker.Integration) (*rolebroker.Integration, error) {
	if in.ExternalID != "" && in.ExternalID != old.ExternalID {
		return nil, errExternalID
	}
	in.ID, in.ExternalID, in.NextExternalID, in.CreatedAt = old.ID, old.ExternalID, old.NextExternalID, old.CreatedAt
	in.Version, in.UpdatedAt = old.Version+1, b.now()
	in.Roles = withIDs(in.Roles, old)
	return &in, b.checked(ctx, &in)
}

// checked is what is wrong with an integration as it is to be saved. Its Runner
// may be a name, which becomes the ID.
func (b *Broker) checked(ctx context.Context, in *rolebroker.Integration) error {
	if err := in.Check(); err != nil {
		return err
	}
	return b.nameRunner(ctx, in)
}

// withIDs gives each role the ID it has in old, by ID or else by name, or a new one.
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

// DeleteIntegration removes an integration with its roles and connections.
// Codes: denied, not_found, stale.
func (b *Broker) DeleteIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return err
	}
	if err := b.store.DeleteIntegration(ctx, in.ID, ifVersion); err != nil {
		return err
	}
	b.audit(ctx, who, "integration deleted", in.Name)
	return nil
}

// expected is the version a change is made to.
func expected(ifVersion, current int64) int64 {
	if ifVersion == 0 {
		return current
	}
	return ifVersion
}

// retryStale tries change again while someone else's comes between, unless
// the caller insists on a version.
func retryStale[T any](ifVersion int64, change func() (T, error)) (result T, err error) {
	for range casAttempts {
		result, err = change()
		if ifVersion != 0 || rolebroker.CodeOf(err) != rolebroker.CodeStale {
			return result, err
		}
	}
	return result, err
}

// audit logs that someone changed something.
func (b *Broker) audit(ctx context.Context, who rolebroker.Caller, what, name string) {
	b.log.InfoContext(ctx, what, "name", name, "by", who.Name, "api_key", who.APIKey)
}
