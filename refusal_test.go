package rolebroker_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

var kinds = []rolebroker.RefusalKind{
	rolebroker.RefusedDenied, rolebroker.RefusedThrottled, rolebroker.RefusedUnreachable, rolebroker.RefusedNoIdentity,
	rolebroker.RefusedIdentityExpired, rolebroker.RefusedIdentity, rolebroker.RefusedRegion, rolebroker.RefusedDuration,
	rolebroker.RefusedOther,
}

// The explanation of a refusal names the party that asked STS.
func TestARefusalNamesThePartyThatAsked(t *testing.T) {
	role := rolebroker.Role{Region: "eu-west-1", ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666",
		Path: "/", Name: "ReadOnly"}}
	server, runner := rolebroker.Party{}, rolebroker.Party{Runner: true}
	pod := rolebroker.Party{Runner: true, Account: rolebroker.ServiceAccount{Issuer: "https://a", Namespace: "ns",
		Name: "agent"}}
	for _, kind := range kinds {
		r := &rolebroker.Refusal{Kind: kind}
		for other, by := range map[string]rolebroker.Party{"runner": server, "server": runner} {
			text := r.Explain(by, role, "role production/readonly") + "\n" + r.Advise(by).String()
			if strings.Contains(text, other) || strings.HasSuffix(text, ".") {
				t.Errorf("%s, said of %s:\n%s", kind, by, text)
			}
		}
		if text := r.Explain(pod, role, "the role"); strings.Contains(text, "server") {
			t.Errorf("%s, said of %s: %s", kind, pod, text)
		}
	}
	is := func(kind rolebroker.RefusalKind, by rolebroker.Party, want string) {
		t.Helper()
		if got := (&rolebroker.Refusal{Kind: kind}).Explain(by, role, "the role"); got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
	}
	is(rolebroker.RefusedDenied, server, "AWS does not let the server assume the role")
	is(rolebroker.RefusedDenied, pod, "AWS does not let the service account ns/agent assume the role")
	is(rolebroker.RefusedIdentity, runner, "AWS does not accept the runner's own AWS credentials")
	is(rolebroker.RefusedIdentityExpired, pod, "the token of the service account ns/agent expired")
	is(rolebroker.RefusedThrottled, pod, "STS is throttling the runner's calls")
	is(rolebroker.RefusedDuration, server, "AWS does not give sessions of 1h for the role")
	is(rolebroker.RefusedUnreachable, server, "STS in eu-west-1 gave no answer")
}
