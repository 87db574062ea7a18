package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/testbed"
)

// TestTheDocsAreTrue runs every console block of the README and of docs/ as it is
// written, and compares its output with the output in the docs.
//
// A comment before a block starts a new shell session, and the blocks without a
// comment continue it:
//
//	<!-- transcript: admin -->  a testbed with IAM roles only, and the admin key
//	<!-- transcript: scout -->  the usual testbed, and the token of the agent scout
//	<!-- transcript: staff -->  the usual testbed, and the admin key
//
// A comment can also change shells in the session: the next blocks are in the same
// folder, but what the shell before has exported is not there.
//
//	<!-- shell: agent -->       no token and no AWS keys
//	<!-- shell: staff -->       the admin key
//
// Every session has the AWS keys of an administrator of the roles' account, and the
// admin key in ADMIN_KEY. In the output, … stands for anything on its line, or for any
// number of lines if it is alone. Where the test runs as root, it names that user for contained commands, as root has to.
func TestTheDocsAreTrue(t *testing.T) {
	here := theTools(t)
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range transcripts(string(text)) {
			found++
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(file), i+1), func(t *testing.T) {
				t.Parallel()
				s.check(t, here)
			})
		}
	}
	if found < 5 {
		t.Errorf("only %d transcripts were found", found)
	}
}

// TestTerraformInTheDocsIsOfAnExample checks that the Terraform code in the docs is
// part of an example, word for word. The tests of the provider run the examples.
func TestTerraformInTheDocsIsOfAnExample(t *testing.T) {
	examples, err := filepath.Glob("../../terraform/examples/*/main.tf")
	if err != nil || len(examples) == 0 {
		t.Fatalf("%d examples: %v", len(examples), err)
	}
	var all strings.Builder
	for _, file := range examples {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	found := 0
	for _, file := range []string{"../../README.md", "../../docs/connect-aws.md", "../../docs/agents.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)^```terraform\n(.*?)^```$").FindAllStringSubmatch(string(text),
			-1) {
			found++
			if !strings.Contains(all.String(), block[1]) {
				t.Errorf("%s shows Terraform that is in no example:\n%s", file, block[1])
			}
		}
	}
	if found == 0 {
		t.Error("the docs show nothing of Terraform")
	}
}

// transcript is a shell session: its commands and their output.
type transcript struct {
	as       string // admin, scout or staff
	commands []command
}

type command struct{ text, prints string }

var (
	blockPattern  = regexp.MustCompile("(?ms)(?:^<!-- (transcript|shell): (\\w+) -->\n)?^```console\n(.*?)^```$")
	promptPattern = regexp.MustCompile(`(?m)^\$ `)

	// refusalPattern matches the output of a command that fails.
	refusalPattern = regexp.MustCompile(`(?m)^rolebroker: `)
)

func transcripts(text string) []transcript {
	var found []transcript
	for _, block := range blockPattern.FindAllStringSubmatch(text, -1) {
		if block[1] == "transcript" {
			found = append(found, transcript{as: block[2]})
		}
		last := &found[len(found)-1]
		if block[1] == "shell" {
			last.commands = append(last.commands, command{text: shells[block[2]]})
		}
		for _, c := range promptPattern.Split(block[3], -1)[1:] {
			lines := strings.SplitAfter(c, "\n")
			n := 1
			for strings.HasSuffix(lines[n-1], "\\\n") {
				n++
			}
			last.commands = append(last.commands, command{strings.Join(lines[:n], ""), strings.Join(lines[n:], "")})
		}
	}
	return found
}

// shells are the commands that make the environment that of another shell.
var shells = map[string]string{
	"agent": "unset ADMIN_KEY ROLEBROKER_TOKEN ROLEBROKER_TOKEN_FILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION",
	"staff": "export ROLEBROKER_TOKEN=$STAFF; unset ROLEBROKER_TOKEN_FILE",
}

// endOfCommand separates the outputs of the commands of a session.
const endOfCommand = "---end-of-command---"

func (s transcript) check(t *testing.T, here *tools) {
	for i, c := range s.commands {
		if strings.Contains(c.text, " --contained ") {
			needs(t, canContain)
			if os.Getuid() == 0 {
				s.commands[i].text = strings.ReplaceAll(c.text, " --contained ", " --contained --user root ")
			}
		}
	}
	tb := testbed.New(t, &testbed.Options{Empty: s.as == "admin"})
	token, customer := tb.AdminKey, tb.AWS.Account(testbed.CustomerAccount).AdminKey()
	if s.as == "scout" {
		token = tb.Scout
	}
	var script strings.Builder
	for _, c := range s.commands {
		fmt.Fprintf(&script, "%s\nstatus=$?; echo; echo '%s' $status\n", strings.TrimSuffix(c.text, "\n"), endOfCommand)
	}
	shell := exec.Command("bash", "-c", "exec 2>&1\n"+script.String())
	shell.Dir = t.TempDir()
	shell.Env = append(withoutAWS(os.Environ()), "HOME="+shell.Dir, "PATH="+here.bin+":"+os.Getenv("PATH"),
		"ROLEBROKER_URL="+tb.URL, "ROLEBROKER_TOKEN="+token.Reveal(), "ADMIN_KEY="+tb.AdminKey.Reveal(), "STAFF="+tb.AdminKey.Reveal(),
		"AWS_ENDPOINT_URL="+tb.AWSURL,
		"AWS_ACCESS_KEY_ID="+customer.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+customer.SecretAccessKey,
		"AWS_DEFAULT_REGION=us-east-1")
	output, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	printed := regexp.MustCompile(`(?m)^`+endOfCommand+` (\d+)\n`).Split(string(output), -1)
	statuses := regexp.MustCompile(`(?m)^`+endOfCommand+` (\d+)$`).FindAllStringSubmatch(string(output), -1)
	for i, c := range s.commands {
		if !c.wanted().MatchString(strings.TrimRight(printed[i], "\n")) {
			t.Errorf("$ %sprints\n%s\nand the docs say\n%s", c.text, printed[i], c.prints)
		}
		if refused := refusalPattern.MatchString(c.prints); refused == (statuses[i][1] == "0") {
			t.Errorf("$ %sexits with %s", c.text, statuses[i][1])
		}
	}
}

