package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/dextest"
	"github.com/rolebroker/rolebroker/internal/execenv"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// updating says whether to write the golden files. A person reads the difference.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files")
	code := m.Run()
	dextest.Remove()
	os.Exit(code)
}

// ran is the outcome of a command line.
type ran struct {
	code           int
	stdout, stderr string
}

// run runs a command line with these environment variables only.
func run(env []string, args ...string) ran {
	var out, err bytes.Buffer
	code := Main(Process{Args: args, Env: env, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err,
		Version: "v1.2.3"})
	return ran{code, out.String(), err.String()}
}

// commands returns all commands, each as the words that a user types.
func commands(c *cobra.Command) (all [][]string) {
	all = append(all, strings.Fields(c.CommandPath())[1:])
	for _, sub := range c.Commands() {
		all = append(all, commands(sub)...)
	}
	return all
}

func TestHelp(t *testing.T) {
	for _, path := range commands(newRoot(newApp(Process{}), "")) {
		name := strings.Join(append([]string{"rolebroker"}, path...), "-")
		t.Run(name, func(t *testing.T) {
			got := run(nil, append(path, "--help")...)
			if got.code != 0 || got.stderr != "" {
				t.Fatalf("ended with %d, %s", got.code, got.stderr)
			}
			golden := filepath.Join("testdata", "help", name+".txt")
			if updating() {
				if err := os.WriteFile(golden, []byte(got.stdout), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; go test ./internal/cli -update makes it", err)
			}
			if diff := cmp.Diff(string(want), got.stdout); diff != "" {
				t.Errorf("the help changed; go test ./internal/cli -update writes it. Read the difference.\n%s", diff)
			}
		})
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		switch {
		case c.Short == "" || c.Long == "" || c.Example == "":
			t.Errorf("%s has no short help, long help or example", c.CommandPath())
		case strings.HasSuffix(c.Short, "."):
			t.Errorf("%s: the short help ends in a full stop", c.CommandPath())
		case !strings.Contains(c.Example, "rolebroker "+strings.Join(strings.Fields(c.CommandPath())[1:], " ")) &&
			c.HasParent():
			t.Errorf("%s is not in its own example", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no help", c.CommandPath(), f.Name)
			}
		})
		for _, text := range []string{c.Long, c.Example, c.LocalFlags().FlagUsages()} {
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(line); n > 121 {
					t.Errorf("%s: a line of its help is %d long: %s", c.CommandPath(), n, line)
				}
			}
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newRoot(newApp(Process{}), ""))
}

func TestErrorIsASentenceThenFieldsThenHints(t *testing.T) {
	says := func(err error, wantCode int, want string) {
		t.Helper()
		var out bytes.Buffer
		a := newApp(Process{Stderr: &out})
		root := newRoot(a, "")
		cmd, _, _ := root.Find([]string{"agent", "show"})
		if code := a.report(cmd, err); code != wantCode || out.String() != want {
			t.Errorf("%v ends with %d and says\n%s\nwant %d and\n%s", err, code, out.String(), wantCode, want)
		}
	}
	says(nil, 0, "")
	says(os.ErrClosed, 1, "rolebroker: file already closed\n")
	says(usage("no"), 2, "rolebroker: no\nhint: rolebroker agent show --help\n")
	says(codeError{7, nil}, 7, "")
	says(codeError{127, os.ErrNotExist}, 127, "rolebroker: file does not exist\n")
	says(rolebroker.Errorf(rolebroker.CodeNotFound, "there is no agent"), 1, "rolebroker: there is no agent\n")
	says(seeList(rolebroker.Errorf(rolebroker.CodeNotFound, "there is no agent"), "rolebroker agent list"), 1,
		"rolebroker: there is no agent\nhint: rolebroker agent list\n")
	says(rolebroker.Errorf(rolebroker.CodeDenied, "no").WithHint("one\ntwo"), 1,
		"rolebroker: no\nhint: one\nhint: two\n")
	says(&rolebroker.Error{Message: "it is not valid", Fields: []rolebroker.Field{{Path: "a", Message: "is wrong"},
		{Path: "b", Message: "is\nlong"}}}, 1,
		"rolebroker: it is not valid\n  a: is wrong\n  b: is; long\n")
	says(&rolebroker.Error{Message: "no", Fields: []rolebroker.Field{{Path: "a", Message: "x",
		Hint: rolebroker.Hint{{Text: "add", Policy: "{\n}"}}},
		{Path: "b", Message: "y", Hint: rolebroker.Hint{{Text: "add", Policy: "{\n}"}, {Text: "there"}}}}}, 1,
		"rolebroker: no\n  a: x\n    add\n    {\n    }\n"+
			"  b: y\n    add\n    { the same statement as above }\n    there\n")
}

