package rest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// setups are the methods of the broker for the steps to take in AWS.
type setups interface {
	Setup(ctx context.Context, who rolebroker.Caller, nameOrID string, req rolebroker.SetupRequest) (
		*rolebroker.Setup, error)
	SetupDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, req rolebroker.SetupRequest) (
		*rolebroker.Setup, error)
	RotateExternalID(ctx context.Context, who rolebroker.Caller, nameOrID string, step broker.RotationStep,
		force bool) (*rolebroker.Integration, error)
}

type (
	getSetup struct {
		InIntegration
		api.SetupRequest // the fields that can be parameters
	}
	mergeSetup struct {
		InIntegration
		Body body[api.SetupRequest]
	}
	draftSetup struct {
		Body body[api.SetupDraft]
	}
	rotateExternalID struct {
		InIntegration
		Body body[api.Rotation]
	}
	setupAnswer struct {
		Body api.Setup
	}
)

func (s *server) getSetup(ctx context.Context, who rolebroker.Caller, in *getSetup) (*setupAnswer, error) {
	answer, err := s.setup(ctx, who, in.Integration, convert.FromSetupRequest(in.SetupRequest))
	return answer, placed(err, problem.Parameter)
}

func (s *server) mergeSetup(ctx context.Context, who rolebroker.Caller, in *mergeSetup) (*setupAnswer, error) {
	return s.setup(ctx, who, in.Integration, convert.FromSetupRequest(in.Body.value))
}

func (s *server) setup(ctx context.Context, who rolebroker.Caller, nameOrID string, req rolebroker.SetupRequest) (
	*setupAnswer, error) {
	made, err := s.Broker.Setup(ctx, who, nameOrID, req)
	if err != nil {
		return nil, err
	}
	return &setupAnswer{convert.Setup(made)}, nil
}

func (s *server) draftSetup(ctx context.Context, who rolebroker.Caller, in *draftSetup) (*setupAnswer, error) {
	draft, wrong := convert.FromRequest(in.Body.value.Integration)
	wrong = append(wrong, wrongMode(draft)...)
	if len(wrong) > 0 {
		return nil, placed(&rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid",
			Fields: wrong}, inIntegration)
	}
	made, err := s.Broker.SetupDraft(ctx, who, draft, convert.FromSetupRequest(in.Body.value.Setup))
	if err != nil {
		return nil, placed(err, inDraft)
	}
	return &setupAnswer{convert.Setup(made)}, nil
}

func inIntegration(path string) string { return "integration." + path }

// inDraft is the path in a request of a field that the broker names: of the
// draft, or of the setup request.
func inDraft(path string) string {
	if path == "name" || path == "external_id" || strings.HasPrefix(path, "roles[") {
		return inIntegration(path)
	}
	return "setup." + path
}

// placed is err with the paths of its fields in the request.
func placed(err error, where func(path string) string) error {
	var e *rolebroker.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	moved := *e
	moved.Fields = slices.Clone(e.Fields)
	for i := range moved.Fields {
		moved.Fields[i].Path = where(moved.Fields[i].Path)
	}
	return &moved
}

func (s *server) rotateExternalID(ctx context.Context, who rolebroker.Caller, in *rotateExternalID) (
	*changed[api.Integration], error) {
	rotated, err := s.Broker.RotateExternalID(ctx, who, in.Integration,
		broker.RotationStep(in.Body.value.Step), in.Body.value.Force)
	return s.integrations().changed(s.withHints(ctx, who, rotated, err))
}
