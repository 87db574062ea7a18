package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// learning is the method of the broker for learned policies.
type learning interface {
	LearnedPolicy(ctx context.Context, who rolebroker.Caller, from broker.Learning) (*broker.Learned, error)
	JudgeLimits(ctx context.Context, who rolebroker.Caller, agent, integration string, limits *broker.Limits) (
		*rolebroker.Judgement, error)
}

// limitsPage is the form for what an agent may do with the roles of an integration.
type limitsPage struct {
	base
	Agent       rolebroker.Agent
	Integration rolebroker.IntegrationID
	Name        string // of the integration
	Presets     []presetChoice
	Accesses    []accessChoice
	Policy      string // as it was typed, or indented; also while another access is chosen, which hides it
	Exempt      string // likewise, the exempt policy
	Buckets     string // that the exempt policy is to be for, as they were typed
	Some        bool   // the agent is limited to the roles that are chosen
	Roles       []roleChoice
	KeyChoices  []accessChoice
	Approvals   []accessChoice
	Actions     string          // that return credentials and are allowed, one a line
	Version     int64           // of the agent, that the form was made from
	Summary     string          // of the limits that the form has
	Judged      []string        // what they would have done with the calls of the last days
	Unsaved     bool            // the form has other limits than the connection
	MayLearn    bool            // there are calls to make a policy of
	Learned     *broker.Learned // that the form has; nil: none
	Errors      map[string]string
}

// accessChoice is a word that can be chosen, and what it means.
type accessChoice struct {
	Word, Means string
	Chosen      bool
}

// roleChoice is a role of the integration.
type roleChoice struct {
	rolebroker.Role
	Chosen bool
}

// choicesOf are the words that can be chosen.
func choicesOf[T ~string](words []T, chosen T, means map[T]string) (all []accessChoice) {
	for _, w := range words {
		all = append(all, accessChoice{string(w), means[w], w == chosen})
	}
	return all
}

func accessChoices(chosen rolebroker.Access) []accessChoice {
	means := map[rolebroker.Access]string{
		rolebroker.AccessFull: "The agent may do everything that the role allows in AWS.",
		rolebroker.AccessReadOnly: "The agent may read, as AWS’s ReadOnlyAccess does. AWS refuses changes, " +
			"also those that a person approved.",
		rolebroker.AccessViewOnly: "The agent may list what is there, as AWS’s ViewOnlyAccess does, and read " +
			"hardly any data.",
		rolebroker.AccessPolicy: "The agent may do what the session policy below allows, as far as the role " +
			"allows it too.",
	}
	return choicesOf(rolebroker.Accesses(), chosen, means)
}

func keyChoices(chosen rolebroker.Keys) []accessChoice {
	means := map[rolebroker.Keys]string{
		rolebroker.KeysLent: "The agent gets AWS keys that work anywhere, without this server, until they expire.",
		rolebroker.KeysWithheld: "The agent holds no AWS key: every call goes through this server, which " +
			"checks and records it.",
	}
	return choicesOf(rolebroker.AllKeys(), chosen, means)
}

func approvalChoices(chosen rolebroker.Approval) []accessChoice {
	means := map[rolebroker.Approval]string{
		rolebroker.ApprovalNone:   "The agent asks nobody.",
		rolebroker.ApprovalBorrow: "A person says yes before the agent uses a role.",
		rolebroker.ApprovalWrite: "A person says yes before each change; reading asks nobody. With keys " +
			"withheld only.",
		rolebroker.ApprovalCall: "A person says yes before each call, also one that reads, but for those that the " +
			"exempt policy below allows. With keys withheld only.",
	}
	return choicesOf(rolebroker.Approvals(), chosen, means)
}

// connectionOf finds the connection that a request is about, and its integration.
func (s *server) connectionOf(r *http.Request, v *visit) (
	*rolebroker.Agent, *rolebroker.Connection, *rolebroker.Integration, error) {
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return nil, nil, nil, err
	}
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return nil, nil, nil, err
	}
	c := agent.Connection(in.ID)
	if c == nil {
		err = rolebroker.Errorf(rolebroker.CodeNotFound, "agent %s is not connected to integration %s", agent.Name, in.Name)
	}
	return agent, c, in, err
}

