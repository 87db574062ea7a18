package learn

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

type statement struct {
	Effect   string
	Action   []string
	Resource []string
}

// document writes the resources of each action as an IAM policy: one statement for the actions of a service that have the
// same resources.
func document(resources map[string][]string) string {
	type group struct{ service, resources string }
	var statements []*statement
	groups := map[group]*statement{}
	for _, a := range slices.Sorted(maps.Keys(resources)) {
		service, _, _ := strings.Cut(a, ":")
		key := group{service, strings.Join(resources[a], " ")}
		if groups[key] == nil {
			groups[key] = &statement{Effect: "Allow", Resource: resources[a]}
			statements = append(statements, groups[key])
		}
		groups[key].Action = append(groups[key].Action, a)
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(struct {
		Version   string
		Statement []*statement
	}{"2012-10-17", statements}); err != nil {
		panic(err) // it has strings only
	}
	return strings.TrimSuffix(text.String(), "\n")
}
