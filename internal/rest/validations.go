package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// validations are the methods of the broker that try to assume roles.
type validations interface {
	ValidateIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, how broker.Validating) (
		[]rolebroker.RoleValidation, error)
	ValidateDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, how broker.Validating) (
		results []rolebroker.RoleValidation, externalID string, err error)
}

// Validate says how creating and updating an integration validate its roles.
type Validate struct {
	Validate string `query:"validate" enum:"require,warn,skip" default:"warn" doc:"require: save only if every role can be assumed. warn: save, and answer with the outcomes. skip: do not validate."`
	Wait     Wait   `query:"wait" doc:"How long a role that AWS denies is tried again: IAM takes some seconds to spread a new role or a change. A duration from 0s to 5m, as in 30s. By default 3s, and with validate=require as long as the server's --validation-retry, 30s. The request takes that much longer; proxies may close it."`
}

func (v Validate) saving() rolebroker.Saving {
	return rolebroker.Saving{Validate: rolebroker.ValidateMode(v.Validate), Wait: v.Wait.given}
}

// Wait is how long a denied role is tried again; the zero value leaves it to the
// server.
type Wait struct{ given *time.Duration }

// UnmarshalText reads a duration.
func (w *Wait) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 || d > rolebroker.MaxWait {
		return fmt.Errorf("is not a duration from 0s to %s, as in 30s", rolebroker.ShortDuration(rolebroker.MaxWait))
	}
	w.given = &d
	return nil
}

// Schema describes the parameter.
func (Wait) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Examples: []any{"30s"}}
}

// HowToValidate are the parameters of a validation.
type HowToValidate struct {
	RequireExternalID bool   `query:"require_external_id" doc:"A role that can be assumed without the external ID fails, instead of getting a warning. A setting of the server can require this for all validations."`
	Wait              Wait   `query:"wait" doc:"How long a role that AWS denies is tried again: IAM takes some seconds to spread a new role or a change. A duration from 0s to 5m, as in 2m; by default as long as the server's --validation-retry, 30s."`
	Accept            string `header:"Accept" doc:"application/x-ndjson: the answer has a line for each outcome, as soon as it is known."`
}

func (h HowToValidate) validating() broker.Validating {
	return broker.Validating{RequireExternalID: h.RequireExternalID, Wait: h.Wait.given}
}

type (
	validateIntegration struct {
		InIntegration
		HowToValidate
	}
	validateDraft struct {
		HowToValidate
		Body body[api.IntegrationRequest]
	}
)

// validated answers the outcomes, all at once or one by one.
type validated struct {
	ContentType string `header:"Content-Type"`
	Body        func(huma.Context)
}

// stream is act for operations that answer line by line.
func stream[I any](c collection, path, id string, h handler[I, validated]) {
	op := operation[I](c, http.MethodPost, path, id, http.StatusOK)
	of := func(t reflect.Type) *huma.Schema { return c.api.OpenAPI().Components.Schemas.Schema(t, true, "") }
	op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		"application/json":  {Schema: of(reflect.TypeFor[api.Validations]())},
		api.ValidationsType: {Schema: of(reflect.TypeFor[api.ValidationLine]())},
	}}
	register(c, op, h)
}

func (s *server) validateIntegration(ctx context.Context, who rolebroker.Caller, in *validateIntegration) (
	*validated, error) {
	return s.validate(ctx, in.HowToValidate, func(how broker.Validating) (api.Validations, error) {
		results, err := s.Broker.ValidateIntegration(ctx, who, in.Integration, how)
		return convert.Validations(results, ""), err
	})
}

func (s *server) validateDraft(ctx context.Context, who rolebroker.Caller, in *validateDraft) (*validated, error) {
	draft, wrong := convert.FromRequest(in.Body.value)
	draft.ID = rolebroker.IntegrationID(in.Body.value.ID)
	if mode := wrongMode(draft); len(mode) > 0 {
		return nil, &rolebroker.Error{Code: rolebroker.CodeInvalid,
			Message: "the integration is not valid", Fields: mode}
	}
	bad := wrongRoles(wrong)
	return s.validate(ctx, in.HowToValidate, func(how broker.Validating) (api.Validations, error) {
		if tell := how.Tell; tell != nil {
			how.Tell = func(r rolebroker.RoleValidation) { tell(withProblem(r, bad)) }
		}
		results, externalID, err := s.Broker.ValidateDraft(ctx, who, draft, how)
		for i, r := range results {
			results[i] = withProblem(r, bad)
		}
		return convert.Validations(results, externalID), err
	})
}

