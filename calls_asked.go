package rolebroker

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// AskedCall is a call to AWS that a person is asked about.
type AskedCall struct {
	Service   string    `json:"service"`
	Operation string    `json:"operation"`
	Region    Region    `json:"region"`
	Actions   []string  `json:"actions"`   // of IAM
	Resources []string  `json:"resources"` // ARNs; "*": there are more, or they are not known
	Level     CallLevel `json:"level"`
	Token     bool      `json:"token,omitempty"` // it is not sent: an AWS token is signed, with which anybody can send it
}

// Asked returns what a person is asked about the call.
func (c *Call) Asked() *AskedCall {
	return &AskedCall{Service: c.Service, Operation: c.Operation, Region: c.Region, Actions: c.Actions,
		Resources: c.Resources, Level: c.Level}
}

// String says what the call does, in one line.
func (c *AskedCall) String() string {
	what := strings.Join(c.Actions, " and ")
	if what == "" {
		what = c.Service + " " + c.Operation
	}
	on := strings.Join(c.Resources, " and ")
	if on == "" || on == "*" {
		on = "resources that the request does not name"
	}
	switch {
	case c.Token && c.Service == "s3":
		on += ", by a URL that works for whoever has it"
	case c.Token:
		on += ", by a token that works for whoever has it"
	}
	return what + " on " + on
}

// IsSame reports whether a person who decided about one of the calls decided about the other.
func (c *AskedCall) IsSame(other *AskedCall) bool { return c.Text() == other.Text() }

// Text returns the call as JSON; empty for nil. It is the same for a call that ParseAskedCall read: agents choose the
// names of resources, which need not be UTF-8.
func (c *AskedCall) Text() string {
	if c == nil {
		return ""
	}
	valid := *c
	valid.Resources = slices.Clone(c.Resources)
	for i, r := range valid.Resources {
		valid.Resources[i] = strings.ToValidUTF8(r, "\uFFFD")
	}
	text, err := json.Marshal(valid)
	if err != nil {
		panic("encoding plain strings: " + err.Error())
	}
	return string(text)
}

// ParseAskedCall reads what Text wrote.
func ParseAskedCall(text string) (*AskedCall, error) {
	if text == "" {
		return nil, nil
	}
	c := new(AskedCall)
	return c, json.Unmarshal([]byte(text), c)
}

// Only returns what an approval of the call and nothing else is narrowed to. The call may be made again. If it does not
// name all of its resources, they are any. ok is false for a nil call, and for one whose IAM actions are not known.
func (c *AskedCall) Only() (n Narrowed, ok bool) {
	if c == nil || len(c.Actions) == 0 {
		return Narrowed{}, false
	}
	n.Actions = c.Actions
	if len(c.Resources) > 0 && !slices.Contains(c.Resources, "*") {
		n.Resources = c.Resources
	}
	return n, true
}

// Narrowed is what an approval of writes or calls is narrowed to. The zero value is all of the task.
type Narrowed struct {
	Actions   []string // of IAM, such as dynamodb:PutItem; nil: any
	Resources []string // ARNs, in which * stands for any text; nil: any
}

// IsZero reports whether it narrows nothing.
func (n Narrowed) IsZero() bool { return n.Actions == nil && n.Resources == nil }

// Allows reports whether a call is among what the approval is for. A nil call is everything.
func (n Narrowed) Allows(c *AskedCall) bool {
	if c == nil {
		return n.IsZero()
	}
	every := func(asked, allowed []string, matches func(pattern, s string) bool) bool {
		return allowed == nil || len(asked) > 0 && !slices.ContainsFunc(asked, func(s string) bool {
			return !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, s) })
		})
	}
	return every(c.Actions, n.Actions, strings.EqualFold) && every(c.Resources, n.Resources, func(pattern, s string) bool {
		return s != "*" && glob(pattern, s)
	})
}

// Permits reports whether a call is among what the approval is for, of a request about another call; nil: about all of
// the task. One that is narrowed, and was not asked for a token, is for none.
func (n Narrowed) Permits(asked, c *AskedCall) bool {
	return n.Allows(c) && (c == nil || !c.Token || n.IsZero() || asked != nil && asked.Token)
}