func (s *server) showLimits(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, c, in, err := s.connectionOf(r, v)
	if err != nil {
		return err
	}
	limits, page := broker.LimitsOf(c), &limitsPage{Version: agent.Version}
	if r.URL.Query().Get("policy") == "of-its-calls" {
		if err := s.learn(r, v, agent, in, &limits, page); err != nil {
			return err
		}
	}
	return s.renderLimits(w, r, v, http.StatusOK, agent, in, limits, page)
}

// learn puts the policy that the agent's calls need into the form. Save sets it.
func (s *server) learn(r *http.Request, v *visit, agent *rolebroker.Agent, in *rolebroker.Integration,
	limits *broker.Limits, page *limitsPage) (err error) {
	page.Learned, err = s.Broker.LearnedPolicy(r.Context(), v.who,
		broker.Learning{Agent: string(agent.ID), Integration: string(in.ID), Session: true})
	if err == nil && page.Learned.Policy != "" {
		limits.Access, limits.SessionPolicy = rolebroker.AccessPolicy, page.Learned.Policy
	}
	return err
}

// renderLimits shows the form with these limits in it.
func (s *server) renderLimits(w http.ResponseWriter, r *http.Request, v *visit, status int, agent *rolebroker.Agent,
	in *rolebroker.Integration, limits broker.Limits, page *limitsPage) error {
	page.base, page.Agent = s.base(r, v, agent.Name+" in "+in.Name, "agents"), *agent
	page.Integration, page.Name = in.ID, in.Name
	page.Accesses, page.Approvals = accessChoices(limits.Access), approvalChoices(limits.Approval)
	page.KeyChoices, page.MayLearn = keyChoices(limits.Keys), limits.Keys == rolebroker.KeysWithheld
	page.Presets, page.Summary = presetChoices(&limits), summaryOf(agent.Name, in, &limits)
	if page.Judged = s.judged(r, v, agent, in, &limits); r.Header.Get("HX-Request") != "" {
		status = http.StatusOK // htmx leaves the page as it is otherwise
	}
	page.Actions = strings.Join(limits.AllowedActions, "\n")
	page.Policy = indented(cmp.Or(limits.SessionPolicy, formValue(r, "session_policy")))
	page.Exempt = indented(cmp.Or(limits.ExemptPolicy, formValue(r, "exempt_policy")))
	page.Some = limits.Roles != nil
	if arns, ok := rolebroker.BucketsRead(limits.ExemptPolicy); ok && page.Buckets == "" {
		page.Buckets = strings.ReplaceAll(strings.Join(arns, " "), "arn:aws:s3:::", "")
	}
	for _, role := range in.Roles {
		chosen := page.Some && (slices.Contains(*limits.Roles, role.Name) || slices.Contains(*limits.Roles, string(role.ID)))
		page.Roles = append(page.Roles, roleChoice{role, chosen})
	}
	return s.render(w, status, "limits", page)
}

// saveLimits replaces the limits by those of the form. A form with an access only, as the button Make read-only has it,
// leaves the other limits as they are.
func (s *server) saveLimits(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, c, in, err := s.connectionOf(r, v)
	if err != nil {
		return err
	}
	saved := broker.LimitsOf(c)
	limits, page := saved, &limitsPage{Version: max(formVersion(r), 1)}
	readLimits(r, &limits)
	page.Buckets = formValue(r, "exempt_buckets")
	action, word, _ := strings.Cut(formValue(r, "action"), ".")
	_, ofBuckets := rolebroker.BucketsRead(limits.ExemptPolicy)
	named := page.Buckets != "" && (ofBuckets || limits.ExemptPolicy == "")
	if limits.Approval == rolebroker.ApprovalCall && (named || action == "buckets") {
		if err := exemptBuckets(&limits, in, page.Buckets); err != nil {
			page.Errors, page.Unsaved = map[string]string{"exempt_buckets": bucketsError(err)}, true
			return s.renderLimits(w, r, v, http.StatusUnprocessableEntity, agent, in, limits, page)
		}
	}
	if action == "preset" {
		presetOf(word).set(&limits)
		limits.SessionPolicy, limits.AllowedActions = "", nil
	}
	if action == "preset" || action == "preview" || action == "buckets" {
		page.Unsaved = true
		return s.renderLimits(w, r, v, http.StatusOK, agent, in, limits, page)
	}
	if limits.Roles != nil && len(*limits.Roles) == 0 && formValue(r, "form") != "" {
		page.Errors = map[string]string{
			"roles": "Choose a role, or all of them. To take all roles away, disconnect the integration."}
		return s.renderLimits(w, r, v, http.StatusUnprocessableEntity, agent, in, limits, page)
	}
	_, err = s.Broker.Connect(r.Context(), v.who, string(agent.ID), string(in.ID), &limits, page.Version)
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		page.Version, page.Unsaved = agent.Version, true
		page.Errors = map[string]string{"form": "Nothing was saved: somebody else changed " + agent.Name +
			" meanwhile. Saved is now: " + summaryOf(agent.Name, in, &saved) + " Save replaces that by what is below."}
		return s.renderLimits(w, r, v, http.StatusConflict, agent, in, limits, page)
	}
	if page.Errors = limitsErrors(err); page.Errors != nil {
		return s.renderLimits(w, r, v, statusOf(err), agent, in, limits, page)
	}
	return s.toAgent(w, r, err, "/connections", "limited")
}

