package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// maxRows bounds how many roles one form may have.
const maxRows = 1500 // six fields each: Go reads 10,000 of a form

// formPage is the AWS integration form: the five steps on one page. It keeps
// whatever was typed, however wrong.
type formPage struct {
	base
	ID       string // empty while it is new
	Version  int64  // that the form was made from; 0 while it is new
	Saved    string // its name as it is saved
	Name     string
	About    string // its description
	Mode     rolebroker.AssumptionMode
	Modes    []rolebroker.ModeAdvice
	Runner   string // the ID of who assumes the roles in cluster mode; empty: nobody yet
	Makes    string // the name of a runner to be made, as it was typed
	External string // its external ID
	NextID   string // what that is being changed to; empty when it is not
	Tags     bool
	Source   bool
	Default  int // index of the default role; -1: none is chosen
	Rows     []roleRow

	Errors  map[string]string       // by field, as in "name" or "roles[2].arn"
	Problem string                  // what was wrong with the whole; empty: nothing
	Stale   bool                    // someone else has saved it since
	Differs []rolebroker.Difference // from what is saved now to what is typed, while Stale
	Checked bool                    // Rows have outcomes that were asked for
	Setup   *rolebroker.Setup
	Trust   string              // in cluster mode: the trust policy for a runner with an AWS identity of its own; empty: it is as in Setup
	Runners []rolebroker.Runner // that can be chosen
	Chosen  *rolebroker.Runner  // of them; nil: none, or it is there no longer
	Runs    state               // of the one that is chosen
	Agents  []string            // who is connected
	Others  []string            // who is not
}

// roleRow is one role as it is typed.
type roleRow struct {
	Index    int
	ID       string // empty while it is new
	Name     string
	ARN      string
	Region   string
	Duration string // as in 1h; empty for the default
	Enabled  bool
	Default  bool
	Asking   bool                   // somebody wants to remove it, and is asked
	Outcome  *rolebroker.Validation // nil: not known
	Errors   map[string]string      // by field
	Agents   []string               // who loses it, where somebody is asked
	Checked  moment                 // when the outcome was found out, where a runner did
	Waits    string                 // why a runner has not found it out; empty: it was not asked
	Trying   bool                   // it is finding out
	// Removable says that who looks at it may remove it.
	Removable bool
}

// Number is what people call the row.
func (r roleRow) Number() int { return r.Index + 1 }

// New says whether the integration is not saved yet.
func (p *formPage) New() bool { return p.ID == "" }

// Action is where the form is sent.
func (p *formPage) Action() string {
	if p.New() {
		return "/integrations/new/aws"
	}
	return "/integrations/" + p.ID
}

// Regions are offered where a region is typed; any other can be typed too.
func (p *formPage) Regions() []string {
	return []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1",
		"ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "sa-east-1", "us-gov-west-1", "cn-north-1"}
}

// Platform says whether the platform assumes the roles.
func (p *formPage) Platform() bool { return p.Mode != rolebroker.ModeCluster }

// Open is how many of the selected roles cannot be assumed, as far as is known.
func (p *formPage) Open() int {
	return p.count(func(r roleRow) bool { return r.Enabled && r.Outcome != nil && !r.Outcome.Status.Works() })
}

// Unchecked is how many of them were not tried.
func (p *formPage) Unchecked() int {
	return p.count(func(r roleRow) bool { return r.Enabled && r.Outcome == nil })
}

// Selected is how many roles are selected.
func (p *formPage) Selected() int { return p.count(func(r roleRow) bool { return r.Enabled }) }

func (p *formPage) count(is func(roleRow) bool) (n int) {
	for _, r := range p.Rows {
		if is(r) {
			n++
		}
	}
	return n
}

// Named, Written and Works say whether a step is complete.
func (p *formPage) Named() bool {
	return p.Name != "" && p.Errors["name"] == "" && p.Errors["description"] == ""
}
func (p *formPage) Written() bool {
	return len(p.Rows) > 0 && p.count(func(r roleRow) bool { return r.ARN == "" || r.Name == "" }) == 0
}
func (p *formPage) Works() bool {
	return p.Written() && p.Selected() > 0 && p.Open() == 0 && p.Unchecked() == 0
}

