package rolebroker_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

func TestASetupRequestHasDefaults(t *testing.T) {
	want := rolebroker.SetupRequest{ // whether a form of principal was asked for is not lost
		Cluster: rolebroker.ClusterIdentity{Variant: rolebroker.ClusterIRSA, Namespace: "rolebroker",
			ServiceAccount: "rolebroker-runner"}}
	if diff := cmp.Diff(want, rolebroker.SetupRequest{}.WithDefaults()); diff != "" {
		t.Errorf("the defaults (-want +got):\n%s", diff)
	}
	given := rolebroker.SetupRequest{Role: "readonly", Principal: rolebroker.PrincipalExact, CurrentPolicy: "{}",
		Cluster: rolebroker.ClusterIdentity{Variant: rolebroker.ClusterPodIdentity, Issuer: "https://oidc.example/id",
			Namespace: "agents", ServiceAccount: "runner"}}
	if diff := cmp.Diff(given, given.WithDefaults()); diff != "" {
		t.Errorf("what was given has changed (-given +got):\n%s", diff)
	}
	// What is not good is not replaced, so that it is refused.
	bad := rolebroker.SetupRequest{Principal: "anybody",
		Cluster: rolebroker.ClusterIdentity{Variant: "magic", Namespace: " ", ServiceAccount: "-"}}
	if diff := cmp.Diff(bad, bad.WithDefaults()); diff != "" {
		t.Errorf("what was given has changed (-given +got):\n%s", diff)
	}
}

func TestCheckReportsEverythingThatIsWrongWithASetupRequest(t *testing.T) {
	issuer := func(s string) func(*rolebroker.SetupRequest) {
		return func(r *rolebroker.SetupRequest) { r.Cluster.Issuer = s }
	}
	namespace := func(s string) func(*rolebroker.SetupRequest) {
		return func(r *rolebroker.SetupRequest) { r.Cluster.Namespace = s }
	}
	account := func(s string) func(*rolebroker.SetupRequest) {
		return func(r *rolebroker.SetupRequest) { r.Cluster.ServiceAccount = s }
	}
	check := func(change func(*rolebroker.SetupRequest), wrong ...string) {
		t.Helper()
		r := rolebroker.SetupRequest{}.WithDefaults()
		change(&r)
		if diff := cmp.Diff(wrong, wrongWith(t, r.Check())); diff != "" {
			t.Errorf("%+v: %s", r, diff)
		}
	}
	check(func(*rolebroker.SetupRequest) {})
	check(func(r *rolebroker.SetupRequest) { r.Principal = rolebroker.PrincipalExact })
	check(func(r *rolebroker.SetupRequest) { r.Principal = rolebroker.PrincipalAccount })
	check(func(r *rolebroker.SetupRequest) { r.Principal = "Account" }, "principal")
	check(func(r *rolebroker.SetupRequest) { r.Cluster.Variant = rolebroker.ClusterPodIdentity })
	check(func(r *rolebroker.SetupRequest) { r.Cluster.Variant = "IRSA" }, "variant")

	check(func(r *rolebroker.SetupRequest) { r.Role, r.CurrentPolicy = "readonly", "{}" })
	check(func(r *rolebroker.SetupRequest) { r.Role = "readonly" })
	check(func(r *rolebroker.SetupRequest) { r.CurrentPolicy = "{}" }, "role")

	check(issuer("https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"))
	check(issuer("https://oidc.example"))
	check(issuer("https://oidc.example/~tenant/a%20b/"))
	check(issuer("https://oidc.example/" + strings.Repeat("x", 255-len("https://oidc.example/"))))
	check(issuer("https://oidc.example/"+strings.Repeat("x", 256-len("https://oidc.example/"))), "issuer")
	check(issuer("http://oidc.example"), "issuer")
	check(issuer("oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"), "issuer")
	check(issuer("https://"), "issuer")
	check(issuer("https:///id"), "issuer")
	check(issuer("https:oidc.example"), "issuer")
	check(issuer("https://user:secret@oidc.example"), "issuer")
	check(issuer("https://oidc.example:8443/id"), "issuer")
	check(issuer("https://oidc.example:/id"), "issuer")
	check(issuer("https://:/id"), "issuer")
	check(issuer("HTTPS://oidc.example/id"), "issuer")
	check(issuer("https://oidc.example?x=1"), "issuer")
	check(issuer("https://oidc.example?"), "issuer")
	check(issuer("https://oidc.example#x"), "issuer")
	check(issuer("https://oidc.example#"), "issuer")
	check(issuer("https://oidc.example/\n"), "issuer")
	check(issuer("https://oidc.example/a b"), "issuer")
	check(issuer("https://oidc.example/${aws:username}"), "issuer")
	check(issuer("https://oidc.example/*"), "issuer")
	check(issuer(`https://oidc.example/"`), "issuer")
	check(issuer("https://oidc.example/ü"), "issuer")
	check(issuer("https://[::1]/id"), "issuer")
	check(issuer(" https://oidc.example"), "issuer")

	check(namespace("agents-2"))
	check(namespace(strings.Repeat("n", 63)))
	check(namespace(strings.Repeat("n", 64)), "namespace")
	check(namespace(""), "namespace")
	check(namespace("Agents"), "namespace")
	check(namespace("a.b"), "namespace")
	check(namespace("a_b"), "namespace")
	check(namespace("-a"), "namespace")
	check(namespace("a-"), "namespace")
	check(namespace("*"), "namespace")
	check(namespace("a\n"), "namespace")
	check(namespace("a:b"), "namespace")
	check(namespace("a\x00"), "namespace")

	check(account("runner.of-agents"))
	check(account(strings.Repeat("n", 253)))
	check(account(strings.Repeat("n", 254)), "service_account")
	check(account(""), "service_account")
	check(account(".a"), "service_account")
	check(account("a."), "service_account")
	check(account("a:b"), "service_account")
	check(account("$(id)"), "service_account")

	check(func(r *rolebroker.SetupRequest) {
		*r = rolebroker.SetupRequest{Principal: "x", CurrentPolicy: "{}",
			Cluster: rolebroker.ClusterIdentity{Variant: "x", Issuer: "x"}}
	}, "principal", "variant", "issuer", "namespace", "service_account", "role")
}

func TestTheRecommendedModeComesFirst(t *testing.T) {
	modes := rolebroker.Modes()
	var names []rolebroker.AssumptionMode
	for i, m := range modes {
		names = append(names, m.Mode)
		if m.Title == "" || len(m.Advantages) == 0 || m.Recommended != (i == 0) ||
			m.Recommended != (len(m.Disadvantages) == 0) {
			t.Errorf("the mode %s is advised as %+v", m.Mode, m)
		}
	}
	if diff := cmp.Diff([]rolebroker.AssumptionMode{rolebroker.ModePlatform, rolebroker.ModeCluster},
		names); diff != "" {
		t.Error(diff)
	}
	modes[0].Title, modes[0].Advantages[0] = "", "" // nobody else sees that
	if again := rolebroker.Modes()[0]; again.Title == "" || again.Advantages[0] == "" {
		t.Errorf("the advice is %+v now", again)
	}
}
