package rest

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// integrations are the methods of the broker for integrations.
type integrations interface {
	Integration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	Integrations(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Integration, error)
	AddHints(ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration, roles ...rolebroker.RoleID) error
	CreateIntegration(ctx context.Context, who rolebroker.Caller, in rolebroker.Integration,
		how rolebroker.Saving) (*rolebroker.Integration, error)
	UpdateIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, in rolebroker.Integration,
		ifVersion int64, how rolebroker.Saving) (*rolebroker.Integration, error)
	DeleteIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	DeleteIntegrationButExternalID(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
}

// InIntegration is the path of one integration.
type InIntegration struct {
	Integration string `path:"integration" doc:"The integration's name or ID." example:"production"`
}

type (
	listIntegrations struct {
		Paging
		Search
	}
	getIntegration struct {
		InIntegration
		IfNoneMatch
	}
	createIntegration struct {
		Validate
		Body body[api.IntegrationRequest]
	}
	updateIntegration struct {
		InIntegration
		IfMatch
		Validate
		Body body[api.IntegrationRequest]
	}
	deleteIntegration struct {
		InIntegration
		IfMatch
		KeepExternalID bool `query:"keep_external_id" doc:"The external ID is reserved again, so that one more integration can be created with it, for the same roles. Otherwise no integration gets it again."`
	}
)

func (s *server) integrations() resource[rolebroker.Integration, api.Integration] {
	return resource[rolebroker.Integration, api.Integration]{"/api/v1/integrations", s.Broker.Integration,
		func(in *rolebroker.Integration) string { return string(in.ID) }, convert.Integration}
}

// withHints adds to an integration the hints that answers have, unless err is an error.
func (s *server) withHints(ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration, err error) (
	*rolebroker.Integration, error) {
	if err != nil {
		return nil, err
	}
	return in, s.Broker.AddHints(ctx, who, in)
}

func (s *server) listIntegrations(ctx context.Context, who rolebroker.Caller, in *listIntegrations) (
	*listAnswer[api.Integration], error) {
	order := byName(func(in *rolebroker.Integration) string { return in.Name })
	return list(in.Paging, order, convert.Integration, func(page rolebroker.Page) ([]rolebroker.Integration, error) {
		page.Search = in.Search.Search
		all, err := s.Broker.Integrations(ctx, who, page)
		for i := 0; i < len(all) && err == nil; i++ {
			err = s.Broker.AddHints(ctx, who, &all[i])
		}
		return all, err
	})
}

func (s *server) getIntegration(ctx context.Context, who rolebroker.Caller, in *getIntegration) (
	*found[api.Integration], error) {
	answered := s.integrations()
	answered.read = func(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error) {
		found, err := s.Broker.Integration(ctx, who, nameOrID)
		return s.withHints(ctx, who, found, err)
	}
	return answered.get(ctx, who, in.Integration, in.IfNoneMatch)
}

func (s *server) createIntegration(ctx context.Context, who rolebroker.Caller, in *createIntegration) (
	*created[api.Integration], error) {
	noun, wrong := convert.FromRequest(in.Body.value)
	wrong = append(wrong, refuseIDs(in.Body.value)...)
	if err := withCheck(wrong, "the integration", noun.Check); err != nil {
		return nil, err
	}
	stored, err := s.Broker.CreateIntegration(ctx, who, noun, in.saving())
	return s.integrations().created(s.withHints(ctx, who, stored, err))
}

func (s *server) updateIntegration(ctx context.Context, who rolebroker.Caller, in *updateIntegration) (
	*changed[api.Integration], error) {
	return s.integrations().update(ctx, who, in.Integration, in.IfMatch,
		func(target string, version int64) (*rolebroker.Integration, error) {
			noun, wrong := convert.FromRequest(in.Body.value)
			if hasIDs(in.Body.value) {
				stored, err := s.Broker.Integration(ctx, who, target)
				if err != nil {
					return nil, err
				}
				wrong = append(wrong, checkIDs(in.Body.value, stored)...)
				target = string(stored.ID)
			}
			if err := withCheck(wrong, "the integration", noun.Check); err != nil {
				return nil, err
			}
			updated, err := s.Broker.UpdateIntegration(ctx, who, target, noun, version, in.saving())
			return s.withHints(ctx, who, updated, err)
		})
}

func (s *server) deleteIntegration(ctx context.Context, who rolebroker.Caller, in *deleteIntegration) (
	*struct{}, error) {
	remove := s.Broker.DeleteIntegration
	if in.KeepExternalID {
		remove = s.Broker.DeleteIntegrationButExternalID
	}
	return s.integrations().remove(ctx, who, in.Integration, in.IfMatch, remove)
}

// hasIDs says whether a request has IDs, which only the server makes.
func hasIDs(req api.IntegrationRequest) bool {
	return req.ID != "" || slices.ContainsFunc(req.Roles, func(r api.RoleRequest) bool { return r.ID != "" })
}

// refuseIDs refuses all IDs in a request that creates.
func refuseIDs(req api.IntegrationRequest) (wrong []rolebroker.Field) {
	if req.ID != "" {
		wrong = append(wrong, madeByServer("id"))
	}
	for i, role := range req.Roles {
		if role.ID != "" {
			wrong = append(wrong, madeByServer(convert.RolePath(i, "id")))
		}
	}
	return wrong
}

// checkIDs refuses the IDs that are not stored.
func checkIDs(req api.IntegrationRequest, stored *rolebroker.Integration) (wrong []rolebroker.Field) {
	if req.ID != "" {
		wrong = sameID(req.ID, string(stored.ID))
	}
	first := map[string]int{}
	for _, role := range stored.Roles {
		first[string(role.ID)] = -1
	}
	for i, role := range req.Roles {
		switch at, ok := first[role.ID]; {
		case role.ID == "":
		case !ok:
			wrong = append(wrong, rolebroker.Field{Path: convert.RolePath(i, "id"),
				Message: rolebroker.Quote(role.ID) +
					" is not a role of this integration; leave the ID of a new role out"})
		case at >= 0:
			wrong = append(wrong, rolebroker.Field{Path: convert.RolePath(i, "id"),
				Message: "is the ID of roles[" + strconv.Itoa(at) + "] already"})
		default:
			first[role.ID] = i
		}
	}
	return wrong
}

// madeByServer refuses an ID in a request that creates.
func madeByServer(path string) rolebroker.Field {
	return rolebroker.Field{Path: path, Message: "is made by the server; leave it out when creating"}
}

// sameID refuses an ID that is not the stored one.
func sameID(given, stored string) []rolebroker.Field {
	if given == stored {
		return nil
	}
	return []rolebroker.Field{{Path: "id", Message: "is " + stored + " and never changes; leave it out or repeat it"}}
}

// withCheck is an error for the fields in wrong and those that check reports, so
// that a person sees all of them at once. It is nil if wrong is empty, whatever
// check reports: the broker checks too.
func withCheck(wrong []rolebroker.Field, what string, check func() error) error {
	if len(wrong) == 0 {
		return nil
	}
	said := map[string]bool{}
	for _, f := range wrong {
		said[f.Path] = true
	}
	var e *rolebroker.Error
	if errors.As(check(), &e) {
		for _, f := range e.Fields {
			if !said[f.Path] {
				said[f.Path] = true
				wrong = append(wrong, f)
			}
		}
	}
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: what + " is not valid", Fields: wrong}
}
