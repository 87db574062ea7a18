package setup

import (
	"fmt"
	"slices"
	"strings"
)

// deleted reports whether a principal is the unique ID of something in IAM. IAM shows
// the ID of a user or role in the place of its ARN after it was deleted, and then takes
// no policy that has it.
//
// Source: IAM User Guide, "IAM identifiers", "Unique identifiers"; "AWS JSON policy
// elements: Principal".
func deleted(principal string) bool {
	id, _, _ := strings.Cut(principal, ":") // a session follows
	foreign := func(r rune) bool { return !('A' <= r && r <= 'Z' || '0' <= r && r <= '9') }
	return len(id) >= 16 && strings.IndexFunc(id, foreign) < 0 && slices.Contains([]string{"ABIA", "ACCA", "AGPA",
		"AIDA", "AIPA", "AKIA", "ANPA", "ANVA", "APKA", "AROA", "ASCA", "ASIA"}, id[:4])
}

// of is w for one statement. Where that requires our external ID, a principal that was
// deleted is the identity that we had.
func (w desired) of(st *statement) desired {
	if !w.owns(st) {
		return w
	}
	ours := w.ours
	w.ours = func(name string) bool { return deleted(name) || ours(name) }
	return w
}

// owns reports whether a statement takes no other external ID than ours. Nobody else has
// one of ours.
func (w desired) owns(st *statement) bool {
	if w.kind != "AWS" || w.me == "" || st.deny || st.notPrincipal {
		return false
	}
	ids := w.demands[0]
	asked := st.on(ids.key)
	foreign := func(v string) bool { return !slices.Contains(ids.values, v) && !slices.Contains(ids.stale, v) }
	return len(asked) > 0 && !slices.ContainsFunc(asked, func(c condition) bool {
		return !c.compares() || len(c.values) == 0 || slices.ContainsFunc(c.values, foreign)
	})
}

// gone is the remark on a statement for a principal that was deleted.
func (w desired) gone(st *statement, ours bool) string {
	ids := st.named("AWS", deleted)
	if len(ids) == 0 {
		return ""
	}
	verb := "trusts"
	if st.deny || st.notPrincipal {
		verb = "names"
	}
	about := fmt.Sprintf("%s %s, which IAM shows for a user or role that was deleted.", verb, quoted(ids))
	switch {
	case ours:
		return about + " It requires our external ID: the new policy replaces it with our statement."
	case st.notPrincipal:
		return about + " IAM refuses the whole policy while it has that: in the current policy, put the ARN of the " +
			"successor there, and ask for the setup again."
	}
	return about + " IAM refuses the whole policy while it has that: in the current policy, put the ARN of the " +
		"successor there or take it out, with the statement if that has no other principal, and ask for the setup " +
		"again."
}

// quoted is a list of strings for a sentence.
func quoted(all []string) string {
	list := make([]string, len(all))
	for i, s := range all {
		list[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(list, ", ")
}