// wanted matches the output in the docs, also if time has passed since, which can make a column wider.
func (c command) wanted() *regexp.Regexp {
	pattern := regexp.QuoteMeta(strings.TrimRight(c.prints, "\n"))
	pattern = regexp.MustCompile(`(\S)  +`).ReplaceAllString(pattern, `$1 {2,}`)
	pattern = strings.ReplaceAll(pattern, "just now", `(?:just now|\d+ \w+ ago)`)
	pattern = regexp.MustCompile(`(?m)^…$`).ReplaceAllString(pattern, `(?s:.*)`)
	return regexp.MustCompile(`^` + strings.ReplaceAll(pattern, "…", ".*") + `$`)
}

func withoutAWS(env []string) []string {
	var kept []string
	for _, entry := range env {
		if !strings.HasPrefix(entry, "AWS_") && !strings.HasPrefix(entry, "ROLEBROKER_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// The parts of the docs in which commands of rolebroker are written: blocks, and code in
// the text.
var (
	codePattern    = regexp.MustCompile("(?ms)^```(?:sh|console|yaml)\n(.*?)^```$|`(rolebroker [^`]*)`")
	commandPattern = regexp.MustCompile(`(?m)(?:^|[=;|($] ?|&& |[A-Z]=\S* |-- |- run: )rolebroker ` +
		`((?:[a-z][a-z-]*\s)+|[a-z-]+$)((?:[^\n]|\\\n)*)`)
	flagPattern = regexp.MustCompile(`^--[a-z][a-z-]*`)
)

// TestCommandsInTheDocsExist checks that rolebroker has the commands and the flags that
// the docs name.
func TestCommandsInTheDocsExist(t *testing.T) {
	found := 0
	for _, file := range append(docFiles(t), "../../SECURITY.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range codePattern.FindAllStringSubmatch(string(text), -1) {
			for _, c := range commandPattern.FindAllStringSubmatch(code[1]+code[2], -1) {
				found++
				checkCommand(t, file, strings.Fields(c[1]), strings.Fields(c[2]))
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d commands were found", found)
	}
}

// checkCommand checks the command that the first of the words name, and its flags.
func checkCommand(t *testing.T, file string, words, rest []string) {
	t.Helper()
	help, depth := "", 0
	for n := range words {
		text := helpOf(strings.Join(words[:n+1], " "))
		if text == "" {
			break
		}
		help, depth = text, n+1
	}
	if depth == 0 {
		t.Errorf("%s: rolebroker has no command %q", file, words[0])
		return
	}
	for _, word := range rest {
		switch flag := flagPattern.FindString(strings.Trim(word, "[](),.")); {
		case word == "--" || word == "|" || word == ">" || word == "&&" || word == ";":
			return
		case flag != "" && !strings.Contains(help, flag):
			t.Errorf("%s: rolebroker %s has no %s", file, strings.Join(words[:depth], " "), flag)
		}
	}
}

// helpOf is the help text of a command in internal/cli/testdata/help; empty if there is
// no such command.
func helpOf(command string) string {
	text, _ := os.ReadFile("../../internal/cli/testdata/help/rolebroker-" + strings.ReplaceAll(command, " ", "-") + ".txt")
	return string(text)
}

var (
	linkPattern    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingPattern = regexp.MustCompile(`(?m)^#+ (.*)$`)
	unanchored     = regexp.MustCompile(`[^\pL\pN_ -]`)
)

// TestLinksInTheDocsLeadSomewhere checks that the files and the headings exist to which
// the docs link.
func TestLinksInTheDocsLeadSomewhere(t *testing.T) {
	for _, file := range append(docFiles(t), "../../SECURITY.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range linkPattern.FindAllStringSubmatch(string(text), -1) {
			target, heading, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := file
			if target != "" {
				path = filepath.Join(filepath.Dir(file), target)
			}
			page, err := os.ReadFile(path)
			if _, missing := os.Stat(path); missing != nil || heading != "" && (err != nil || !hasHeading(page, heading)) {
				t.Errorf("%s links to %s", file, link[1])
			}
		}
	}
}

// hasHeading reports whether a page has a heading with that anchor, as GitHub makes it.
func hasHeading(page []byte, anchor string) bool {
	for _, heading := range headingPattern.FindAllSubmatch(page, -1) {
		text := unanchored.ReplaceAllString(strings.ToLower(string(heading[1])), "")
		if strings.ReplaceAll(text, " ", "-") == anchor {
			return true
		}
	}
	return false
}