func TestRolesOnTheCommandLine(t *testing.T) {
	no := false
	is := func(value string, want api.RoleRequest) {
		t.Helper()
		got, err := parseRole(value)
		if err != nil {
			t.Errorf("%s: %v", value, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", value, diff)
		}
	}
	is("name=a,arn=arn:aws:iam::444455556666:role/A,region=us-east-1",
		api.RoleRequest{Name: "a", ARN: "arn:aws:iam::444455556666:role/A", Region: "us-east-1"})
	is("region=r,arn=x,enabled=false,session_duration=2h,name=a",
		api.RoleRequest{Name: "a", ARN: "x", Region: "r", Enabled: &no, SessionDuration: "2h"})
	is("name=a,arn=arn:aws:iam::444455556666:role/with,comma=and,equals,region=r",
		api.RoleRequest{Name: "a", ARN: "arn:aws:iam::444455556666:role/with,comma=and,equals", Region: "r"})
	refused := func(value, why string) {
		t.Helper()
		if _, err := parseRole(value); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", value, err, why)
		}
	}
	refused("", "--role has \"\"")
	refused("name=a,arn=b", "has no region")
	refused("name=a,colour=red", `has "colour=red"`)
	refused("name=a,name=b", "has name twice")
	refused("name=a,enabled=ja", "enabled=ja is neither true nor false")
}

func FuzzParseRole(f *testing.F) {
	f.Add("name=a,arn=arn:aws:iam::444455556666:role/A,region=us-east-1")
	f.Add("arn=,,=,enabled=1")
	f.Fuzz(func(t *testing.T, value string) {
		role, err := parseRole(value)
		if err == nil && len(role.Name)+len(role.ARN)+len(role.Region) > len(value) {
			t.Errorf("%q became %+v", value, role)
		}
	})
}

func TestTimesAreRelative(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	a := newApp(Process{Now: func() time.Time { return now }})
	then := now.Add(-2 * time.Hour)
	if got := a.when(&then); got != "2 hours ago" {
		t.Errorf("two hours ago is %q", got)
	}
	if got := a.when(nil); got != "never" {
		t.Errorf("nil is %q", got)
	}
}

func TestFiles(t *testing.T) {
	type thing struct {
		Name  string            `json:"name"`
		Roles []api.RoleRequest `json:"roles"`

		Version   int64      `json:"version"`
		CreatedAt *time.Time `json:"created_at"`
	}
	read := func(text, wantErr string) {
		t.Helper()
		var v thing
		err := decodeYAML("f.yaml", []byte(text), &v)
		switch {
		case wantErr == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)):
			t.Errorf("%q: %v, want %q", text, err, wantErr)
		case wantErr == "" && v.Name != "a":
			t.Errorf("%q: %+v", text, v)
		}
	}
	read("name: a\n", "")
	read(`{"name": "a", "roles": []}`, "")
	read("{\n\t\"name\": \"a\"\n}\n", "")
	read("---\nname: a\nroles:\n- name: x\n  enabled: false\n", "")
	read("", "f.yaml is empty")
	read("# nothing\n", "f.yaml is empty")
	read("name: a\nnmae: b\n", `f.yaml, line 2: unknown field "nmae"`)
	read("name: a\nroles:\n- name: x\n  regoin: y\n", `f.yaml, line 4: unknown field "regoin"`)
	read("{\n\t\"name\": \"a\",\n\t\"x\": 1\n}", `f.yaml, line 3: unknown field "x"`)
	read("name: a\nname: b\n", "f.yaml, line 2: ")
	read("name: [a]\n", "f.yaml, line 1: name must be text")
	read("name: {a: b}\n", "f.yaml, line 1: name must be text")
	read("name: a\nroles: b\n", "f.yaml, line 2: roles must be a list")
	read("name: a\nroles:\n- name: x\n- name: y\n  enabled: maybe\n",
		"f.yaml, line 5: roles[1].enabled must be true or false")
	read("name: a\nroles:\n- name: {b: c}\n", "f.yaml, line 3: roles[0].name must be text")
	read("name: a\nroles:\n- x\n", "f.yaml, line 3: roles[0] must be fields with values")
	read("- name: a\n", "f.yaml, line 1: it must be fields with values")
	read("name: a\nversion: many\n", "f.yaml, line 2: version must be a number")
	read("name: a\nversion: 99999999999999999999\n", "f.yaml, line 2: version must be a number")
	read("name: a\ncreated_at: [a]\n", "f.yaml, line 2: created_at must be a time")
	read("name: {\n", "f.yaml, line 1: ")
	read("name: a\n---\nname: b\n", "f.yaml has more than one document")
}