// newIntegration is the empty form, with the external ID that was made for it.
func (s *server) newIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	external := r.URL.Query().Get("external_id")
	if external == "" {
		return to(w, r, "/integrations/new")
	}
	page := &formPage{External: external, Mode: rolebroker.ModePlatform, Rows: []roleRow{{Enabled: true}}}
	return s.showForm(w, r, v, http.StatusOK, page)
}

// editIntegration is the form of an integration that is saved.
func (s *server) editIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	if len(in.Roles) > maxRows {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "integration %s has %d roles, and this page takes %d", in.Name, len(in.Roles), maxRows).
			WithSteps(rolebroker.Step{Text: "change it with", Command: fmt.Sprintf("rolebroker integration show %[1]s -o yaml > %[1]s.yaml\nrolebroker integration update %[1]s -f %[1]s.yaml", in.Name)})
	}
	return s.showForm(w, r, v, http.StatusOK, formOf(in))
}

// formOf is the form of an integration as it is saved.
func formOf(in *rolebroker.Integration) *formPage {
	page := &formPage{ID: string(in.ID), Version: in.Version, Saved: in.Name, Name: in.Name, About: in.Description, Mode: in.AssumptionMode, External: in.ExternalID,
		Runner: string(in.Runner), NextID: in.NextExternalID, Tags: in.SessionTags, Source: in.SourceIdentity, Default: -1}
	for i, role := range in.Roles {
		row := roleRow{ID: string(role.ID), Name: role.Name, ARN: role.ARN.String(), Region: string(role.Region), Enabled: role.Enabled, Outcome: role.Validation}
		if role.SessionDuration != 0 {
			row.Duration = rolebroker.ShortDuration(role.SessionDuration)
		}
		if role.Name == in.DefaultRole {
			page.Default = i
		}
		page.Rows = append(page.Rows, row)
	}
	return page
}

// showForm completes the form with what is not typed, and shows it.
func (s *server) showForm(w http.ResponseWriter, r *http.Request, v *visit, status int, page *formPage) error {
	title := "Connect AWS"
	if !page.New() {
		title = page.Saved
	}
	page.base, page.Modes = s.base(r, v, title, "integrations"), rolebroker.Modes()
	switch open := page.Open(); {
	case page.Done == "":
	case open > 0:
		page.Done, page.DoneTone = fmt.Sprintf("%s %d of %s cannot be assumed yet: step 4 says why.", page.Done, open, plural(page.Selected(), "selected role", "selected roles")), "warn"
	case !page.Platform() && page.Runner == "":
		page.Done, page.DoneTone = page.Done+" Its roles are lent to nobody until you choose a runner in step 2.", "warn"
	}
	for i := range page.Rows {
		page.Rows[i].Index, page.Rows[i].Default, page.Rows[i].Removable = i, i == page.Default, page.MayWrite()
		page.Rows[i].Errors = errorsOf(page.Errors, i)
	}
	if err := s.offerRunners(r.Context(), v, page); err != nil {
		return err
	}
	if err := s.recall(r.Context(), v, page); err != nil {
		return err
	}
	if err := s.setUp(r.Context(), v, page); err != nil {
		return err
	}
	if !page.New() {
		var err error
		if page.Agents, err = s.agentsOf(r.Context(), v, rolebroker.IntegrationID(page.ID)); err != nil {
			return err
		}
		if page.Others, err = s.otherAgents(r.Context(), v, page.Agents); err != nil {
			return err
		}
		for i := range page.Rows {
			page.Rows[i].Agents = page.Agents
		}
	}
	return s.render(w, status, "form", page)
}

// errorsOf are the errors of the fields of one role.
func errorsOf(all map[string]string, i int) map[string]string {
	found := map[string]string{}
	prefix := "roles[" + strconv.Itoa(i) + "]."
	for path, message := range all {
		if field, ok := strings.CutPrefix(path, prefix); ok {
			found[field] = message
		}
	}
	return found
}

