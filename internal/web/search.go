package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// searches is the part of the broker that finds everything.
type searches interface {
	Search(ctx context.Context, who rolebroker.Caller, text string) (found []rolebroker.Found, only *rolebroker.Found,
		err error)
}

// searchPage is what a search of everything found.
type searchPage struct {
	base
	Query  string
	Groups []foundGroup
}

// foundGroup is what was found of one kind.
type foundGroup struct {
	Title string
	All   string // the address of the list that has them all; empty: there is none
	Rows  []foundRow
}

// foundRow is one thing that was found.
type foundRow struct {
	rolebroker.Found
	Address string
}

// foundKinds are the groups in the order of the page.
var foundKinds = []struct {
	kind  rolebroker.Kind
	title string
	list  string // the address that can be searched
}{
	{rolebroker.KindIntegration, "Integrations", "/integrations"}, {rolebroker.KindRole, "Roles", "/integrations"},
	{rolebroker.KindAgent, "Agents", "/agents"}, {rolebroker.KindRunner, "Runners", "/runners"},
	{rolebroker.KindSession, "Sessions", ""}, {rolebroker.KindAccessRequest, "Access requests", ""},
	{rolebroker.KindCall, "Calls", ""}, {rolebroker.KindEvent, "Activity", ""}, {rolebroker.KindToken, "Tokens", ""},
	{rolebroker.KindAPIKey, "API keys", ""}, {rolebroker.KindApprovalRule, "Approval rules", ""},
}

// search shows what a search found. A whole ID leads to what has it, unless the search is shown while people type.
func (s *server) search(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := searchPage{Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	found, only, err := s.Broker.Search(r.Context(), v.who, page.Query)
	if err != nil {
		return err
	}
	if only != nil && r.Header.Get("HX-Request") == "" {
		return to(w, r, addressOfFound(only))
	}
	for _, of := range foundKinds {
		group := foundGroup{Title: of.title}
		for i := range found {
			if found[i].Kind == of.kind {
				group.Rows = append(group.Rows, foundRow{found[i], addressOfFound(&found[i])})
			}
		}
		if of.list != "" && len(group.Rows) > 1 {
			group.All = query(of.list, "search", page.Query)
		}
		if len(group.Rows) > 0 {
			page.Groups = append(page.Groups, group)
		}
	}
	page.base = s.base(r, v, "Search", "")
	return s.render(w, http.StatusOK, "search", page)
}

// addressOfFound is the page that shows what was found.
func addressOfFound(f *rolebroker.Found) string {
	switch f.Kind {
	case rolebroker.KindToken:
		return pageOf(rolebroker.KindAgent, f.In) + "/tokens"
	case rolebroker.KindAPIKey:
		return "/settings#keys"
	case rolebroker.KindCall:
		return query("/calls", "session", f.In)
	case rolebroker.KindEvent:
		return query(auditPath, "request_id", f.In)
	}
	return pageOf(f.Kind, f.ID)
}

// Kinds is what a person may search for, for the page without results.
func (p searchPage) Kinds() string {
	var all []string
	for _, of := range foundKinds {
		all = append(all, strings.ToLower(of.title[:1])+of.title[1:])
	}
	all[slices.Index(all, "aPI keys")] = "API keys"
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