func TestFilesHaveAnEnd(t *testing.T) {
	stdin := fromFile{path: "-"}
	var v any
	if err := stdin.decode(strings.NewReader("a: b\n"+strings.Repeat("#", maxFile)), &v); err == nil ||
		err.Error() != "stdin is larger than 8 MiB" {
		t.Error(err)
	}
}

func TestTablesAreOneLinePerRow(t *testing.T) {
	tab := newTable("A", "B")
	tab.add("x\ny\tz\x1b[31m", "")
	var out bytes.Buffer
	if err := tab.write(&out); err != nil {
		t.Fatal(err)
	}
	if want := "A           B\nx y z\ufffd[31m\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestVersion(t *testing.T) {
	if got := run(nil, "version"); !strings.HasPrefix(got.stdout, "rolebroker v1.2.3 (go") {
		t.Errorf("%+v", got)
	}
}

func TestCompletion(t *testing.T) {
	tb := testbed.New(t, nil)
	admin := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	agent := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.Scout.Reveal()}
	offers := func(env []string, line string, want ...string) {
		t.Helper()
		words := strings.Split(line, " ")
		got := run(env, append([]string{cobra.ShellCompNoDescRequestCmd}, words...)...)
		lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
		if lines = lines[:len(lines)-1]; !slices.Equal(lines, want) {
			t.Errorf("%q offers %q, want %q", line, lines, want)
		}
	}
	offers(admin, "integration show ", "production", "staging")
	offers(admin, "integration show prod", "production")
	offers(admin, "integration update production --disable-role ", "readonly", "deployer", "off")
	offers(admin, "integration update production --set-role ", "name=readonly,", "name=deployer,", "name=off,")
	offers(admin, "integration update production --set-role name=de", "name=deployer,")
	offers(admin, "integration setup production --format a", "aws-cli")
	offers(admin, "agent show s", "scout")
	offers(admin, "agent connect scout st", "staging")
	offers(admin, "agent connect scout staging --access v", "view-only")
	offers(admin, "agent connect scout production --only-role d", "deployer")
	offers(admin, "agent disconnect scout ", "production")
	offers(admin, "agent create x --integration ", "production", "staging")
	offers(admin, "session list --agent ", "scout")
	run(admin, "runner", "create", "eks", "--issuer", "https://oidc.example.com/id/A")
	run(admin, "runner", "create", "gke")
	offers(admin, "runner show ", "eks", "gke")
	offers(admin, "runner join-token g", "gke")
	offers(admin, "integration update production --runner e", "eks")
	offers(admin, "agent bind scout --issuer ", "https://oidc.example.com/id/A")
	if got := run(admin, "agent", "bind", "scout", "--issuer", "https://oidc.example.com/id/A", "--namespace", "agents",
		"--service-account", "scout"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	bindings, err := tb.Admin.Bindings(t.Context(), "scout", client.List{})
	if err != nil || len(bindings.Items) != 1 {
		t.Fatalf("%+v: %v", bindings, err)
	}
	offers(admin, "agent unbind scout ", bindings.Items[0].ID)
	offers(admin, "api-key delete ", "bootstrap")
	offers(admin, "agent list -o ", "table", "wide", "json", "yaml")
	offers(agent, "exec --role d", "deployer")
	offers(agent, "credentials --format ", "process", "env", "json")
	offers(nil, "agent show ")                                                                 // no token
	offers([]string{"ROLEBROKER_URL=http://127.0.0.1:1", "ROLEBROKER_TOKEN=x"}, "agent show ") // no server
}

