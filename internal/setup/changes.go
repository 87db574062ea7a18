package setup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// changes says in words what merging does: the statements that are gone, those that trust others still but not us, and
// what is added.
func (w desired) changes(gone, less []*statement, added []any) (all []rolebroker.PolicyChange) {
	for _, st := range less {
		all = append(all, rolebroker.PolicyChange{Words: fmt.Sprintf(
			"Take %s out of the statement that also trusts %s.", w.trusted(st), andAll(w.othersIn(st)))})
	}
	var texts []string
	for _, one := range added {
		texts = append(texts, pretty(one))
	}
	this := map[bool]string{true: "this", false: "these"}[len(added) == 1]
	change := rolebroker.PolicyChange{Statement: strings.Join(texts, ",\n")}
	switch noun := theStatements(len(gone), w.trustedIn(gone)); {
	case len(gone) == 0 && len(added) == 0:
		return all
	case len(gone) == 0 && len(added) == 1:
		change.Words = "Add this statement:"
	case len(gone) == 0:
		change.Words = "Add these statements:"
	case len(added) == 0:
		change.Words = "Remove " + noun + ": another one suffices."
	default:
		change.Words = "Replace " + noun + " with " + this + ":"
	}
	return append(all, change)
}

// theStatements names statements by whom they trust.
func theStatements(n int, whom string) string {
	if n == 1 {
		return "the statement that trusts " + whom
	}
	return fmt.Sprintf("the %d statements that trust %s", n, whom)
}

// trustedIn names those of us whom the statements trust.
func (w desired) trustedIn(all []*statement) string {
	var names []string
	for _, st := range all {
		if name := w.trusted(st); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return andAll(names)
}

// trusted names those of us whom a statement trusts: an account by its ID.
func (w desired) trusted(st *statement) string {
	of := w.of(st)
	if w.kind != "AWS" {
		return w.who
	}
	var names []string
	for _, name := range st.named(of.kind, of.ours) {
		if deleted(name) {
			name += ", which was deleted"
		}
		names = append(names, short(name))
	}
	return andAll(names)
}

// othersIn names the others whom a statement trusts.
func (w desired) othersIn(st *statement) (names []string) {
	of := w.of(st)
	for _, p := range st.principals {
		if !of.isOurs(p) {
			names = append(names, visible(short(p.name)))
		}
	}
	return names
}

// short is a principal without what is the same for all accounts: 111122223333 for its root.
func short(principal string) string {
	if parts := strings.Split(principal, ":"); len(parts) == 6 && parts[2] == "iam" && parts[5] == "root" {
		return parts[4]
	}
	if principal == "*" {
		return "everyone"
	}
	return principal
}

// andAll is a list for a sentence. It shows five at most.
func andAll(names []string) string {
	if len(names) > 5 {
		names = append(slices.Clone(names[:4]), fmt.Sprintf("%d others", len(names)-4))
	}
	switch n := len(names); n {
	case 0:
		return "nobody"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