// glob reports whether a text is like a pattern, in which * stands for any text and ${*} for the character.
func glob(pattern, s string) bool {
	pattern, s = strings.ReplaceAll(pattern, "${*}", "\x00"), strings.ReplaceAll(s, "${*}", "\x00")
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// check adds what is wrong to the problems of an approval.
func (n Narrowed) check(about Approval, p *problems) {
	const only = "can be narrowed only for a request about calls; this one is to borrow the role"
	if n.Actions != nil && !about.IsOfCalls() {
		p.add("actions", only)
	}
	if n.Resources != nil && !about.IsOfCalls() {
		p.add("resources", only)
	}
	for _, list := range []struct {
		path  string
		texts []string
		valid func(string) bool
		as    string
	}{
		{"actions", n.Actions, isAction, "an IAM action, as in dynamodb:PutItem"},
		{"resources", n.Resources, isResource, "an ARN, as in arn:aws:s3:::reports/*, with at most 5 *"},
	} {
		switch {
		case list.texts != nil && len(list.texts) == 0, len(list.texts) > MaxCallResources:
			p.add(list.path, "has %d; from 1 to %d are allowed", len(list.texts), MaxCallResources)
		case slices.ContainsFunc(list.texts, func(s string) bool { return !list.valid(s) }):
			p.add(list.path, "must each be %s", list.as)
		}
	}
}

func isAction(s string) bool {
	service, name, ok := strings.Cut(s, ":")
	return ok && service != "" && name != "" && len(s) <= 128 && !strings.ContainsAny(s, "*? \t\n")
}

func isResource(s string) bool {
	return strings.HasPrefix(s, "arn:") && len(s) <= 2048 && strings.Count(s, "*") <= 5 && checkDescription(s) == nil
}

// NeedsApprovalOf reports whether a person has to approve a call with the role.
func (g Grant) NeedsApprovalOf(c *AskedCall) bool {
	switch g.Connection.Approval {
	case ApprovalWrite:
		return c.Level.Changes()
	case ApprovalCall: // a token is for whoever has it
		return c.Token || !g.Connection.Exempts(c.Actions, c.Resources, g.Role.ARN)
	}
	return false
}

// MayCall returns the approval under which an agent may make a call for a task at a time; the zero value if it needs
// none. Of several it is the one that lasts longest. Codes: approval_required.
func (g *Grants) MayCall(grant Grant, task string, call *AskedCall, now time.Time) (OpenRequest, error) {
	if !grant.NeedsApprovalOf(call) {
		return OpenRequest{}, nil
	}
	var best, pending OpenRequest
	for i := range g.Requests {
		r := &g.Requests[i]
		switch {
		case r.About != grant.Connection.Approval || !r.covers(grant, task, now) || grant.Connection.under(r) == nil:
		case !r.Approved && (r.Call == nil && pending.ID == "" || r.Call != nil && r.Call.IsSame(call)):
			pending = *r
		case r.Approved && r.Narrowed.Permits(r.Call, call) && (best.ID == "" || r.Until.After(best.Until)):
			best = *r
		}
	}
	if best.ID != "" {
		return best, nil
	}
	return pending, g.uncalled(grant, task, call, pending)
}

// uncalled refuses a call that a person has to approve, and says how to ask, or which question is pending.
func (g *Grants) uncalled(grant Grant, task string, call *AskedCall, pending OpenRequest) error {
	does := "calls"
	if grant.Connection.Approval == ApprovalWrite {
		does = "changes"
	}
	e := Errorf(CodeApproval, "a person has to approve what agent %s %s with role %s%s: %s", g.Agent.Name, does,
		grant.Reference(), forTask(task), call)
	if pending.ID != "" {
		e.Message += "; access request " + string(pending.ID) + " waits for that"
		return e.WithSteps(Step{Text: "follow it, and try again once it is approved:",
			Command: "rolebroker request show " + string(pending.ID)})
	}
	return e.WithSteps(AskForCalls(grant.Reference(), task))
}

func forTask(task string) string {
	if task == "" {
		return ""
	}
	return " for task " + task
}

// AskAgain is what an agent does to ask again what a person denied or ended.
func (r *AccessRequest) AskAgain() Step {
	if r.Call == nil {
		return AskForCalls(r.Reference(), r.Task)
	}
	return Step{Text: "ask again for this call, and say what it is for:", Command: ShellCommand("rolebroker", "request",
		"--again", string(r.ID), "--reason", "REASON", "--wait", "10m")}
}

// AskForCalls is what an agent does to ask for leave to make calls.
func AskForCalls(role, task string) Step {
	ask := []string{"rolebroker", "request", role}
	if task != "" {
		ask = append(ask, "--task", task)
	}
	return Step{Text: "ask for it, and say what it is for:",
		Command: ShellCommand(append(ask, "--reason", "REASON", "--wait", "10m")...)}
}