// A shell shows the help of a flag without back quotes, and adds no space after the
// beginning of a value.
func TestCompletionIsForShells(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	if got := run(env, cobra.ShellCompRequestCmd, "integration", "setup", "--f").stdout; !strings.Contains(got,
		"--format\tprint in FORMAT, one of those above\n") || strings.Contains(got, "`") {
		t.Errorf("it offers %s", got)
	}
	got := run(env, cobra.ShellCompRequestCmd, "integration", "update", "production", "--set-role", "name=r").stdout
	if want := "name=readonly,\n:6\n"; got != want { // no space, no files
		t.Errorf("it offers %q, want %q", got, want)
	}
}

// The JSON and YAML of every listing are the API's own objects.
func TestListingsAreWhatTheAPISays(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	for _, line := range []string{"integration list", "agent list", "session list", "api-key list",
		"agent token list scout", "agent bindings scout", "runner list"} {
		for _, format := range []string{"json", "yaml"} {
			got := run(env, append(strings.Fields(line), "-o", format)...)
			var list map[string][]map[string]any
			if err := decodeYAML(line, []byte(got.stdout), &list); err != nil || len(list) != 1 ||
				list["items"] == nil {
				t.Errorf("%s -o %s: %d %v %s%s", line, format, got.code, err, got.stdout, got.stderr)
			}
		}
	}
	in, err := tb.Admin.Integration(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	var shown api.Integration
	if err := decodeYAML("production", []byte(run(env, "integration", "show", "production", "-o", "yaml").stdout),
		&shown); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, shown); diff != "" {
		t.Error(diff)
	}
}

