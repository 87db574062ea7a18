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

// newConfig sets huma up without what it would load from elsewhere ($schema
// links, a documentation page, other formats).
func newConfig() huma.Config {
	format := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "rolebroker",
				Version:     "1",
				Description: about,
			},
			Servers: []*huma.Server{{URL: "/", Description: "This server."}},
			Tags: []*huma.Tag{
				{Name: "Integrations", Description: "Named groups of AWS roles, granted to agents as one."},
				{Name: "Agents", Description: "Who borrows: their connections to integrations, their tokens, and the service accounts that are them."},
				{Name: "Runners", Description: "The parts of rolebroker that run in clusters and assume roles there."},
				{Name: "Sessions", Description: "The record of what was lent to whom, until when."},
				{Name: "Platform", Description: "The deployment itself, and the keys to this API."},
			},
			Components: &huma.Components{
				Schemas:   huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				Responses: problems(),
				SecuritySchemes: map[string]*huma.SecurityScheme{"apiKey": {
					Type:        "http",
					Scheme:      "bearer",
					Description: "An API key, admin or read-only. Agent tokens and what runners have do not open this API.",
				}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format}, // "json" is for +json
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// marshal encodes an answer before the first byte is sent. A caller who has
// gone by then is nobody's mistake.
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

const about = `rolebroker lends AWS roles to AI agents. This is the API by which people and programs manage it.

**Names and IDs.** Wherever a path takes a name it takes the ID too. Names can change, IDs never do.

**Lists** answer ` + "`{\"items\": […], \"next_cursor\": \"…\"}`" + `; the next page is asked for with ` + "`?cursor=`" + ` and ends with an empty ` + "`next_cursor`" + `.

**Changes** can be guarded: send the ` + "`ETag`" + ` of what a change was made from as ` + "`If-Match`" + `, and the answer is 412 if someone else was faster. Without it the change wins.

**Refusals** are problem documents (RFC 9457) with a ` + "`code`" + ` for programs, a ` + "`detail`" + ` and a ` + "`hint`" + ` for people, and ` + "`errors`" + ` that point at each field that is wrong. Unknown fields, fields given twice and unknown query parameters are refused.`

// words describe each operation.
var words = map[string]struct{ summary, description string }{
	"list-integrations":    {"List integrations", "By name."},
	"create-integration":   {"Create an integration", "Its external ID is made by the server, or is one reserved before. Its roles are validated as the parameter validate says, and the answer has what came of it."},
	"get-integration":      {"Show an integration", "With its roles."},
	"update-integration":   {"Replace an integration", "What the request leaves out is empty or has its default afterwards. A role keeps its ID, and so its history, when its ID or else its name is given again. Roles that are disabled or gone are not lent any more at once; what was lent before lives until it expires. All roles are validated as the parameter validate says, and the answer has what came of it."},
	"delete-integration":   {"Delete an integration", "With its roles and its connections. An agent whose default it was has none then. What was lent before lives until it expires."},
	"validate-integration": {"Validate an integration", "Tries to assume every role, with and without its external ID, and keeps what came of it. The credentials are good for nothing and are forgotten. With Accept: application/x-ndjson each role's outcome is a line of its own as soon as it is known, and the last line has all; otherwise roles whose turn has not come within 45 seconds are unknown. When the caller goes away it ends, and what was found out by then is kept."},
	"validate-draft":       {"Validate a draft", "An integration that is not saved, or with an ID the next version of one. What is wrong with a role in the draft fails that role. Nothing is kept, but an external ID is reserved if the draft has none; the answer has it."},
	"get-setup":            {"Show the setup", "What has to be done in AWS so that the roles can be assumed, ready to be pasted."},
	"merge-setup":          {"Merge the setup", "The same for a role that has a trust policy: with the statement merged into it, and the difference."},
	"draft-setup":          {"Show the setup of a draft", "The same for an integration that is not there yet, and roles that may not be there either, with an external ID that was reserved. Once an integration has that external ID, and after it was changed, it is the setup of that integration, with the roles of the draft."},
	"rotate-external-id":   {"Change the external ID", "In steps: start makes a new one, and roles can be changed to accept it, one by one; finish has it sent from then on, and is refused while an enabled role does not accept it; cancel stays with the old one."},
	"reserve-external-id":  {"Reserve an external ID", "So that a role's trust policy can require it before the integration is created with it. It is good for one integration; its ID stands for it in a path."},
	"get-external-id":      {"Show an external ID", "As it is now: while no integration has used it, what was reserved; from then on, also through a change, what the integration's roles have to require. With its integration it is gone."},
	"release-external-id":  {"Give an external ID back", "One that no integration has used, which none can be created with any more."},
	"list-agents":          {"List agents", "By name."},
	"create-agent":         {"Create an agent", "With the connections given, the first of which becomes the default unless another is chosen."},
	"get-agent":            {"Show an agent", "With its connections."},
	"update-agent":         {"Replace an agent", "Connections and default integration stay as they are when they are left out. What was lent before lives until it expires."},
	"delete-agent":         {"Delete an agent", "With its connections and its tokens. What was lent before lives until it expires."},
	"connect-agent":        {"Connect an agent to an integration", "The agent may then borrow from it. Doing so again changes nothing. The first connection becomes the default."},
	"disconnect-agent":     {"Disconnect an agent from an integration", "Nothing is lent from it any more at once; what was lent before lives until it expires. If it was the default, the agent has none until someone chooses."},
	"list-tokens":          {"List an agent's tokens", "By ID, expired and revoked ones too. A token itself is never shown again."},
	"create-token":         {"Make an agent token", "The answer is the only one that has the token: the server stores its hash. Or registers one that was made elsewhere, which no answer has; the ID in it must not be taken."},
	"get-token":            {"Show an agent token", "What is remembered of it; a token itself is never shown again."},
	"revoke-token":         {"Revoke an agent token", "It opens nothing any more at once; what was lent before lives until it expires. Doing so again changes nothing."},
	"list-bindings":        {"List the service accounts that are an agent", "By ID."},
	"create-binding":       {"Bind an agent to a service account", "Pods that run as it are the agent, and need no token of its own: they show that of the service account to the runner of their cluster. A service account is one agent."},
	"delete-binding":       {"Unbind an agent from a service account", "Its pods are the agent no longer, at once; what was lent before lives until it expires."},
	"list-runners":         {"List runners", "By name."},
	"create-runner":        {"Create a runner", "It has yet to join, with a join token."},
	"get-runner":           {"Show a runner", "With what it says of itself."},
	"update-runner":        {"Replace a runner", "What people say of it; what the request leaves out is empty afterwards. It need not join again."},
	"delete-runner":        {"Delete a runner", "And end its credential. It is refused while an integration names the runner. What was lent before lives until it expires."},
	"create-join-token":    {"Make a join token", "With it the runner joins, once. The answer is the only one that has it: the server stores its hash. One that was made before and not used is good no more."},
	"list-sessions":        {"List sessions", "The newest first: who holds what, until when. Names are those of the moment."},
	"get-platform":         {"Show the platform", "The AWS identity that trust policies name, and what this server can do."},
	"list-api-keys":        {"List API keys", "By ID. A key itself is never shown again."},
	"create-api-key":       {"Make an API key", "The answer is the only one that has the key: the server stores its hash."},
	"delete-api-key":       {"Delete an API key", "It opens nothing any more at once. The last admin key that never expires stays."},
}

// problems are the refusals that operations share, each with an example.
func problems() map[string]*huma.Response {
	return map[string]*huma.Response{
		"Invalid": refusal("The request is wrong; errors says where.", problemOf(&rolebroker.Error{
			Code: rolebroker.CodeInvalid, Message: "the integration is not valid",
			Fields: []rolebroker.Field{{Path: "roles[2].arn", Message: `"arn:aws:iam::444455556666:user/ann" is the ARN of a user, not of a role; a role's ARN has the form arn:aws:iam::123456789012:role/Name`}}})),
		"Unauthenticated": refusal("There is no API key, or one that opens nothing.", problemOf(
			rolebroker.Errorf(rolebroker.CodeUnauthenticated, "an API key is required"))),
		"Denied": refusal("The API key does not open this.", problemOf(
			rolebroker.Errorf(rolebroker.CodeDenied, "the API key audit is read-only and may not change anything").WithHint("use an admin API key in ROLEBROKER_TOKEN"))),
		"NotFound": refusal("There is no such thing.", problemOf(
			rolebroker.Errorf(rolebroker.CodeNotFound, "there is no integration staging"))),
		"Conflict": refusal("The name is taken, or the thing is in use.", problemOf(
			rolebroker.Errorf(rolebroker.CodeConflict, "there is an integration production already"))),
		"Stale": refusal("Someone else changed it since it was read.", problemOf(
			rolebroker.Errorf(rolebroker.CodeStale, "the integration production was changed since it was read").WithHint("read it again and repeat the change"))),
		"TooLarge": refusal("The body is too large.", newProblem(http.StatusRequestEntityTooLarge,
			rolebroker.Errorf(rolebroker.CodeInvalid, "the request body is larger than 8 MiB"))),
		"NotJSON":   refusal("The body is not JSON by its Content-Type.", wrongContentType("application/x-www-form-urlencoded")),
		"Throttled": refusal("Too much at once; Retry-After says when to try again.", problemOf(rolebroker.Errorf(rolebroker.CodeThrottled, "too many requests"))),
		"Internal":  refusal("Our mistake; the cause is in the server's log.", problemOf(errors.New("any error that is not one of ours"))),
		"Unavailable": refusal("The server cannot answer now; Retry-After says when to try again.", problemOf(
			rolebroker.Errorf(rolebroker.CodeUnavailable, "the database does not answer"))),
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

// refusals are those that an operation with such an input can answer with.
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
		responses["304"] = &huma.Response{Description: "It still has one of the ETags in If-None-Match."}
	}
	shared := problems()
	for _, name := range names {
		status := shared[name].Content[api.ProblemType].Example.(api.Problem).Status
		responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + name}
	}
	return responses
}
