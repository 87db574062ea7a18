package rolebroker_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

const clusterA = "https://oidc.example.com/id/A"

func bindingTo(agent, namespace, name, labels string) rolebroker.Token {
	parsed, err := rolebroker.ParseLabels(labels)
	if err != nil {
		panic(err)
	}
	return rolebroker.Token{ID: rolebroker.TokenID("bnd_" + agent), Agent: rolebroker.AgentID(agent), Labels: parsed,
		Account: rolebroker.ServiceAccount{Issuer: clusterA, Namespace: namespace, Name: name}}
}

// The most exact binding of a service account counts, and no other stands in for it.
func TestTheMostExactBindingCounts(t *testing.T) {
	all := []rolebroker.Token{
		bindingTo("everyone", "agents", "*", ""),
		bindingTo("ml", "agents", "*", "team=ml"),
		bindingTo("batch", "agents", "*", "kind=batch,tier=a"),
		bindingTo("ml", "agents", "*", "kind=online"),
		bindingTo("scout", "agents", "scout", ""),
	}
	for _, c := range []struct{ issuer, namespace, name, labels, agent string }{
		{clusterA, "agents", "scout", "", "scout"},
		{clusterA, "agents", "scout", "team=ml", "scout"},
		{clusterA, "agents", "other", "", "everyone"},
		{clusterA, "agents", "other", "team=web", "everyone"},
		{clusterA, "agents", "other", "team=ml,app=x", "ml"},
		{clusterA, "agents", "other", "kind=batch", "everyone"},
		{clusterA, "agents", "other", "kind=batch,tier=a", "batch"},
		{clusterA, "agents", "other", "kind=online,team=ml", "ml"}, // two bindings of one agent
		{clusterA, "agents", "other", "kind=batch,tier=a,team=ml", "conflict"},
		{clusterA, "elsewhere", "scout", "team=ml", "not_found"},
		{clusterA + "/", "agents", "scout", "team=ml", "not_found"},
		{clusterA, "agents", "scout2", "", "everyone"},
	} {
		labels, err := rolebroker.ParseLabels(c.labels)
		if err != nil {
			t.Fatal(err)
		}
		if labels == nil {
			labels = rolebroker.Labels{}
		}
		got, err := rolebroker.BindingOf(all,
			rolebroker.ServiceAccount{Issuer: c.issuer, Namespace: c.namespace, Name: c.name}, labels)
		if said := string(rolebroker.CodeOf(err)); err != nil && said != c.agent {
			t.Errorf("%+v: %v", c, err)
		} else if err == nil && string(got.Agent) != c.agent {
			t.Errorf("%+v is %s", c, got.Agent)
		}
	}
	if _, err := rolebroker.BindingOf(all[4:], rolebroker.ServiceAccount{Issuer: clusterA, Namespace: "agents",
		Name: "other"}, nil); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("a binding by name is of others too: %v", err)
	}
}

// Where the labels of a service account cannot be read, no wider binding stands in for one by labels.
func TestUnknownLabelsGiveNoOtherAgent(t *testing.T) {
	all := []rolebroker.Token{
		bindingTo("everyone", "agents", "*", ""),
		bindingTo("ml", "agents", "*", "team=ml"),
		bindingTo("scout", "agents", "scout", ""),
		bindingTo("one", "solo", "*", ""),
		bindingTo("one", "solo", "*", "team=ml"),
		bindingTo("plain", "plain", "*", ""),
		bindingTo("ml", "labelled", "*", "team=ml"),
	}
	for _, c := range []struct{ namespace, name, agent string }{
		{"agents", "other", "conflict"},
		{"agents", "scout", "scout"}, // by its name
		{"solo", "other", "one"},     // either way
		{"plain", "other", "plain"},
		{"labelled", "other", "conflict"},
		{"elsewhere", "other", "not_found"},
	} {
		got, err := rolebroker.BindingOf(all,
			rolebroker.ServiceAccount{Issuer: clusterA, Namespace: c.namespace, Name: c.name}, nil)
		if said := string(rolebroker.CodeOf(err)); err != nil && said != c.agent {
			t.Errorf("%+v: %v", c, err)
		} else if err == nil && string(got.Agent) != c.agent {
			t.Errorf("%+v is %s", c, got.Agent)
		}
	}
}

func TestCheckBinding(t *testing.T) {
	for _, good := range []rolebroker.Token{
		bindingTo("a", "agents", "scout", ""), bindingTo("a", "agents", "*", ""), bindingTo("a", "agents", "*", "a=b"),
		bindingTo("a", "agents", "*", "example.com/team=ml,app.kubernetes.io/name=x_1,empty="),
	} {
		if err := good.CheckBinding(); err != nil {
			t.Errorf("%s: %v", good.Selects(), err)
		}
	}
	for field, bad := range map[string]rolebroker.Token{
		"namespace":       bindingTo("a", "*", "*", ""),
		"service_account": bindingTo("a", "agents", "sc*", ""),
		"labels":          bindingTo("a", "agents", "scout", "a=b"),
	} {
		err := bad.CheckBinding()
		if fields := rolebroker.AsError(err).Fields; len(fields) != 1 || fields[0].Path != field {
			t.Errorf("%s: %v", bad.Selects(), err)
		}
	}
	for _, labels := range []string{"=b", "a=b c", "a b=c", "/x=1", "A_/x=1", "a=" + strings.Repeat("x", 64),
		"-a=1", "a=1-", "a=1\x00", "a='"} {
		bad := bindingTo("a", "agents", "*", labels)
		if bad.CheckBinding() == nil {
			t.Errorf("%q are labels", labels)
		}
	}
	if (rolebroker.ServiceAccount{Issuer: clusterA, Namespace: "agents", Name: "*"}).Check() == nil {
		t.Error("a pod can be every service account")
	}
	for _, bad := range []string{"a", "a=1,a=2", "a=1,,b=2", ","} {
		if _, err := rolebroker.ParseLabels(bad); err == nil {
			t.Errorf("%q is parsed", bad)
		}
	}
}
