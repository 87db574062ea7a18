package provider_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

func TestExamplesAreFormatted(t *testing.T) {
	t.Parallel()
	ws := newWorkspace(t)
	ws.must(os.CopyFS(ws.dir, os.DirFS("../examples")))
	if _, all, status := ws.try("fmt", "-check", "-recursive", "-diff"); status != 0 {
		t.Errorf("terraform fmt would change the examples:\n%s", all)
	}
}

// Each example of a single resource or data source is valid by itself.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/*/*/*.tf")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range append(files, "../examples/provider/provider.tf") {
		t.Run(strings.TrimPrefix(filepath.Dir(file), "../examples/"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ws := newWorkspace(t)
			ws.must(os.WriteFile(filepath.Join(ws.dir, "example.tf"), text, 0o600))
			if !strings.Contains(string(text), "required_providers") {
				ws.must(os.WriteFile(filepath.Join(ws.dir, "versions.tf"), []byte(requirements), 0o600))
			}
			ws.terraform("validate", "-no-color")
		})
	}
}

// Every complete example has a test that runs it.
func TestEveryExampleIsRun(t *testing.T) {
	t.Parallel()
	var found []string
	files, err := filepath.Glob("../examples/*/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		found = append(found, filepath.Base(filepath.Dir(file)))
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "README.md")); err != nil {
			t.Error(err)
		}
	}
	const want = "adopt agent-token below-exec cluster-irsa integration roles-in-one-plan"
	if got := strings.Join(found, " "); got != want {
		t.Errorf("the examples are %s; run here are %s", got, want)
	}
}

func TestExampleIntegration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.example("integration")
	ws.applies()
	var codes map[string]string
	if ws.output("roles", &codes); codes["readonly"] != "external_id_not_required" ||
		codes["deployer"] != "external_id_not_required" {
		t.Errorf("validation says %v", codes)
	}
	scout := w.Token("scout")
	if who := w.borrower(scout, ""); who != "arn:aws:sts::444455556666:assumed-role/ReadOnly/scout" {
		t.Errorf("the default role is %s", who)
	}
	if who := w.borrower(scout, "deployer"); who != "arn:aws:sts::444455556666:assumed-role/Deployer/scout" {
		t.Errorf("deployer is %s", who)
	}
	ws.destroys()
	w.isEmpty()
}

// trusts is the trust policy of a role in the customer's account.
func (w *world) trusts(role string) string {
	w.Helper()
	there, ok := w.AWS.Account(testbed.CustomerAccount).Role(role)
	if !ok {
		w.Fatalf("there is no role %s", role)
	}
	return there.TrustPolicy
}

// gone fails if the role exists.
func (w *world) gone(role string) {
	w.Helper()
	if _, ok := w.AWS.Account(testbed.CustomerAccount).Role(role); ok {
		w.Errorf("the role %s is left", role)
	}
}

// accepts fails unless the trust policy of each of the roles has all of the
// wanted external IDs and none of the others.
func (w *world) accepts(wanted, others []string) {
	w.Helper()
	for _, role := range []string{"agents-readonly", "agents-deployer"} {
		policy := w.trusts(role)
		for _, id := range wanted {
			if !strings.Contains(policy, id) {
				w.Errorf("%s does not accept %s: %s", role, id, policy)
			}
		}
		for _, id := range others {
			if strings.Contains(policy, id) {
				w.Errorf("%s accepts %s: %s", role, id, policy)
			}
		}
	}
}

func TestExampleRolesInOnePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.example("roles-in-one-plan")
	ws.applies()
	in := w.the("production")
	for _, role := range in.Roles {
		if role.Validation == nil || role.Validation.Code != string(rolebroker.ValidAssumable) {
			t.Errorf("validation says of %s: %+v", role.Name, role.Validation)
		}
	}
	scout := w.Token("scout")
	borrows := func() {
		t.Helper()
		if who := w.borrower(scout, ""); who != "arn:aws:sts::444455556666:assumed-role/agents-readonly/scout" {
			t.Errorf("the default role is %s", who)
		}
	}
	borrows()

	started := w.rotates(in.ID, "start")
	old, next := in.ExternalID, started.NextExternalID
	w.accepts([]string{old}, []string{next})
	ws.expectsPlan(
		map[string]string{`aws_iam_role.agents["readonly"]`: "update", `aws_iam_role.agents["deployer"]`: "update"},
	)
	ws.applies()
	w.accepts([]string{old, next}, nil)
	w.rotates(in.ID, "finish")
	borrows()
	ws.expectsPlan(
		map[string]string{`aws_iam_role.agents["readonly"]`: "update", `aws_iam_role.agents["deployer"]`: "update"},
	)
	ws.applies()
	w.accepts([]string{next}, []string{old})
	borrows()
	if now := w.the("production"); now.ID != in.ID || now.ExternalID != next {
		t.Errorf("after the rotation it is %s with %s, want %s with %s", now.ID, now.ExternalID, in.ID, next)
	}

	// Another external ID at once: the integration and its connections stay.
	ws.terraform("apply", "-auto-approve", "-no-color", "-replace=rolebroker_external_id.production")
	ws.expectsPlan(nil)
	if now := w.the("production"); now.ID != in.ID {
		t.Errorf("the integration was replaced by %s", now.ID)
	}
	w.accepts([]string{w.the("production").ExternalID}, []string{old, next})
	borrows()

	// Another integration for the same roles, which require the same external ID.
	ws.terraform("apply", "-auto-approve", "-no-color", "-replace="+production)
	ws.expectsPlan(nil)
	if now := w.the("production"); now.ID == in.ID {
		t.Error("the integration is still the same")
	}
	borrows()

	ws.destroys()
	w.isEmpty()
	w.gone("agents-readonly")
	w.gone("agents-deployer")
}

// rotates takes one step of rotating an integration's external ID.
func (w *world) rotates(id, step string) api.Integration {
	w.Helper()
	in, err := w.Admin.RotateExternalID(context.Background(), id, api.Rotation{Step: step})
	if err != nil {
		w.Fatalf("rotating, %s: %v", step, err)
	}
	return in
}

// expectsPlan fails unless a plan has exactly these actions, by address.
func (ws *workspace) expectsPlan(want map[string]string) {
	ws.Helper()
	got := ws.planned()
	for address := range got {
		if got[address] != want[address] {
			ws.Errorf("the plan is to %s %s", got[address], address)
		}
	}
	for address := range want {
		if got[address] == "" {
			ws.Errorf("the plan has nothing for %s", address)
		}
	}
}

func TestExampleClusterIRSA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.example("cluster-irsa", "TF_VAR_issuer=https://oidc.eks.us-east-1.amazonaws.com/id/B716A7BD2EF7")
	ws.applies()
	if in := w.the("cluster"); in.AssumptionMode != string(rolebroker.ModeCluster) || in.Runner != "eks" {
		t.Errorf("the roles are assumed by the %s, by the runner %q", in.AssumptionMode, in.Runner)
	}
	for b, err := range w.Admin.AllBindings(context.Background(), "scout") {
		if err != nil || b.Issuer != w.runner("eks").Issuer || b.Namespace != "agents" || b.ServiceAccount != "scout" {
			t.Errorf("scout is %+v (%v)", b, err)
		}
	}
	policy := w.trusts("agents-readonly")
	for _, part := range []string{
		"arn:aws:iam::444455556666:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/B716A7BD2EF7",
		"system:serviceaccount:rolebroker:rolebroker-runner",
		"sts.amazonaws.com",
	} {
		if !strings.Contains(policy, part) {
			t.Errorf("the trust policy has no %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, testbed.PlatformAccount) {
		t.Errorf("the trust policy lets the platform in: %s", policy)
	}
	ws.destroys()
	w.isEmpty()
	w.gone("agents-readonly")
}

// stored is the token in the secret. It fails if Terraform has the token anywhere
// else.
func (ws *workspace) stored(w *world) rolebroker.Secret {
	ws.Helper()
	text, err := os.ReadFile(filepath.Join(ws.secrets, "rolebroker_scout"))
	ws.must(err)
	token := rolebroker.NewSecret(string(text))
	w.HandedOut(token)
	ws.keepsNowhere(token.Reveal())
	return token
}

// keepsNowhere fails if the secret is in Terraform's folder, in its output about
// the state or a plan, or in the log of the providers.
func (ws *workspace) keepsNowhere(secret string) {
	ws.Helper()
	if secret == "" {
		ws.Fatal("the secret is empty")
	}
	ws.must(filepath.WalkDir(ws.dir, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if strings.Contains(string(text), secret) {
			ws.Errorf("the token is in %s", entry.Name())
		}
		return err
	}))
	shown := ws.terraform("show", "-json")
	if _, err := os.Stat(filepath.Join(ws.dir, "tfplan")); err == nil {
		shown += ws.terraform("show", "-json", "tfplan")
	}
	if strings.Contains(shown, secret) {
		ws.Error("terraform show has the token")
	}
	if log := ws.log.String(); log == "" || strings.Contains(log, secret) {
		ws.Error("the providers' log has the token, or nothing at all")
	}
}

func TestExampleAgentToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	ws := w.example("agent-token")
	ws.planned()
	ws.terraform("apply", "-no-color", "tfplan") // a saved plan works too
	first := ws.stored(w)
	ws.expectsPlan(nil)
	const who = "arn:aws:sts::444455556666:assumed-role/ReadOnly/scout"
	if got := w.borrower(first, ""); got != who {
		t.Errorf("with the token of the store it is %s", got)
	}

	// Another apply leaves the token as it is.
	ws.applies()
	if again := ws.stored(w); again != first {
		t.Error("another apply has put another token into the store")
	}

	// A revoked token is replaced, and the store has the new one.
	id := w.onlyToken("scout")
	if err := w.Admin.RevokeToken(context.Background(), "scout", id); err != nil {
		t.Fatal(err)
	}
	ws.applies()
	second := ws.stored(w)
	if got := w.borrower(second, ""); second == first || got != who {
		t.Errorf("with the second token it is %s", got)
	}

	// -replace replaces a token too. The old one is revoked.
	ws.terraform("apply", "-auto-approve", "-no-color", "-replace=rolebroker_agent_token.scout")
	third := ws.stored(w)
	if got := w.borrower(third, ""); third == second || got != who {
		t.Errorf("with the third token it is %s", got)
	}
	if _, err := w.Client(second).Credentials(context.Background(), "", ""); err == nil {
		t.Error("the second token still borrows")
	}

	ws.destroys()
	for a, err := range w.Admin.AllAgents(context.Background(), "") {
		t.Errorf("the agent %s is left (%v)", a.Name, err)
	}
	if _, err := w.Client(third).Credentials(context.Background(), "", ""); err == nil {
		t.Error("the third token still borrows")
	}
}

// onlyToken is the ID of the only active token of an agent.
func (w *world) onlyToken(agent string) string {
	w.Helper()
	var active []string
	for token, err := range w.Admin.AllTokens(context.Background(), agent) {
		if err != nil {
			w.Fatal(err)
		}
		if token.Status == api.StatusActive {
			active = append(active, token.ID)
		}
	}
	if len(active) != 1 {
		w.Fatalf("%s has the tokens %v", agent, active)
	}
	return active[0]
}

func TestExampleAdopt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"),
		w.Role("deployer", "Deployer", "us-east-1"))
	scout := w.Agent("scout", "production")
	before := w.the("production")
	ws := w.example("adopt")
	ws.expectsPlan(map[string]string{
		`aws_iam_role.agents["readonly"]`: "update", `aws_iam_role.agents["deployer"]`: "update",
		production: "update",
	})
	ws.applies()
	now := w.the("production")
	if now.ID != before.ID || now.ExternalID != before.ExternalID || now.Roles[0].Validation.Status != "assumable" {
		t.Errorf("the integration was %+v and is %+v", before, now)
	}
	if policy := w.trusts("ReadOnly"); !strings.Contains(policy, now.ExternalID) {
		t.Errorf("the trust policy does not require the external ID: %s", policy)
	}
	if who := w.borrower(scout, "deployer"); who != "arn:aws:sts::444455556666:assumed-role/Deployer/scout" {
		t.Errorf("deployer is %s", who)
	}
	w.rotates(now.ID, "start")
	ws.applies()
	w.rotates(now.ID, "finish")
	ws.applies()
	if policy := w.trusts("ReadOnly"); strings.Contains(policy, now.ExternalID) {
		t.Errorf("after the rotation the trust policy accepts the old external ID: %s", policy)
	}
}