// setUp says what has to be done in AWS for the roles that are typed, as far as
// they are roles.
func (s *server) setUp(ctx context.Context, v *visit, page *formPage) (err error) {
	draft, _ := page.integration()
	draft.Roles = slices.DeleteFunc(draft.Roles, func(r rolebroker.Role) bool {
		return r.ARN == (rolebroker.RoleARN{}) || r.Name != "" && rolebroker.CheckName(r.Name) != nil
	})
	if rolebroker.CheckName(draft.Name) != nil {
		draft.Name = "" // it is not to be pasted anywhere
	}
	req, err := s.cluster(ctx, v, page)
	if err != nil {
		return err
	}
	page.Setup, err = s.Broker.SetupDraft(ctx, v.who, draft, req)
	if err == nil && req.Cluster.Variant == rolebroker.ClusterAssumeRole {
		page.Trust = page.Setup.TrustPolicy
	}
	used := err == nil && page.Setup.IntegrationID != ""
	if page.New() && (used || rolebroker.CodeOf(err) == rolebroker.CodeInvalid) {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "this form was used already, or its external ID is not one of this server").
			WithHint("begin again: Integrations, New Integration")
	}
	return err
}

// readForm is what was typed.
func readForm(r *http.Request, id string) (*formPage, error) {
	if err := r.ParseForm(); err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the form cannot be read: it may be too large")
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	page := &formPage{ID: id, Saved: get("saved"), Name: get("name"), About: get("description"), Mode: rolebroker.AssumptionMode(get("mode")), External: get("external_id"),
		Runner: get("runner"), Makes: get("new_runner"), Tags: get("session_tags") != "", Source: get("source_identity") != "", Default: -1}
	page.Version, _ = strconv.ParseInt(get("version"), 10, 64) // 0 if somebody tampered with it: then it is stale
	if page.Mode == "" {
		page.Mode = rolebroker.ModePlatform
	}
	rows, _ := strconv.Atoi(get("rows"))
	for i := range min(rows, maxRows) {
		field := func(name string) string { return get("role." + strconv.Itoa(i) + "." + name) }
		if !r.PostForm.Has("role." + strconv.Itoa(i) + ".arn") {
			continue // it was removed
		}
		if get("default") == strconv.Itoa(i) {
			page.Default = len(page.Rows)
		}
		page.Rows = append(page.Rows, roleRow{ID: field("id"), Name: field("name"), ARN: field("arn"), Region: field("region"), Duration: field("duration"), Enabled: field("enabled") != ""})
	}
	return page, nil
}

// integration is the noun that was typed, and what of it is none.
func (p *formPage) integration() (rolebroker.Integration, []rolebroker.Field) {
	in := rolebroker.Integration{ID: rolebroker.IntegrationID(p.ID), Name: p.Name, Description: p.About, AssumptionMode: p.Mode, ExternalID: p.External,
		SessionTags: p.Tags, SourceIdentity: p.Source}
	if p.Mode == rolebroker.ModeCluster {
		in.Runner = rolebroker.RunnerID(p.Runner)
	}
	var wrong []rolebroker.Field
	for i, row := range p.Rows {
		role := rolebroker.Role{ID: rolebroker.RoleID(row.ID), Name: row.Name, Region: rolebroker.Region(row.Region), Enabled: row.Enabled}
		path := "roles[" + strconv.Itoa(i) + "]."
		var err error
		if role.ARN, err = rolebroker.ParseRoleARN(row.ARN); err != nil {
			wrong = append(wrong, rolebroker.Field{Path: path + "arn", Message: err.Error()})
		}
		if role.SessionDuration, err = rolebroker.ParseSessionDuration(row.Duration); err != nil {
			wrong = append(wrong, rolebroker.Field{Path: path + "session_duration", Message: err.Error()})
		}
		if i == p.Default {
			in.DefaultRole = row.Name
		}
		in.Roles = append(in.Roles, role)
	}
	return in, wrong
}

