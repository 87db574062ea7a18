package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/api"
)

// workspaceOf is a workspace for the server, with the key of an administrator.
func (w *world) workspaceOf(config string) *workspace {
	w.Helper()
	ws := newWorkspace(w.T, "ROLEBROKER_URL="+w.URL, "ROLEBROKER_TOKEN="+w.AdminKey.Reveal())
	ws.writes(requirements + config)
	return ws
}

// refuses fails unless the command fails and says the words.
func (ws *workspace) refuses(args []string, words ...string) {
	ws.Helper()
	_, all, status := ws.try(append(args, "-no-color")...)
	if status == 0 || !says(words...).MatchString(all) {
		ws.Fatalf("terraform %s exits with %d and says\n%s", strings.Join(args, " "), status, all)
	}
}

// A configuration that Terraform generated has the external ID of that time as a
// literal. After a rotation it means the same integration, and the plan is empty.
func TestAGeneratedConfigurationSurvivesARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.Agent("scout", "production")
	ws := w.workspaceOf("import {\n  to = " + production + "\n  id = \"production\"\n}\n")
	ws.terraform("plan", "-generate-config-out=generated.tf", "-no-color")
	ws.applies()
	before := w.the("production")
	w.rotates(before.ID, "start")
	ws.expectsPlan(nil)
	w.rotates(before.ID, "finish")
	ws.expectsPlan(nil)

	// A literal of an earlier external ID is no obstacle to other changes either.
	generated := filepath.Join(ws.dir, "generated.tf")
	text, err := os.ReadFile(generated)
	ws.must(err)
	if !strings.Contains(string(text), before.ExternalID) {
		text = []byte(strings.Replace(string(text), "  name ", "  external_id = \""+before.ExternalID+"\"\n  name ", 1))
	}
	ws.must(os.WriteFile(generated, []byte(strings.Replace(string(text),
		`"production"`+"\n  roles", `"production"`+"\n  description = \"ours\"\n  roles", 1)), 0o600))
	ws.applies()
	now := w.the("production")
	if now.ID != before.ID || now.ExternalID == before.ExternalID || len(w.agent("scout").Connections) != 1 {
		t.Errorf("the integration was %+v and is %+v; scout is %+v", before, now, w.agent("scout"))
	}
}

// An external ID that the integration cannot have is refused, and nothing is
// destroyed for it: in the plan if it is known then, else in the apply.
func TestAnExternalIDThatCannotBeHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	with := func(externalID string) string {
		return requirements + integration("production", "  external_id = "+externalID, readonly)
	}
	w.Integration("staging", w.Role("readonly", "ReadOnly", "us-east-1"))
	other := w.the("staging")
	ws := w.workspaceOf(integration("production", "", readonly))
	ws.applies()
	before := w.the("production")
	ws.writes(with(`"chosen-by-me"`))
	ws.refuses([]string{"plan"}, "external_id", "neither", "reserved", "leave external_id out")
	ws.writes(with(`"` + other.ExternalID + `"`))
	ws.refuses([]string{"plan"}, "external_id", "integration staging has it")
	ws.writes(with("terraform_data.later.output") + "resource \"terraform_data\" \"later\" {\n  input = \"mine\"\n}\n")
	ws.refuses([]string{"apply", "-auto-approve"}, "external_id")
	if now := w.the("production"); now.ID != before.ID || now.ExternalID != before.ExternalID {
		t.Errorf("the integration was %+v and is %+v", before, now)
	}
}

// Another reserved external ID changes the integration in place.
func TestAnotherReservedExternalID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf(reserved(readonly) + agent("scout", "") + connect("production", "id", ""))
	ws.applies()
	before := w.the("production")
	ws.terraform("apply", "-auto-approve", "-no-color", "-replace=rolebroker_external_id.production")
	ws.expectsPlan(nil)
	if now := w.the("production"); now.ID != before.ID || now.ExternalID == before.ExternalID {
		t.Errorf("the integration was %+v and is %+v", before, now)
	}

	// While a rotation is under way, it is finished or cancelled first.
	w.rotates(before.ID, "start")
	ws.refuses([]string{"apply", "-auto-approve", "-replace=rolebroker_external_id.production"},
		"being changed already", "--finish")
	w.rotates(before.ID, "cancel")
	ws.applies()
}

// Terraform replaces an integration with a reserved external ID in one apply. The
// new one has the same external ID, which the roles require.
func TestReplacingAnIntegration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf(reserved(readonly) + agent("scout", "") + connect("production", "id", ""))
	ws.applies()
	replaced := func() {
		t.Helper()
		before := w.the("production")
		ws.terraform("apply", "-auto-approve", "-no-color", "-replace="+production)
		ws.expectsPlan(nil)
		if now := w.the("production"); now.ID == before.ID || now.ExternalID != before.ExternalID {
			t.Errorf("the integration was %+v and is %+v", before, now)
		}
	}
	replaced()
	w.rotates(w.the("production").ID, "start")
	if _, err := w.Admin.RotateExternalID(t.Context(), "production", api.Rotation{Step: "finish"}); err != nil {
		t.Fatal(err)
	}
	ws.applies()
	replaced()
	ws.destroys()
	w.isEmpty()
}