// readLimits reads the limits of the form.
func readLimits(r *http.Request, limits *broker.Limits) {
	limits.Access, limits.SessionPolicy = rolebroker.Access(formValue(r, "access")), ""
	if formValue(r, "form") != "" {
		limits.Approval, limits.Roles = rolebroker.Approval(formValue(r, "approval")), nil
		if keys := formValue(r, "keys"); keys != "" {
			limits.Keys = rolebroker.Keys(keys)
		}
		if r.PostForm.Has("allowed_actions") {
			limits.AllowedActions = strings.FieldsFunc(formValue(r, "allowed_actions"), func(c rune) bool {
				return c == ',' || unicode.IsSpace(c)
			})
		}
		if formValue(r, "scope") == "some" {
			chosen := append([]string{}, r.PostForm["role"]...)
			limits.Roles = &chosen
		}
	}
	limits.ExemptPolicy = ""
	if limits.Approval == rolebroker.ApprovalCall {
		limits.ExemptPolicy = strings.TrimSpace(formValue(r, "exempt_policy"))
	}
	if limits.Access == rolebroker.AccessPolicy {
		limits.SessionPolicy = strings.TrimSpace(formValue(r, "session_policy"))
	}
}

// limitFields are the fields of the form, in its order.
var limitFields = []formField{{"access", "Access", "access"}, {"session_policy", "Session policy", "session-policy"},
	{"roles", "Roles", "roles"}, {"keys", "Keys", "keys"}, {"allowed_actions", "Allowed calls", "allowed-actions"},
	{"approval", "Approval", "approval"}, {"exempt_buckets", "Buckets", "exempt-buckets"},
	{"exempt_policy", "Exempt policy", "exempt-policy"}}

// Faults are the errors of the form, in the order of its fields.
func (p *limitsPage) Faults() []fault { return faultsOf(p.Errors, limitFields...) }

// limitsErrors are fieldErrors, with those of the elements of the session policy under its field.
func limitsErrors(err error) map[string]string {
	found := fieldErrors(err)
	if found == nil {
		return nil
	}
	if strings.HasPrefix(found["session_policy"], "Is required") {
		found["session_policy"] = "Write a session policy, because you chose the access policy, or choose another access."
	}
	return policyErrors(found)
}

// policyErrors gathers what is wrong with elements of a policy under its field.
func policyErrors(found map[string]string) map[string]string {
	shown := map[string]string{}
	policies := map[string][]string{}
	for path, problem := range found {
		field, element, _ := strings.Cut(strings.ReplaceAll(path, "[", "."), ".")
		isPolicy := field == "session_policy" || field == "exempt_policy"
		switch {
		case isPolicy && element != "":
			element = strings.TrimPrefix(strings.TrimPrefix(path, field), ".")
			policies[field] = append(policies[field], element+": "+problem)
		case isPolicy:
			policies[field] = append(policies[field], problem)
		case strings.HasPrefix(path, "roles"):
			shown["roles"] = problem
		case strings.HasPrefix(path, "allowed_actions"):
			shown["allowed_actions"] = problem
		default:
			shown[path] = problem
		}
	}
	for field, problems := range policies {
		slices.Sort(problems)
		shown[field] = strings.Join(problems, " ")
	}
	return shown
}