// complain shows what is wrong with what was typed, where it is wrong.
func (p *formPage) complain(err error, wrong []rolebroker.Field) {
	e := rolebroker.AsError(err)
	p.Errors = map[string]string{}
	for _, f := range append(slices.Clone(wrong), e.Fields...) {
		if p.Errors[f.Path] == "" {
			p.Errors[f.Path] = sentence(p.words(f))
		}
	}
	switch {
	case len(p.Errors) > 0:
		p.Problem = "Nothing was saved. " + plural(len(p.Errors), "field needs", "fields need") + " another look."
	case e.Code == rolebroker.CodeConflict:
		p.Errors["name"] = sentence(e.Message)
		p.Problem = "Nothing was saved."
	default:
		p.Problem = sentence(e.Message)
	}
}

// words says what is wrong with a field of the form. Where the message speaks of
// the API's JSON, the page has words of its own.
func (p *formPage) words(f rolebroker.Field) string {
	switch f.Rule {
	case rolebroker.RuleRoleNameUnique:
		return p.sameName(f)
	case rolebroker.RuleDefaultChosen:
		_, choices := p.defaultChoices()
		return "choose the default role, one of " + choices
	case rolebroker.RuleDefaultEnabled:
		chosen, choices := p.defaultChoices()
		return fmt.Sprintf("%q is not selected; the default role has to be: choose one of %s", chosen, choices)
	}
	return f.Message
}

// defaultChoices returns the default role of the form, and the roles that could be it.
func (p *formPage) defaultChoices() (chosen, choices string) {
	in, _ := p.integration()
	return in.DefaultRole, cmp.Or(in.DefaultChoices(), "the roles, after selecting one")
}

// sameName says which role has the name already that the field gives to another.
func (p *formPage) sameName(f rolebroker.Field) string {
	for i, row := range p.Rows {
		if f.Path == "roles["+strconv.Itoa(i)+"].name" {
			first := slices.IndexFunc(p.Rows, func(other roleRow) bool { return other.Name == row.Name })
			return fmt.Sprintf("%q is the name of role %d already; names are unique in an integration", row.Name, first+1)
		}
	}
	return f.Message
}

// createIntegration is what the form of a new integration is sent to.
func (s *server) createIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, "")
	if err != nil {
		return err
	}
	return s.act(w, r, v, page, func(in rolebroker.Integration) (*rolebroker.Integration, error) {
		return s.Broker.CreateIntegration(r.Context(), v.who, in, rolebroker.ValidateWarn)
	})
}

// updateIntegration is what the form of a saved one is sent to.
func (s *server) updateIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return s.act(w, r, v, page, func(in rolebroker.Integration) (*rolebroker.Integration, error) {
		if page.Version < 1 {
			return nil, rolebroker.Errorf(rolebroker.CodeStale, "the form has no version")
		}
		return s.Broker.UpdateIntegration(r.Context(), v.who, page.ID, in, page.Version, rolebroker.ValidateWarn)
	})
}

// act does what the button says that was pressed.
func (s *server) act(w http.ResponseWriter, r *http.Request, v *visit, page *formPage, save func(rolebroker.Integration) (*rolebroker.Integration, error)) error {
	action, row, _ := strings.Cut(r.PostForm.Get("action"), ".")
	i, err := strconv.Atoi(row)
	if hasRow := err == nil && i >= 0 && i < len(page.Rows); !hasRow {
		i = -1
	}
	switch {
	case action == "add-role":
		page.Rows = append(page.Rows, roleRow{Enabled: true})
		page.chooseOnly()
	case action == "remove-role" && i >= 0 && page.Rows[i].ID != "":
		page.Rows[i].Asking = true
	case (action == "remove-role" || action == "really-remove-role") && i >= 0:
		page.removeRow(i)
	case action == "make-runner":
		return s.makeRunner(w, r, v, page)
	case action == "validate":
		return s.showOutcomes(w, r, v, page)
	case action == "save":
		return s.save(w, r, v, page, save)
	}
	return s.showForm(w, r, v, http.StatusOK, page)
}

func (p *formPage) removeRow(i int) {
	p.Rows = slices.Delete(p.Rows, i, i+1)
	switch {
	case p.Default == i:
		p.Default = -1
	case p.Default > i:
		p.Default--
	}
}