// An update fails when someone else has changed the integration since it was read.
func TestUpdateDoesNotOverwriteSomeoneElsesChange(t *testing.T) {
	tb := testbed.New(t, nil)
	in, err := tb.Admin.Integration(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	given := func(flag string) bool { return flag == "description" }
	theirs, mine := integrationChange{description: "theirs"}, integrationChange{description: "mine"}
	if _, err := theirs.update(t.Context(), tb.Admin, in, given); err != nil {
		t.Fatal(err)
	}
	if _, err := mine.update(t.Context(), tb.Admin, in, given); rolebroker.CodeOf(err) != rolebroker.CodeStale {
		t.Errorf("the error is %v, want stale", err)
	}
	if in, err = tb.Admin.Integration(t.Context(), "production"); err != nil || in.Description != "theirs" {
		t.Errorf("the description is %q, %v", in.Description, err)
	}
}

func TestDeletingSaysWhoLoses(t *testing.T) {
	is := func(agents int, want string) {
		t.Helper()
		var l loss
		for range agents {
			l.agents = append(l.agents, "a")
		}
		if got := l.who(); got != want {
			t.Errorf("%d agents: %q, want %q", agents, got, want)
		}
	}
	is(0, "No agent uses it.")
	is(1, "Agent a loses it.")
	is(2, "Agents a, a lose it.")
	is(12, "12 agents lose it: a, a, a, a, a, a, a, a, a, a, …")
}

// says checks the exit code and the lines on stderr.
func says(t *testing.T, got ran, code int, lines ...string) {
	t.Helper()
	if want := strings.Join(lines, "\n") + "\n"; got.code != code || got.stderr != want {
		t.Errorf("ended with %d and\n%s\nwant %d and\n%s", got.code, got.stderr, code, want)
	}
}

func TestFlagsSayWhatTheyTake(t *testing.T) {
	says(t, run(nil, "agent", "list", "--limit", "foo"), 2, `rolebroker: --limit takes a whole number, not "foo"`,
		"hint: rolebroker agent list --help")
	says(t, run(nil, "agent", "update", "a", "--disabled=ja"), 2,
		`rolebroker: --disabled takes true or false, not "ja"`, "hint: rolebroker agent update --help")
	says(t, run(nil, "roles", "-o", "xml"), 2, `rolebroker: --output: "xml" is not one of table, json, yaml`,
		"hint: rolebroker roles --help")
}

func TestHelpOnACommandThatDoesNotExist(t *testing.T) {
	says(t, run(nil, "nonsense", "--help"), 2, `rolebroker: there is no command "rolebroker nonsense"`,
		"hint: rolebroker --help")
	says(t, run(nil, "integration", "nonsense", "--help"), 2,
		`rolebroker: there is no command "rolebroker integration nonsense"`, "hint: rolebroker integration --help")
	says(t, run(nil, "agent", "lst", "-h"), 2,
		`rolebroker: there is no command "rolebroker agent lst"; did you mean list?`, "hint: rolebroker agent --help")
}

func TestVersionIsAFlagToo(t *testing.T) {
	if got, want := run(nil, "--version"), run(nil, "version"); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestExpiryIsSaidInAClause(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	a := newApp(Process{Now: func() time.Time { return now }})
	later := now.Add(3 * time.Hour)
	if got := a.expires(nil); got != "never expires" {
		t.Error(got)
	}
	if got := a.expires(&later); got != "expires in 3 hours" {
		t.Error(got)
	}
	two := expiry{"2d"}
	if got, err := two.in(); got != "48h" || err != nil {
		t.Error(got, err)
	}
}

// A command below exec reaches no management API, and the error says so.
func TestNothingIsManagedBelowExec(t *testing.T) {
	env := []string{"ROLEBROKER_URL=http://127.0.0.1:1", "ROLEBROKER_TOKEN=" + execenv.TokenPrefix + "x"}
	says(t, run(env, "agent", "token", "list", "scout"), 1,
		"rolebroker: this is the loopback port of rolebroker exec, which has no management API",
		"hint: run the command outside of rolebroker exec, with an API key")
	if got := run(env, "agent"); got.code != 0 {
		t.Errorf("the help: %+v", got)
	}
	if got := run(append(env, "ROLEBROKER_TOKEN=admin"), "agent", "list"); !strings.Contains(got.stderr,
		"cannot reach") {
		t.Errorf("another token: %+v", got)
	}
	if got := run(env, "roles"); !strings.Contains(got.stderr, "cannot reach") {
		t.Errorf("roles: %+v", got)
	}
}

// The variable of a script may be empty; the default role is not what it meant.
func TestAnEmptyRoleIsNotTheDefaultRole(t *testing.T) {
	for _, command := range []string{"exec --role= -- true", "credentials --role="} {
		name, _, _ := strings.Cut(command, " ")
		says(t, run(nil, strings.Fields(command)...), 2,
			"rolebroker: --role is empty; leave it out for the default role",
			"hint: rolebroker "+name+" --help")
	}
}

// Nor is an empty user root, who could read the token.
func TestAnEmptyUserIsNotTheOwnOne(t *testing.T) {
	says(t, run(nil, "exec", "--user=", "--", "true"), 2,
		"rolebroker: --user is empty; leave it out for the user that runs exec", "hint: rolebroker exec --help")
	says(t, run(nil, "exec", "--user=nobody:", "--", "true"), 2,
		"rolebroker: --user has an empty group; leave the colon out for the groups of the user",
		"hint: rolebroker exec --help")
}

func TestHintsAreOnWhatIsMissing(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	hints := func(line, hint string) {
		t.Helper()
		if got := run(env, strings.Fields(line)...); got.code != 1 ||
			!strings.HasSuffix(got.stderr, "\nhint: "+hint+"\n") {
			t.Errorf("%s: %+v", line, got)
		}
	}
	hints("integration show nosuch", "rolebroker integration list")
	hints("integration update nosuch --description x", "rolebroker integration list")
	hints("integration delete nosuch --yes", "rolebroker integration list")
	hints("agent show nosuch", "rolebroker agent list")
	hints("agent delete nosuch --yes", "rolebroker agent list")
	hints("agent update nosuch --disabled", "rolebroker agent list")
	hints("agent connect nosuch production", "rolebroker agent list")
	hints("agent connect scout nosuch", "rolebroker integration list")
	hints("agent disconnect nosuch production", "rolebroker agent list")
	hints("agent disconnect scout nosuch", "rolebroker agent show scout")
	hints("agent token create nosuch", "rolebroker agent list")
	hints("agent token list nosuch", "rolebroker agent list")
	hints("agent token revoke nosuch tok_x --yes", "rolebroker agent list")
	hints("agent token revoke scout tok_x --yes", "rolebroker agent token list scout")
	hints("agent bind nosuch --issuer https://x.example.com --namespace a --service-account b", "rolebroker agent list")
	hints("agent bindings nosuch", "rolebroker agent list")
	hints("agent unbind nosuch bnd_x", "rolebroker agent list")
	hints("agent unbind scout bnd_x", "rolebroker agent bindings scout")
	for _, line := range []string{"show nosuch", "update nosuch --description x", "delete nosuch --yes",
		"join-token nosuch"} {
		hints("runner "+line, "rolebroker runner list")
	}
	hints("session end --agent nosuch --yes", "rolebroker agent list shows what there is")
	hints("api-key delete nosuch --yes", "rolebroker api-key list")
	env[0] += "/api"
	hints("agent list", "ROLEBROKER_URL must be without the path /api, unless a proxy serves rolebroker below it")
	env[0] = "ROLEBROKER_URL=localhost"
	says(t, run(env, "agent", "list"), 2, "rolebroker: the configuration is not valid",
		"  ROLEBROKER_URL: is not the URL of a server; write it as in http://127.0.0.1:8484",
		"hint: rolebroker agent list --help")
}

// The hint finds the sessions by ID, also of things that were renamed.
func TestWhatIsStillLentIsFoundByID(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	scout := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.Scout.Reveal()}
	run(scout, "credentials")
	run(env, "integration", "update", "production", "--name", "prod")
	run(env, "agent", "update", "scout", "--name", "ranger")
	for _, line := range []string{"integration update prod --disable-role deployer", "agent update ranger --disabled",
		"agent disconnect ranger prod",
		"agent token revoke ranger tok_x --yes", "agent delete ranger --yes", "integration delete prod --yes"} {
		if strings.HasPrefix(line, "agent token") {
			for token, err := range tb.Admin.AllTokens(t.Context(), "ranger") {
				if err != nil {
					t.Fatal(err)
				}
				line = strings.Replace(line, "tok_x", token.ID, 1)
			}
		}
		got := run(env, strings.Fields(line)...)
		_, hint, ok := strings.Cut(got.stderr, "To list them: rolebroker ")
		if got.code != 0 || !ok {
			t.Fatalf("%s: %+v", line, got)
		}
		hint, _, _ = strings.Cut(hint, "\n")
		if found := run(env, strings.Fields(hint)...); !strings.Contains(found.stdout, "production/readonly") {
			t.Errorf("%s: %s finds %+v", line, hint, found)
		}
	}
}

// The output of show creates a copy with IDs of its own.
func TestAShownFileMakesACopy(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	reserved := strings.TrimSpace(run(env, "external-id", "reserve").stdout)
	for _, what := range [][]string{{"integration", "production"}, {"agent", "scout"}} {
		file := filepath.Join(t.TempDir(), "shown.yaml")
		if err := os.WriteFile(file, []byte(run(env, what[0], "show", what[1], "-o", "yaml").stdout),
			0o600); err != nil {
			t.Fatal(err)
		}
		if got := run(env, what[0], "create", "copy", "-f", file); got.code != 0 ||
			!strings.Contains(got.stdout, "copy") {
			t.Errorf("%s: %+v", what[0], got)
		}
		if what[0] == "integration" {
			if got := run(env, "integration", "create", "other", "-f", file, "--external-id",
				reserved); !strings.Contains(got.stdout, reserved) {
				t.Errorf("with an external ID: %+v", got)
			}
		}
	}
	of, err := tb.Admin.Integration(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := tb.Admin.Integration(t.Context(), "copy")
	if err != nil {
		t.Fatal(err)
	}
	if copied.ID == of.ID || copied.ExternalID == of.ExternalID || copied.Roles[0].ID == of.Roles[0].ID ||
		len(copied.Roles) != len(of.Roles) {
		t.Errorf("the copy is %+v", copied)
	}
}

func TestAnAgentWithoutRolesLearnsWhy(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	scout := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.Scout.Reveal()}
	run(env, "agent", "update", "scout", "--disabled")
	says(t, run(scout, "roles"), 1, "rolebroker: agent scout is disabled",
		"hint: an administrator can enable it: rolebroker agent enable scout")
	run(env, "agent", "update", "scout", "--disabled=false")
	run(env, "agent", "disconnect", "scout", "production")
	if got := run(scout, "roles"); got.code != 1 || !strings.HasPrefix(got.stderr,
		"rolebroker: agent scout is not connected to any integration\nhint: ") {
		t.Errorf("%+v", got)
	}
}

func TestSessionsSaySTSsCodeOnly(t *testing.T) {
	var out bytes.Buffer
	a := newApp(Process{})
	tab := a.sessionTable([]api.Session{{SessionName: "scout", State: "failed",
		Failure: "AccessDenied: User: arn:aws:iam is not authorized"}})
	if err := tab.write(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), " AccessDenied\n") {
		t.Error(out.String())
	}
}
