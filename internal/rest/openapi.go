package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// newConfig configures huma without $schema links, a documentation page that loads
// scripts from elsewhere, and other formats. The URL is that of the server; empty:
// that of each request.
func newConfig(url string) huma.Config {
	format := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[api.Policy](), reflect.TypeFor[map[string]any]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "rolebroker",
				Version:     "1",
				Description: about,
			},
			Servers: []*huma.Server{{URL: url + "/", Description: "This server."}},
			Tags: []*huma.Tag{
				{Name: "Integrations", Description: "Named groups of AWS roles, granted to agents as one."},
				{Name: "Agents",
					Description: "AI agents, their connections to integrations, their tokens and their service " +
						"accounts."},
				{Name: "Runners", Description: "The parts of rolebroker that run in clusters and assume roles there."},
				{Name: "Sessions", Description: "The record of who borrowed what, until when."},
				{Name: "Calls", Description: "The record of what agents without AWS keys asked AWS, through the gateway."},
				{Name: "Access requests", Description: "What agents ask people for, the answers, and rules that answer."},
				{Name: "Platform", Description: "The deployment itself, and the keys to this API."},
			},
			Components: &huma.Components{
				Schemas:   schemas,
				Responses: problems(),
				SecuritySchemes: map[string]*huma.SecurityScheme{"apiKey": {
					Type:   "http",
					Scheme: "bearer",
					Description: "An API key: admin, approver or read-only. Agent tokens and the credentials of runners do " +
						"not work here.",
				}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format}, // for +json
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// marshal encodes an answer before it sends the first byte. It ignores the error of
// sending: the client has gone.
func marshal(w io.Writer, v any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	w.Write(b.Bytes())
	return nil
}

// problems are the refusals that operations share, with examples.
func problems() map[string]*huma.Response {
	says := func(code rolebroker.Code, message string) *rolebroker.Error {
		return rolebroker.Errorf(code, "%s", message)
	}
	invalid := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid",
		Fields: []rolebroker.Field{{Path: "roles[2].arn", Message: `"arn:aws:iam::444455556666:user/ann" is the ARN ` +
			`of a user, not of a role; a role's ARN has the form arn:aws:iam::123456789012:role/Name`}}}
	denied := says(rolebroker.CodeDenied, "the API key audit is read-only and may not change anything").
		WithHint("set ROLEBROKER_TOKEN to an admin API key")
	stale := says(rolebroker.CodeStale, "the integration production was changed since it was read").
		WithHint("read it again and repeat the change")
	return map[string]*huma.Response{
		"Invalid": refusal("The request is wrong; errors says where.", problemOf(invalid)),
		"Unauthenticated": refusal("The request has no API key, or one that does not work.",
			problemOf(says(rolebroker.CodeUnauthenticated, "an API key is required"))),
		"Denied": refusal("The API key does not permit this.", problemOf(denied)),
		"NotFound": refusal("It does not exist.",
			problemOf(says(rolebroker.CodeNotFound, "there is no integration staging"))),
		"Conflict": refusal("The name is taken, or it is in use.",
			problemOf(says(rolebroker.CodeConflict, "there is an integration production already"))),
		"Stale": refusal("Someone else changed it meanwhile.", problemOf(stale)),
		"TooLarge": refusal("The body is too large.", newProblem(http.StatusRequestEntityTooLarge,
			says(rolebroker.CodeInvalid, "the request body is larger than 8 MiB"))),
		"NotJSON": refusal("The Content-Type of the body is not JSON.",
			wrongContentType("application/x-www-form-urlencoded")),
		"Throttled": refusal("Too many requests; Retry-After says when to try again.",
			problemOf(says(rolebroker.CodeThrottled, "too many requests"))),
		"Internal": refusal("An error of the server; the cause is in its log.",
			problemOf(errors.New("any error that is not one of ours"))),
		"Unavailable": refusal("The server cannot answer now; Retry-After says when to try again.",
			problemOf(says(rolebroker.CodeUnavailable, "the database does not answer"))),
	}
}

func refusal(description string, example *Problem) *huma.Response {
	return &huma.Response{
		Description: description,
		Content: map[string]*huma.MediaType{api.ProblemType: {
			Schema:  &huma.Schema{Ref: "#/components/schemas/Problem"},
			Example: example.Problem,
		}},
	}
}

// refusals are the refusals of an operation with this input.
func refusals(method, path string, input reflect.Type) map[string]*huma.Response {
	has := func(field string) bool { _, ok := input.FieldByName(field); return ok }
	names := []string{"Invalid", "Unauthenticated", "Denied", "Throttled", "Internal", "Unavailable"}
	if strings.Contains(path, "{") {
		names = append(names, "NotFound")
	}
	if method != http.MethodGet {
		names = append(names, "Conflict")
	}
	if has("Body") {
		names = append(names, "TooLarge", "NotJSON")
	}
	if has("IfMatch") {
		names = append(names, "Stale")
	}
	responses := map[string]*huma.Response{}
	if has("IfNoneMatch") {
		responses["304"] = &huma.Response{Description: "The current version has one of the ETags in If-None-Match."}
	}
	shared := problems()
	for _, name := range names {
		status := shared[name].Content[api.ProblemType].Example.(api.Problem).Status
		responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + name}
	}
	return responses
}