// chooseOnly makes the first role the default while there is no other.
func (p *formPage) chooseOnly() {
	if p.Default < 0 && len(p.Rows) == 1 {
		p.Default = 0
	}
}

func (s *server) save(w http.ResponseWriter, r *http.Request, v *visit, page *formPage, save func(rolebroker.Integration) (*rolebroker.Integration, error)) error {
	if len(page.Rows) == 1 && page.Default < 0 {
		page.Default = 0 // there is no other to choose
	}
	in, wrong := page.integration()
	if page.Makes != "" && !page.Platform() {
		page.Problem, page.Errors = "Nothing was saved. 1 field needs another look.", map[string]string{"new_runner": "Press Make Runner first, or empty this."}
		return s.showForm(w, r, v, http.StatusUnprocessableEntity, page)
	}
	if len(wrong) > 0 {
		page.complain(in.Check(), wrong)
		return s.showForm(w, r, v, http.StatusUnprocessableEntity, page)
	}
	saved, err := save(in)
	switch rolebroker.CodeOf(err) {
	case "":
		done := "updated"
		if page.New() {
			done = "created"
		}
		return to(w, r, "/integrations/"+string(saved.ID)+"?done="+done)
	case rolebroker.CodeStale:
		return s.showStale(w, r, v, page)
	case rolebroker.CodeNotFound:
		return s.showGone(w, r, v, page)
	case rolebroker.CodeInvalid, rolebroker.CodeConflict:
		if made := s.madeBefore(r.Context(), v, page); made != nil {
			return to(w, r, "/integrations/"+string(made.ID)+"?done=created")
		}
		page.complain(err, nil)
		return s.showForm(w, r, v, statusOf(err), page)
	case rolebroker.CodeThrottled, rolebroker.CodeUnavailable:
		page.complain(err, nil)
		return s.showForm(w, r, v, statusOf(err), page)
	}
	return err
}

// madeBefore is the integration that this very form made already, when its
// button was pressed twice; nil if it made none.
func (s *server) madeBefore(ctx context.Context, v *visit, page *formPage) *rolebroker.Integration {
	if !page.New() {
		return nil
	}
	in, err := s.Broker.Integration(ctx, v.who, page.Name)
	if err != nil || in.ExternalID != page.External {
		return nil
	}
	return in
}

// showGone keeps what was typed for an integration that somebody deleted: it
// can be made anew.
func (s *server) showGone(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	reserved, err := s.Broker.ReserveExternalID(r.Context(), v.who)
	if err != nil {
		return err
	}
	page.External = reserved.ExternalID
	page.Problem = "Somebody deleted " + page.Saved + " while you were editing. What you typed is still here. Create Integration makes it anew, with another external ID, which its roles then have to ask for."
	page.ID, page.Version, page.NextID = "", 0, ""
	for i := range page.Rows {
		page.Rows[i].ID = ""
	}
	return s.showForm(w, r, v, http.StatusConflict, page)
}

// showStale answers the second of two people who edit at once. The form keeps
// what they typed and lists what saving it would change.
func (s *server) showStale(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	now, err := s.Broker.Integration(r.Context(), v.who, page.ID)
	if err != nil {
		return err
	}
	if err := s.choose(r.Context(), v, page); err != nil {
		return err
	}
	typed, _ := page.integration()
	if page.Chosen != nil {
		typed.RunnerName = page.Chosen.Name
	}
	page.Stale, page.Version, page.Saved, page.Differs = true, now.Version, now.Name, now.Differences(&typed)
	return s.showForm(w, r, v, http.StatusConflict, page)
}

// showOutcomes is the form with what came of trying its roles.
func (s *server) showOutcomes(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	outcomes, err := s.outcomes(r.Context(), v, page, nil, nil)
	switch rolebroker.CodeOf(err) {
	case "":
	case rolebroker.CodeThrottled, rolebroker.CodeUnavailable:
		page.Problem = sentence(rolebroker.AsError(err).Message)
		return s.showForm(w, r, v, statusOf(err), page)
	default:
		return err
	}
	for i := range page.Rows {
		page.Rows[i].Outcome = &outcomes[i].Validation
	}
	page.Checked = true
	return s.showForm(w, r, v, http.StatusOK, page)
}

