package rolebroker

import "strconv"

// AgentRefusal is what an agent wanted and was refused.
type AgentRefusal struct {
	Who     Caller // its name may be missing
	Action  Action
	Subject Subject // such as the role; zero: none was named
	Task    string
	Refusal *Error
	Times   int64   // how often, since the last one that was told
	Runner  Subject // which refused it; zero: the server did
}

// Event returns the audit event of the refusal, without its ID and time.
func (r AgentRefusal) Event() AuditEvent {
	facts := Facts{"task": ShowReference(r.Task)}
	if r.Times > 1 {
		facts["times"] = strconv.FormatInt(r.Times, 10)
	}
	event := AuditEvent{Actor: r.Who, Action: r.Action, Refusal: r.Refusal, After: facts.Without(nil)}
	for _, s := range []Subject{r.Subject, r.Runner} {
		if s != (Subject{}) {
			event.Subjects = append(event.Subjects, s)
		}
	}
	return event
}
