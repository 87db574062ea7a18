package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/roleimport"
)

// formPage is the form of an AWS integration: five steps on one page. It keeps
// everything that was typed, valid or not. The files form_*.go have one story
// each: reading the fields, validating roles, the setup in AWS, choosing a runner,
// saving.
type formPage struct {
	base
	ID             string // empty for a new integration
	Version        int64  // the version that the form was made from; 0 for a new integration
	Saved          string // the saved name
	Name           string
	Description    string
	Enabled        bool // as it is saved; the buttons beside the title change it, not the form
	Mode           rolebroker.AssumptionMode
	Modes          []rolebroker.ModeAdvice
	Runner         string // the ID of the chosen runner, in cluster mode; empty: none
	NewRunner      string // the name of a runner to create, as it was typed
	ExternalID     string
	NextExternalID string // the external ID that a rotation changes to; empty without a rotation
	SessionTags    bool
	SourceIdentity bool
	Default        int // index of the default role; -1: none is chosen
	Rows           []roleRow
	Several        string // a list of roles to add, as it was pasted
	Find           string // rows that are closed and do not have this text are hidden
	Failing        bool   // rows that are closed and do not fail are hidden

	Errors      map[string]string   // by field, as in "name" or "roles[2].arn"
	Problem     string              // what is wrong with the form as a whole; empty: nothing
	Was         fieldValues         // what the form was made from; nil: not known
	Saving      bool                // the errors are why nothing was saved
	Added       []string            // what became of a pasted list, as sentences
	Skipped     []roleimport.Remark // what of the list was not added
	Stale       bool                // someone else has saved the integration since
	Conflicts   []conflict          // what both changed, while Stale
	asked       []string            // the fields that an earlier answer asked about: Conflicts, until they are decided
	Checked     bool                // the roles were just validated
	Setup       *rolebroker.Setup
	Merging     merging
	Trust       string // the trust policy for a runner with its own AWS identity; empty: Setup has it
	Runners     []rolebroker.Runner
	Chosen      *rolebroker.Runner // the chosen one of Runners; nil: none
	RunnerState state              // of Chosen
	Agents      audience           // connected agents

	stored *rolebroker.Integration // as it is saved; nil: it was not read yet
}

// roleRow is one role as it is typed.
type roleRow struct {
	Index      int
	Place      int    // among the rows of the form that was sent
	Open       bool   // its fields are shown
	Hidden     bool   // the filter leaves it out
	Brief      bool   // its outcome is shown in a few words, because so many fail
	Says       bool   // there is more to say of its outcome, or why it has none, than the badge does
	ID         string // empty for a new role
	Name       string
	ARN        string
	Region     string
	Duration   string // as in 1h; empty for the default
	Enabled    bool
	Default    bool
	Removable  bool                   // the person who sees the form may remove the role
	Confirming bool                   // the form asks whether to remove the role
	Agents     audience               // that would lose it
	Outcome    *rolebroker.Validation // nil: not known
	Tone, Word string                 // of Outcome, for its badge
	Why        string                 // what Outcome says in a few words; empty: a row above says it
	Errors     map[string]string      // by field, as in "arn"
	State      *rolebroker.RoleState  // of the saved role, which Outcome is from; nil: the role was just tried
	Checked    moment                 // when AWS answered so
	Waits      string                 // why a runner has not found it out; empty otherwise
	Trying     bool                   // the runner is trying the role
}

// Evidence says what Outcome was found out from, as in "refused to scout".
func (r roleRow) Evidence() string {
	if r.State == nil {
		return "checked"
	}
	return evidence(*r.State)
}

// Since is since when the role fails; empty: it works, or that is not known, or it is as long as since Checked.
func (r roleRow) Since() string {
	s := r.State
	if s == nil || s.Status != rolebroker.StatusFailed || s.Since.IsZero() || s.CheckedAt.Sub(s.Since) < time.Minute {
		return ""
	}
	return rolebroker.DurationInWords(s.CheckedAt.Sub(s.Since))
}

// Number is the number of the row for people.
func (r roleRow) Number() int { return r.Index + 1 }

// New returns whether the integration is not saved yet.
func (p *formPage) New() bool { return p.ID == "" }

// WasText is what the form was made from, for the form to carry.
func (p *formPage) WasText() string {
	if p.New() {
		return ""
	}
	return p.Was.SmallText()
}

// Back is the address that the form leads to without saving.
func (p *formPage) Back() string {
	if p.New() {
		return "/integrations"
	}
	return pageOf(rolebroker.KindIntegration, p.ID)
}

