package provider_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/terraform/provider"
)

// protocol speaks to the provider as Terraform does, of which the version that is
// installed may be too old for identities.
type protocol struct {
	*testing.T
	tfprotov6.ProviderServer
	states, identities map[string]tftypes.Type // by the type of the resource
}

// protocol starts a provider that is configured for the world's server.
func (w *world) protocol() *protocol {
	w.Helper()
	p := &protocol{w.T, provider.ServeForTests(w.now)(), map[string]tftypes.Type{}, map[string]tftypes.Type{}}
	schemas, err := p.GetProviderSchema(w.Context(), &tfprotov6.GetProviderSchemaRequest{})
	p.must(schemas.Diagnostics, err)
	for name, schema := range schemas.ResourceSchemas {
		p.states[name] = schema.ValueType()
	}
	identities, err := p.GetResourceIdentitySchemas(w.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	p.must(identities.Diagnostics, err)
	for name, schema := range identities.IdentitySchemas {
		p.identities[name] = schema.ValueType()
	}
	config := p.value(schemas.Provider.ValueType(), map[string]string{"url": w.URL, "token": w.AdminKey.Reveal()})
	configured, err := p.ConfigureProvider(w.Context(), &tfprotov6.ConfigureProviderRequest{Config: &config})
	p.must(configured.Diagnostics, err)
	return p
}

func (p *protocol) must(diags []*tfprotov6.Diagnostic, err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	for _, d := range diags {
		p.Fatalf("%s: %s", d.Summary, d.Detail)
	}
}

// value is an object with some attributes that are strings; the others are null.
func (p *protocol) value(of tftypes.Type, strings map[string]string) tfprotov6.DynamicValue {
	p.Helper()
	values := map[string]tftypes.Value{}
	for name, kind := range of.(tftypes.Object).AttributeTypes {
		values[name] = tftypes.NewValue(kind, nil)
		if text, ok := strings[name]; ok {
			values[name] = tftypes.NewValue(kind, text)
		}
	}
	value, err := tfprotov6.NewDynamicValue(of, tftypes.NewValue(of, values))
	p.must(nil, err)
	return value
}

// strings are the attributes of an object that are strings, but for empty ones.
func (p *protocol) strings(of tftypes.Type, value *tfprotov6.DynamicValue) map[string]string {
	p.Helper()
	object, err := value.Unmarshal(of)
	p.must(nil, err)
	var attributes map[string]tftypes.Value
	p.must(nil, object.As(&attributes))
	texts := map[string]string{}
	for name, attribute := range attributes {
		var text string
		if attribute.Type().Is(tftypes.String) && attribute.IsKnown() && attribute.As(&text) == nil && text != "" {
			texts[name] = text
		}
	}
	return texts
}

// kept is what Terraform keeps of a resource.
type kept struct {
	kind     string
	state    *tfprotov6.DynamicValue
	identity *tfprotov6.ResourceIdentityData
	private  []byte
}

// imports imports a resource by an identity, and reads it.
func (p *protocol) imports(kind string, by map[string]string) kept {
	p.Helper()
	given := p.value(p.identities[kind], by)
	imported, err := p.ImportResourceState(p.Context(), &tfprotov6.ImportResourceStateRequest{
		TypeName: kind, Identity: &tfprotov6.ResourceIdentityData{IdentityData: &given}})
	p.must(imported.Diagnostics, err)
	one := imported.ImportedResources[0]
	return p.reads(kept{kind, one.State, one.Identity, one.Private})
}

// reads reads a resource anew.
func (p *protocol) reads(before kept) kept {
	p.Helper()
	read, err := p.ReadResource(p.Context(), &tfprotov6.ReadResourceRequest{TypeName: before.kind,
		CurrentState: before.state, CurrentIdentity: before.identity, Private: before.private})
	p.must(read.Diagnostics, err)
	return kept{before.kind, read.NewState, read.NewIdentity, read.Private}
}

// has are the strings in the state and in the identity.
func (p *protocol) has(k kept) (state, identity map[string]string) {
	p.Helper()
	return p.strings(p.states[k.kind], k.state), p.strings(p.identities[k.kind], k.identity.IdentityData)
}

// Every resource has an identity, and can be imported by it: by its ID, and by its name
// if it has one.
func TestImportByIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.Agent("scout", "production")
	in, scout := w.the("production"), w.agent("scout")
	ctx := t.Context()
	made := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	eks, err := w.Admin.CreateRunner(ctx, api.RunnerRequest{Name: "eks"})
	made(err)
	binding, err := w.Admin.Bind(ctx, scout.ID,
		api.BindingRequest{Issuer: "https://oidc.example.com", Namespace: "agents", ServiceAccount: "scout"})
	made(err)
	token, err := w.Admin.CreateToken(ctx, scout.ID, api.TokenRequest{})
	made(err)
	reserved, err := w.Admin.ReserveExternalID(ctx)
	made(err)

	p := w.protocol()
	if with, have := slices.Sorted(maps.Keys(p.identities)), slices.Sorted(maps.Keys(p.states)); !slices.Equal(with, have) {
		t.Errorf("of the resources %v, these have an identity: %v", have, with)
	}
	agentID, integrationID := scout.ID, in.ID
	for _, c := range []struct {
		kind     string
		by, want map[string]string // want is the identity afterwards
	}{
		{"agent", map[string]string{"name": "scout"}, map[string]string{"id": agentID, "name": "scout"}},
		{"agent", map[string]string{"id": agentID}, map[string]string{"id": agentID, "name": "scout"}},
		{"agent", map[string]string{"id": agentID, "name": "former"}, map[string]string{"id": agentID, "name": "scout"}},
		{"aws_integration", map[string]string{"name": "production"},
			map[string]string{"id": integrationID, "name": "production"}},
		{"runner", map[string]string{"id": eks.ID}, map[string]string{"id": eks.ID, "name": "eks"}},
		{"external_id", map[string]string{"id": reserved.ID}, map[string]string{"id": reserved.ID}},
		{"agent_connection", map[string]string{"agent_id": agentID, "integration_id": integrationID},
			map[string]string{"agent_id": agentID, "integration_id": integrationID}},
		{"agent_token", map[string]string{"agent_id": agentID, "id": token.ID},
			map[string]string{"agent_id": agentID, "id": token.ID}},
		{"agent_binding", map[string]string{"agent_id": agentID, "id": binding.ID},
			map[string]string{"agent_id": agentID, "id": binding.ID}},
	} {
		state, identity := p.has(p.imports("rolebroker_"+c.kind, c.by))
		if !maps.Equal(identity, c.want) {
			t.Errorf("importing the %s by %v, its identity is %v", c.kind, c.by, identity)
		}
		for name, value := range identity {
			if state[name] != value {
				t.Errorf("importing the %s by %v, %s is %q in the state and %q in the identity", c.kind, c.by, name,
					state[name], value)
			}
		}
	}
}

