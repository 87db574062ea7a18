package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// showOutcomes validates the typed roles and shows the form with the outcomes.
func (s *server) showOutcomes(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	outcomes, err := s.validate(r.Context(), v, page, broker.Validating{})
	switch rolebroker.CodeOf(err) {
	case "":
		if err := s.checkBefore(r.Context(), v, page); err != nil {
			return err
		}
		page.setOutcomes(outcomes)
		return s.showForm(w, r, v, http.StatusOK, page)
	case rolebroker.CodeThrottled, rolebroker.CodeUnavailable:
		page.Problem = sentence(rolebroker.AsError(err).Message)
		return s.showForm(w, r, v, statusOf(err), page)
	}
	return err
}

func (p *formPage) setOutcomes(outcomes []rolebroker.RoleValidation) {
	for i := range outcomes {
		p.Rows[i].setOutcome(&outcomes[i].Validation)
	}
	p.Checked = true
}

// validate tries to assume the typed roles. A role whose ARN or session duration
// cannot be parsed fails.
func (s *server) validate(
	ctx context.Context, v *visit, page *formPage, how broker.Validating,
) ([]rolebroker.RoleValidation, error) {
	page.dropBlank()
	draft, wrong := page.integration()
	messages := map[string]string{} // by the path of a role, as in roles[2]
	for _, f := range wrong {
		role, _, _ := strings.Cut(f.Path, ".")
		messages[role] = f.Message
	}
	explain := func(r rolebroker.RoleValidation) rolebroker.RoleValidation {
		if message, ok := messages[strings.TrimSuffix(rolePath(r.Index, ""), ".")]; ok {
			r.Validation = rolebroker.Validation{
				Status:    rolebroker.StatusFailed,
				Code:      rolebroker.ValidARNInvalid,
				Message:   message,
				CheckedAt: r.CheckedAt,
				CheckedBy: r.CheckedBy,
			}
		}
		return r
	}
	if tell := how.Tell; tell != nil {
		how.Tell = func(r rolebroker.RoleValidation) { tell(explain(r)) }
	}
	results, _, err := s.Broker.ValidateDraft(ctx, v.who, draft, how)
	for i := range results {
		results[i] = explain(results[i])
	}
	return results, err
}

// outcomeLine is one line of the answer of validateForm: the outcome of one role,
// as HTML, or the foot of the form.
type outcomeLine struct {
	Row  int    `json:"row"`  // its place in the form; -1: the foot
	Tone string `json:"tone"` // of the outcome; in the foot: of all outcomes; "again": the outcome follows
	HTML string `json:"html"`
}

// validateForm answers with one line for each role of the form, as soon as its
// outcome is known, and with the foot at the end. The script reads the lines; without
// a script the button shows the whole form with showOutcomes.
func (s *server) validateForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, r.FormValue("id"))
	if err != nil {
		return err
	}
	page.Now = s.Now()
	lines := &outcomeWriter{lineWriter: lineWriter{w: w}, s: s, r: r}
	results, err := s.validate(r.Context(), v, page, broker.Validating{
		Alive: lines.alive,
		Tell: func(result rolebroker.RoleValidation) {
			if result.Code == rolebroker.ValidTryingAgain {
				lines.write(page.Rows[result.Index].Place, "again", "again", result.Validation)
				return
			}
			row := page.Rows[result.Index]
			row.Index = result.Index
			row.setOutcome(&result.Validation)
			lines.write(row.Place, tone(result.Status), "outcome", row)
		},
	})
	if err != nil {
		return err
	}
	if err := s.checkBefore(r.Context(), v, page); err != nil {
		return err
	}
	page.setOutcomes(results)
	if err := s.addChosen(r.Context(), v, page); err != nil {
		return err
	}
	all := "off"
	if page.Works() && len(page.Errors) == 0 {
		all = "good"
	}
	lines.write(-1, all, "foot", page)
	return nil
}

// outcomeWriter writes outcome lines and sends each at once.
type outcomeWriter struct {
	lineWriter
	s *server
	r *http.Request
}

func (o *outcomeWriter) write(row int, tone, part string, data any) {
	var html strings.Builder
	if err := pages()["form"].ExecuteTemplate(&html, part, data); err != nil {
		o.s.Log.ErrorContext(o.r.Context(), "web app: rendering an outcome", "cause", err)
		return
	}
	o.send(outcomeLine{row, tone, isolated(html.String())})
}

// lineType is the media type of lines of JSON.
const lineType = "application/x-ndjson"

// lineWriter sends lines of JSON to a script, each at once.
type lineWriter struct {
	w     http.ResponseWriter
	begun bool // something was sent
}

func (l *lineWriter) send(line any) {
	l.begin()
	_ = json.NewEncoder(l.w).Encode(line) // a client that is gone ends the validation
	l.flush()
}

// alive sends an empty line, so that proxies keep the connection open.
func (l *lineWriter) alive() {
	l.begin()
	_, _ = io.WriteString(l.w, "\n")
	l.flush()
}

func (l *lineWriter) begin() {
	l.begun = true
	l.w.Header().Set("Content-Type", lineType)
	l.w.Header().Set("X-Accel-Buffering", "no") // else nginx holds the lines back until the last one
}

func (l *lineWriter) flush() { _ = http.NewResponseController(l.w).Flush() }
