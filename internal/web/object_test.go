package web

import "testing"

func TestTabsLeadToThePagesBelow(t *testing.T) {
	tabs := tabsOf("/integrations/int_1", "setup",
		tab{link: link{"Roles", ""}, Count: 3}, tab{link: link{"AWS setup", "setup"}})
	if tabs[0].Address != "/integrations/int_1" || tabs[0].Chosen {
		t.Errorf("the first page is %+v", tabs[0])
	}
	if tabs[1].Address != "/integrations/int_1/setup" || !tabs[1].Chosen {
		t.Errorf("the second page is %+v", tabs[1])
	}
}