// wrongMode lists what is wrong with the assumption mode and the runner of a draft.
func wrongMode(draft rolebroker.Integration) (wrong []rolebroker.Field) {
	var e *rolebroker.Error
	if errors.As(draft.Check(), &e) {
		wrong = slices.DeleteFunc(e.Fields, func(f rolebroker.Field) bool {
			return f.Path != "assumption_mode" && f.Path != "runner"
		})
	}
	return wrong
}

// wrongRoles maps a role, as in roles[2], to the field of it that cannot be parsed;
// of several it prefers the ARN.
func wrongRoles(wrong []rolebroker.Field) map[string]rolebroker.Field {
	bad := map[string]rolebroker.Field{}
	for _, f := range wrong {
		role, field, _ := strings.Cut(f.Path, ".")
		if _, ok := bad[role]; !ok || field == "arn" {
			bad[role] = f
		}
	}
	return bad
}

// withProblem turns the outcome of a role that cannot be parsed into a failure.
func withProblem(r rolebroker.RoleValidation, bad map[string]rolebroker.Field) rolebroker.RoleValidation {
	role, _, _ := strings.Cut(convert.RolePath(r.Index, ""), ".")
	f, ok := bad[role]
	if !ok {
		return r
	}
	r.Validation = rolebroker.Validation{Status: rolebroker.StatusFailed, Code: rolebroker.ValidARNInvalid,
		Message: "the ARN " + f.Message, Hint: rolebroker.Hintf("correct it, and validate again"),
		CheckedAt: r.CheckedAt}
	if strings.HasSuffix(f.Path, ".session_duration") {
		r.Code, r.Message = rolebroker.ValidDurationInvalid, "the session duration "+f.Message
	}
	return r
}

// validate runs a validation. An error before the first outcome becomes a problem
// document.
func (s *server) validate(ctx context.Context, in HowToValidate, run func(broker.Validating) (api.Validations, error)) (
	*validated, error) {
	if !accepts(in.Accept, api.ValidationsType) {
		result, err := run(in.validating())
		if err != nil {
			return nil, err
		}
		return &validated{ContentType: "application/json", Body: func(out huma.Context) {
			_ = marshal(out.BodyWriter(), result) // the client may be gone
		}}, nil
	}
	lines := make(chan api.ValidationLine)
	send := func(line api.ValidationLine) {
		select {
		case lines <- line:
		case <-ctx.Done():
		}
	}
	early := make(chan error, 1) // the error before the first line
	go func() {
		defer close(early)
		defer close(lines)
		begun := false
		how := in.validating()
		how.Tell = func(r rolebroker.RoleValidation) {
			begun = true
			send(lineOf(r))
		}
		how.Alive = func() {
			begun = true
			send(api.ValidationLine{})
		}
		result, err := run(how)
		switch {
		case err != nil && !begun:
			early <- err
		case err != nil:
			s.logCause(ctx, "validate", err)
			e := rolebroker.AsError(err)
			send(api.ValidationLine{Error: &api.BrokenOff{Code: string(e.Code), Detail: e.Message,
				Hint: e.Hint.String()}})
		default:
			send(api.ValidationLine{Result: &result})
		}
	}()
	first, ok := <-lines
	if ok {
		return &validated{ContentType: api.ValidationsType, Body: func(out huma.Context) {
			writeLines(out, first, lines)
		}}, nil
	}
	if err := <-early; err != nil {
		return nil, err
	}
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the validation was broken off")
}

// lineOf is the line about a role: its outcome, or that it is tried again.
func lineOf(r rolebroker.RoleValidation) api.ValidationLine {
	shown := convert.RoleValidation(&r)
	if r.Code == rolebroker.ValidTryingAgain {
		return api.ValidationLine{Index: r.Index, Again: &shown}
	}
	return api.ValidationLine{Index: r.Index, Role: &shown}
}

// writeLines sends each line at once. When the client goes away the validation
// ends, and with it the lines.
func writeLines(out huma.Context, first api.ValidationLine, more <-chan api.ValidationLine) {
	w, ok := out.BodyWriter().(http.ResponseWriter)
	if !ok {
		return
	}
	w.Header().Set("X-Accel-Buffering", "no") // or nginx buffers the lines
	encoder, controller := json.NewEncoder(w), http.NewResponseController(w)
	encoder.SetEscapeHTML(false)
	for line := first; ; {
		err := error(nil)
		if line == (api.ValidationLine{}) { // a heartbeat
			_, err = io.WriteString(w, "\n")
		} else {
			err = encoder.Encode(line)
		}
		if err != nil || controller.Flush() != nil {
			for range more { // so that the sender is not blocked
			}
			return
		}
		if line, ok = <-more; !ok {
			return
		}
	}
}

// accepts says whether a client asks for a media type by name.
func accepts(header, mediaType string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == mediaType {
			return true
		}
	}
	return false
}
