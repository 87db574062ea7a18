package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// The form of a new integration asks for a source identity. A role that the AWS console
// made does not allow one: the integration is created without, and its role works.
func TestANewIntegrationHasASourceIdentityWhereItsRolesAllowIt(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	customer := s.aws.Account("444455556666")
	name := roleARN[strings.LastIndexByte(roleARN, '/')+1:]
	trust := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":[` + actions +
			`],"Principal":{"AWS":"111122223333"}}}`
	}
	customer.CreateRole(awssim.Role{Name: name, TrustPolicy: trust(`"sts:AssumeRole"`)})
	has := func(integration string, want bool) {
		t.Helper()
		in, err := s.broker.Integration(context.Background(), root, integration)
		if err != nil || in.SourceIdentity != want || !in.Roles[0].Validation.Status.Works() {
			t.Errorf("%s has the source identity %t, and %+v, %v", integration, in.SourceIdentity,
				in.Roles[0].Validation, err)
		}
	}
	create := func(integration string, pairs ...string) {
		t.Helper()
		answer := b.saves("/integrations/new/aws", append(pairs, "name", integration, "mode", "platform",
			"external_id", b.begin())...)
		if answer.Code != http.StatusSeeOther {
			t.Fatalf("creating answers %d: %s", answer.Code, answer.Body)
		}
	}
	form := b.get("/integrations/new/aws?external_id=" + b.begin()).Body.String()
	if !strings.Contains(form, `name="source_identity" value="on" checked`) {
		t.Error("the form of a new integration does not ask for a source identity")
	}
	create("console", "source_identity", "on")
	has("console", false)
	customer.SetTrustPolicy(name, trust(`"sts:AssumeRole","sts:SetSourceIdentity"`))
	create("kept", "source_identity", "on")
	has("kept", true)
	create("unticked")
	has("unticked", false)
}
