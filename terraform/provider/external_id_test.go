package provider_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/terraform/provider"
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
	ws.must(os.WriteFile(generated, regexp.MustCompile(`description( +)= (null|"")`).
		ReplaceAll(text, []byte(`description$1= "ours"`)), 0o600))
	ws.applies()
	now := w.the("production")
	if now.ID != before.ID || now.Description != "ours" || now.ExternalID == before.ExternalID ||
		len(w.agent("scout").Connections) != 1 {
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

// Terraform 1.14 has the provider write the configuration of what it imports. The
// external ID is not in it.
func TestAGeneratedConfigurationHasNoExternalID(t *testing.T) {
	t.Parallel()
	server := provider.ServeForTests(time.Now)()
	schemas, err := server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil || !schemas.ServerCapabilities.GenerateResourceConfig {
		t.Fatalf("the provider writes no configurations: %v", err)
	}
	kind := schemas.ResourceSchemas["rolebroker_aws_integration"].ValueType().(tftypes.Object)
	values := map[string]tftypes.Value{}
	for name, of := range kind.AttributeTypes {
		values[name] = tftypes.NewValue(of, nil)
	}
	values["name"] = tftypes.NewValue(tftypes.String, "production")
	values["external_id"] = tftypes.NewValue(tftypes.String, "rolebroker-5ycq7w3kd2mzt4hnx6vpjb8rqa")
	state, err := tfprotov6.NewDynamicValue(kind, tftypes.NewValue(kind, values))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.GenerateResourceConfig(t.Context(), &tfprotov6.GenerateResourceConfigRequest{
		TypeName: "rolebroker_aws_integration", State: &state})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatalf("%v %v", err, resp)
	}
	config, err := resp.Config.Unmarshal(kind)
	if err != nil || config.As(&values) != nil {
		t.Fatal(err)
	}
	if !values["external_id"].IsNull() || values["name"].IsNull() {
		t.Errorf("the configuration is %v", config)
	}
}
