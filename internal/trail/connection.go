package trail

import (
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// ChangesConnection reports whether a record is of a change of an agent's connection to an integration, which had one of
// the names. The record of a change of an agent as a whole has its connections by name only.
func ChangesConnection(record []byte, id rolebroker.IntegrationID, names map[string]bool) bool {
	e, err := Event(record)
	if err != nil || e.Outcome != string(rolebroker.OutcomeDone) {
		return false
	}
	if e.Action == string(rolebroker.ActionAgentConnect) && slices.ContainsFunc(e.Subjects,
		func(s api.AuditSubject) bool { return s.ID == string(id) }) {
		return true
	}
	for name := range names {
		_, had := e.Before["connections."+name]
		_, has := e.After["connections."+name]
		if had || has || connects(e.Before, name) != connects(e.After, name) {
			return true
		}
	}
	return false
}

// connects reports whether the connections of an agent, as its facts have them, have an integration.
func connects(facts map[string]string, integration string) bool {
	return slices.Contains(strings.Split(facts["connections"], ", "), integration)
}
