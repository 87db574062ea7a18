package web

import (
	"context"
	"net/http"

	"github.com/rolebroker/rolebroker"
)

// roleHead is what the pages of a role have. Its integration has a page of its own.
type roleHead struct {
	rolesPage
	Role roleLine
}

// headOfRole makes the head of a page of the role that the request is about.
func (s *server) headOfRole(r *http.Request, v *visit, chosen string) (h roleHead, err error) {
	id := rolebroker.RoleID(r.PathValue("role"))
	in, err := s.Broker.IntegrationOfRole(r.Context(), v.who, id)
	if err != nil {
		return h, err
	}
	if h.integrationTab, err = s.tabOfIntegration(r, v, in, ""); err != nil {
		return h, err
	}
	if err := s.Broker.AddHints(r.Context(), v.who, in, id); err != nil {
		return h, err
	}
	role := in.Role(string(id))
	h.Role = h.line(role)
	h.Title, h.Name, h.State = in.Name+"/"+role.Name, role.Name, h.Role.State
	h.List = link{in.Name, pageOf(rolebroker.KindIntegration, in.ID)}
	h.Tabs = tabsOf(pageOf(rolebroker.KindRole, id), chosen,
		tab{link: link{"Overview", ""}}, tab{link: link{"Activity", "activity"}})
	return h, nil
}

// rolePage is a role to read: whether it works and why not, what it is, and who may borrow it.
type rolePage struct {
	roleHead
	Borrowers []connectedAgent // the agents that may borrow it, by name
	More      int              // agents that are not among them
}

func (s *server) showRole(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	var page rolePage
	if page.roleHead, err = s.headOfRole(r, v, ""); err != nil {
		return err
	}
	if err := s.addBorrowers(r.Context(), v, &page); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "role", page)
}

// addBorrowers adds the agents that may borrow the role.
func (s *server) addBorrowers(ctx context.Context, v *visit, page *rolePage) error {
	agents, err := s.connectedTo(ctx, v, page.In.ID)
	for i := range agents {
		c := agents[i].Connection(page.In.ID)
		if c == nil || !c.Includes(rolebroker.RoleID(page.Role.ID)) {
			continue
		}
		if len(page.Borrowers) == pageSize {
			page.More++
			continue
		}
		page.Borrowers = append(page.Borrowers, rowOfConnected(&agents[i], c, page.Now))
	}
	return err
}

// roleActivityPage has the events about a role.
type roleActivityPage struct {
	roleHead
	Activity activity
}

func (s *server) showRoleActivity(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	var page roleActivityPage
	if page.roleHead, err = s.headOfRole(r, v, "activity"); err != nil {
		return err
	}
	address := pageOf(rolebroker.KindRole, page.Role.ID) + "/activity"
	if page.Activity, err = s.activityOf(r, v, page.Role.ID, address); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "role-activity", page)
}