// Action is the address that the form is sent to.
func (p *formPage) Action() string {
	if p.New() {
		return "/integrations/new/aws"
	}
	return pageOf(rolebroker.KindIntegration, p.ID) + "/edit"
}

// awsRegions are the regions of AWS that people can have.
//
// Source: the SDKs' partitions.json.
var awsRegions = strings.Fields(`us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 ca-west-1 mx-central-1
	eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2
	ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
	ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7
	af-south-1 il-central-1 me-central-1 me-south-1 me-west-1 sa-east-1 sa-west-1
	us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1 eusc-de-east-1`)

// Regions are suggestions; people may type other regions.
func (p *formPage) Regions() []string { return awsRegions }

// UnknownRegion returns whether the region has the form of one, and AWS does not list it.
func (r roleRow) UnknownRegion() bool {
	return rolebroker.CheckRegion(rolebroker.Region(r.Region), "") == nil && !slices.Contains(awsRegions, r.Region)
}

// Platform returns whether the platform assumes the roles.
func (p *formPage) Platform() bool { return p.Mode != rolebroker.ModeCluster }

// Open counts the selected roles that cannot be assumed, as far as that is known.
func (p *formPage) Open() int {
	return p.count(func(r roleRow) bool { return r.Enabled && r.Outcome != nil && !r.Outcome.Status.Works() })
}

// Unchecked counts the selected roles that were not tried.
func (p *formPage) Unchecked() int {
	return p.count(func(r roleRow) bool { return r.Enabled && r.Outcome == nil })
}

// Selected counts the selected roles.
func (p *formPage) Selected() int { return p.count(func(r roleRow) bool { return r.Enabled }) }

func (p *formPage) count(is func(roleRow) bool) (n int) {
	for _, r := range p.Rows {
		if is(r) {
			n++
		}
	}
	return n
}

// Named, Written and Works return whether the steps of the name, of the roles and
// of validating them are complete.
func (p *formPage) Named() bool {
	return p.Name != "" && p.Errors["name"] == "" && p.Errors["description"] == ""
}
func (p *formPage) Written() bool {
	return len(p.Rows) > 0 && p.count(func(r roleRow) bool { return r.ARN == "" || r.Name == "" }) == 0
}
func (p *formPage) Works() bool {
	return p.Written() && p.Selected() > 0 && p.Open() == 0 && p.Unchecked() == 0
}

// newIntegration shows the empty form, with the external ID that was reserved for
// it.
func (s *server) newIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	externalID := r.URL.Query().Get("external_id")
	if externalID == "" {
		return to(w, r, "/integrations/new")
	}
	region, err := s.Broker.UsualRegion(r.Context(), v.who)
	if err != nil {
		return err
	}
	page := &formPage{ExternalID: externalID, Enabled: true, Mode: rolebroker.ModePlatform, SourceIdentity: true,
		Rows: []roleRow{{Enabled: true, Open: true, Region: string(region)}}}
	return s.showForm(w, r, v, http.StatusOK, page)
}

// editIntegration shows the form of a saved integration. People who may not change it are led to the page to read.
func (s *server) editIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	if v.who.MayWrite() != nil {
		return to(w, r, pageOf(rolebroker.KindIntegration, r.PathValue("integration")))
	}
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	if len(in.Roles) > maxRows {
		edit := "rolebroker integration show %[1]s -o yaml > %[1]s.yaml\nrolebroker integration update %[1]s -f " +
			"%[1]s.yaml"
		return rolebroker.Errorf(rolebroker.CodeInvalid, "integration %s has %d roles, and this page takes %d",
			in.Name, len(in.Roles), maxRows).
			WithSteps(rolebroker.Step{Text: "change it with", Command: fmt.Sprintf(edit, in.Name)})
	}
	page := formOf(in)
	page.stored = in
	return s.showForm(w, r, v, http.StatusOK, page)
}

// showForm adds to the form everything that people do not type, and shows it.
func (s *server) showForm(w http.ResponseWriter, r *http.Request, v *visit, status int, page *formPage) error {
	title := "Connect AWS"
	if !page.New() {
		title = "Edit " + page.Saved
	}
	page.base, page.Modes = s.base(r, v, title, "integrations"), rolebroker.Modes()
	if err := s.addRunners(r.Context(), v, page); err != nil {
		return err
	}
	page.keepConflicts()
	if err := s.addOutcomes(r.Context(), v, page); err != nil {
		return err
	}
	page.showRows()
	if err := s.addFixes(r.Context(), v, page); err != nil {
		return err
	}
	if err := s.addSetup(r.Context(), v, page); err != nil {
		return err
	}
	if err := s.addAgents(r, v, page); err != nil {
		return err
	}
	return s.render(w, status, "form", page)
}

