package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// roleProgress is one line of the answer to the script that validates roles: the state of a role, how far the
// validation is, or where it ended.
type roleProgress struct {
	Role string `json:"role,omitempty"` // the ID of the role that was tried
	Tone string `json:"tone,omitempty"` // of its state
	Word string `json:"word,omitempty"` // its state
	Done int    `json:"done"`           // how many roles were tried
	Of   int    `json:"of"`             // how many roles are
	Says string `json:"says,omitempty"` // the same in words, with what fails
	To   string `json:"to,omitempty"`   // the page that has the result; empty: there are other lines
}

// progressWriter sends a line for each role as soon as its outcome is known.
type progressWriter struct {
	lineWriter
	done, of int
	failed   []string        // names of roles that cannot be assumed
	again    map[string]bool // roles that are tried again
}

// watches returns whether a script waits for the lines of a validation. Without a script the answer is the page with
// the result.
func watches(r *http.Request) bool { return r.Header.Get("Accept") == lineType }

func newProgressWriter(w http.ResponseWriter, roles int) *progressWriter {
	return &progressWriter{lineWriter: lineWriter{w: w}, of: roles, again: map[string]bool{}}
}

// validating has the validation tell the script about each outcome.
func (p *progressWriter) validating() broker.Validating {
	return broker.Validating{Tell: p.tell, Alive: p.alive}
}

func (p *progressWriter) tell(r rolebroker.RoleValidation) {
	line := roleProgress{Role: string(r.Role.ID), Tone: tone(r.Status), Word: word(r.Validation), Of: p.of}
	if r.Code == rolebroker.ValidTryingAgain {
		p.again[line.Role] = true
		line.Tone, line.Word = "off", "trying again"
	} else {
		delete(p.again, line.Role)
		p.done++
		if r.Status == rolebroker.StatusFailed {
			p.failed = append(p.failed, r.Role.Name)
		}
	}
	line.Done, line.Says = p.done, p.says()
	p.send(line)
}

// says is how far the validation is, as in "12 of 300 roles tried. 2 cannot be assumed: readonly and deployer."
func (p *progressWriter) says() string {
	const named = rolebroker.MaxTroubleRoles
	said := fmt.Sprintf("%d of %s tried.", p.done, plural(p.of, "role", "roles"))
	if n := len(p.failed); n > named {
		said += fmt.Sprintf(" %d cannot be assumed: %s and %d more.", n, strings.Join(p.failed[:named], ", "), n-named)
	} else if n > 0 {
		said += fmt.Sprintf(" %d cannot be assumed: %s.", n, andList(p.failed))
	}
	if n := len(p.again); n > 0 {
		said += fmt.Sprintf(" AWS denied %s, tried again for some seconds: a change in IAM takes that long.",
			plural(n, "other role", "other roles"))
	}
	return said
}

// end leads the script to the page with the result.
func (p *progressWriter) end(to string) {
	p.send(roleProgress{Done: p.of, Of: p.of, Says: "Done.", To: to})
}