// An import block with an identity imports, without an ID.
func TestImportBlocksWithIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.Agent("scout", "production")
	in, scout := w.the("production"), w.agent("scout")
	connected := fmt.Sprintf(`
resource "rolebroker_agent_connection" "production" {
  agent       = rolebroker_agent.scout.id
  integration = %q
}
`, in.ID)
	ws := w.workspaceOf(agent("scout", "") + connected + fmt.Sprintf(`
import {
  to       = rolebroker_agent.scout
  identity = { name = "scout" }
}

import {
  to       = rolebroker_agent_connection.production
  identity = { agent_id = %q, integration_id = %q }
}
`, scout.ID, in.ID))
	if !ws.isFrom(1, 12) {
		t.Log("NOT TESTED: import blocks have identities from Terraform 1.12")
		return
	}
	if said := ws.terraform("apply", "-auto-approve", "-no-color"); !strings.Contains(said,
		"2 imported, 0 added, 0 changed, 0 destroyed") {
		t.Errorf("the apply says\n%s", said)
	}
	ws.writes(requirements + agent("ranger", "") + connected)
	ws.applies()
	if renamed := w.agent("ranger"); renamed.ID != scout.ID || len(renamed.Connections) != 1 {
		t.Errorf("the agent is %+v", renamed)
	}
}

// isFrom says whether the Terraform that is installed has a version, or a newer one.
func (ws *workspace) isFrom(major, minor int) bool {
	ws.Helper()
	var is struct {
		Version string `json:"terraform_version"`
	}
	ws.must(json.Unmarshal([]byte(ws.terraform("version", "-json")), &is))
	var m, n int
	_, err := fmt.Sscanf(is.Version, "%d.%d", &m, &n)
	ws.must(err)
	return m > major || m == major && n >= minor
}

// A resource that is no more is gone from the state, also with an identity that the
// state of an earlier version of the provider, or of Terraform, does not have.
func TestWhatIsGoneNeedsNoIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.protocol()
	for kind, by := range map[string]map[string]string{
		"rolebroker_agent":            {"id": "agt_7mzq2k4vprb5xw3tdn6hjc8ysa"},
		"rolebroker_agent_connection": {"agent": "scout", "integration": "production"},
	} {
		state := p.value(p.states[kind], by)
		read, err := p.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: kind, CurrentState: &state})
		p.must(read.Diagnostics, err)
		if now, err := read.NewState.Unmarshal(p.states[kind]); err != nil || !now.IsNull() {
			t.Errorf("%s is %v, %v", kind, now, err)
		}
	}
}

// The identity follows the name of an agent that somebody renames.
func TestAnIdentityFollowsTheName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Agent("scout")
	p := w.protocol()
	before := p.imports("rolebroker_agent", map[string]string{"name": "scout"})
	if _, err := w.Admin.UpdateAgent(t.Context(), "scout", api.AgentRequest{Name: "ranger"}, ""); err != nil {
		t.Fatal(err)
	}
	state, identity := p.has(p.reads(before))
	if identity["name"] != "ranger" || identity["id"] != state["id"] {
		t.Errorf("the identity is %v", identity)
	}
}