// maxFixes is how many failing roles show all of their outcome, with the fix. The others show it when they are opened.
const maxFixes = 4

// showRows decides how each row is shown.
func (p *formPage) showRows() {
	errors := errorsOf(p.Errors, len(p.Rows))
	fixes, said := 0, map[rolebroker.ValidationCode]bool{} // causes, which a row above says in full
	for i := range p.Rows {
		row := &p.Rows[i]
		row.Index, row.Place, row.Default, row.Removable = i, i, i == p.Default, p.MayWrite()
		row.Errors = errors[i]
		if row.State != nil {
			row.Checked = when(row.State.CheckedAt, p.Now)
		}
		if row.ID != "" {
			row.Open = row.Open || !row.sameAs(p.Was)
		}
		row.Open = row.Open || len(row.Errors) > 0 || row.Confirming || row.ID == "" && row.incomplete()
		row.Hidden = !row.Open && !p.matches(row)
		if row.Outcome != nil && row.Outcome.Status != rolebroker.StatusAssumable {
			fixes++
			row.Brief = fixes > maxFixes && !row.Open
			if row.Brief && row.Enabled && said[row.Outcome.Code] {
				row.Why = ""
			}
			said[row.Outcome.Code] = said[row.Outcome.Code] || !row.Brief
		}
		row.Says = row.Waits != "" ||
			row.Outcome != nil && (row.Open || row.Outcome.Status != rolebroker.StatusAssumable)
	}
}

// incomplete reports whether a text field that is required is empty.
func (r *roleRow) incomplete() bool { return r.Name == "" || r.ARN == "" || r.Region == "" }

// matches reports whether a row is among those that people look for.
func (p *formPage) matches(row *roleRow) bool {
	text := strings.ToLower(row.Name + " " + row.ARN + " " + row.Region)
	failing := row.Outcome != nil && row.Outcome.Status == rolebroker.StatusFailed
	return strings.Contains(text, strings.ToLower(p.Find)) && (failing || !p.Failing)
}

// Filtered returns whether the rows are filtered.
func (p *formPage) Filtered() bool { return p.Find != "" || p.Failing }

// Shown counts the rows that the filter leaves.
func (p *formPage) Shown() int { return p.count(func(r roleRow) bool { return !r.Hidden }) }

// DefaultOff returns whether the default role is not selected.
func (p *formPage) DefaultOff() bool {
	return p.Default >= 0 && p.Default < len(p.Rows) && !p.Rows[p.Default].Enabled
}

// FaultsTitle says what the errors of the form prevent.
func (p *formPage) FaultsTitle() string {
	switch {
	case p.Saving:
		return "Nothing was saved"
	case p.New():
		return "It cannot be created yet"
	}
	return "It cannot be updated yet"
}

// DefaultName names a role in the choice of the default role.
func (r roleRow) DefaultName() string {
	name := cmp.Or(r.Name, fmt.Sprintf("Role %d, which has no name yet", r.Number()))
	if !r.Enabled {
		name += " (not selected)"
	}
	return name
}

// addAgents adds the names of agents that are connected.
func (s *server) addAgents(r *http.Request, v *visit, page *formPage) (err error) {
	if page.New() {
		return nil
	}
	in := &rolebroker.Integration{ID: rolebroker.IntegrationID(page.ID), Name: page.Saved}
	if page.Agents, err = s.agentsOf(r.Context(), v, in); err != nil {
		return err
	}
	for i := range page.Rows {
		page.Rows[i].Agents = page.Agents
	}
	return nil
}

// errorsOf are the errors of the fields of each of n roles.
func errorsOf(all map[string]string, n int) []map[string]string {
	found := make([]map[string]string, n)
	for path, message := range all {
		rest, ofRole := strings.CutPrefix(path, "roles[")
		number, field, _ := strings.Cut(rest, "].")
		i, err := strconv.Atoi(number)
		if !ofRole || err != nil || i < 0 || i >= n {
			continue
		}
		if found[i] == nil {
			found[i] = map[string]string{}
		}
		found[i][field] = message
	}
	return found
}

// rolePath is the path of a field of role i, as in roles[2].arn.
func rolePath(i int, field string) string { return "roles[" + strconv.Itoa(i) + "]." + field }