// outcomes tries the roles that are typed. What is no role at all fails.
func (s *server) outcomes(ctx context.Context, v *visit, page *formPage, tell func(int, rolebroker.Validation), alive func()) ([]rolebroker.RoleValidation, error) {
	draft, wrong := page.integration()
	bad := map[string]string{}
	for _, f := range wrong {
		role, _, _ := strings.Cut(f.Path, ".")
		bad[role] = f.Message
	}
	explained := func(r rolebroker.RoleValidation) rolebroker.RoleValidation {
		if message, ok := bad["roles["+strconv.Itoa(r.Index)+"]"]; ok {
			r.Status, r.Code, r.Hint, r.RequestID = rolebroker.StatusFailed, rolebroker.ValidARNInvalid, nil, ""
			r.Message = message
		}
		return r
	}
	how := broker.Validating{Alive: alive}
	if tell != nil {
		how.Tell = func(r rolebroker.RoleValidation) {
			r = explained(r)
			tell(r.Index, r.Validation)
		}
	}
	results, _, err := s.Broker.ValidateDraft(ctx, v.who, draft, how)
	for i := range results {
		results[i] = explained(results[i])
	}
	return results, err
}

// outcomeLine is one line of what validateForm answers: a role's outcome as
// HTML, as soon as it is known, and in the last line what stands at the foot.
type outcomeLine struct {
	Row  int    `json:"row"`  // -1: the foot
	Tone string `json:"tone"` // of the role; of all, where it is the foot
	HTML string `json:"html"`
}

// validateForm answers, line by line, what comes of trying the roles of a form.
// It is for the script; the button alone does the same for the whole page.
func (s *server) validateForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, r.FormValue("id"))
	if err != nil {
		return err
	}
	page.Now = s.Now()
	lines := json.NewEncoder(w)
	begin := func() {
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("X-Accel-Buffering", "no") // or nginx keeps the outcomes until the last has come
	}
	write := func(row int, tone, part string, data any) {
		var html strings.Builder
		if err := pages()["form"].ExecuteTemplate(&html, part, data); err != nil {
			s.Log.ErrorContext(r.Context(), "web app: rendering an outcome", "cause", err)
			return
		}
		begin()
		_ = lines.Encode(outcomeLine{row, tone, html.String()}) // the client may be gone: then the validation ends
		_ = http.NewResponseController(w).Flush()
	}
	results, err := s.outcomes(r.Context(), v, page, func(i int, outcome rolebroker.Validation) {
		row := page.Rows[i]
		row.Index, row.Outcome = i, &outcome
		write(i, tone(outcome.Status), "outcome", row)
	}, func() {
		begin()
		_, _ = io.WriteString(w, "\n")
		_ = http.NewResponseController(w).Flush()
	})
	if err != nil {
		return err
	}
	for i := range results {
		page.Rows[i].Outcome = &results[i].Validation
	}
	page.Checked = true
	all := "off"
	if page.Works() {
		all = "good"
	}
	write(-1, all, "foot", page)
	return nil
}

// setupOfForm is the part of the form that says what to do in AWS, for the
// roles that are typed by now.
func (s *server) setupOfForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, r.FormValue("id"))
	if err != nil {
		return err
	}
	page.base = base{Who: v.who, Now: s.Now()}
	if err := s.offerRunners(r.Context(), v, page); err != nil {
		return err
	}
	switch err := s.setUp(r.Context(), v, page); rolebroker.CodeOf(err) {
	case "":
		return s.renderPart(w, http.StatusOK, "form", "follow", page)
	case rolebroker.CodeInvalid:
		w.WriteHeader(http.StatusNoContent) // the form was just saved; what is there stays
		return nil
	default:
		return err
	}
}

// query is an address with a query, for templates.
func query(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + values.Encode()
}
