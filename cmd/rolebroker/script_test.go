package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// TestMain lets this test binary run as three commands, which scripts and their child
// processes find on PATH: rolebroker, go-worker and go2-client.
//
// The tests mostly wait for other processes, so more of them run at once than there
// are CPUs.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", noRaceDelay)
	flag.Set("test.parallel", strconv.Itoa(max(6, runtime.GOMAXPROCS(0)))) // -parallel on the command line wins
	// Commands would inherit that SIGHUP is ignored, as under nohup, and shells cannot
	// change that.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	commands := map[string]func(){"rolebroker": main, "go-worker": goWorker, "go2-client": go2Client,
		"peak-memory": peakMemory}
	maps.Copy(commands, systemCommands)
	testscript.Main(suite{m}, commands)
}

// suite runs the tests with a folder for tools.
type suite struct{ *testing.M }

// toolsFolder is the folder for tools. It exists while the tests run.
var toolsFolder string

// Run is for [testscript.Main].
func (s suite) Run() int {
	var err error
	if toolsFolder, err = os.MkdirTemp("", "rolebroker-tools-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(toolsFolder)
	return s.M.Run()
}

// noRaceDelay is a value of GORACE. Without it, every process that is built with the
// race detector sleeps for a second before it exits.
const noRaceDelay = "atexit_sleep_ms=0"

// TestScripts runs the acceptance tests in testdata/script. Each is a promise that a
// user could paste into a shell.
//
// Each script has a testbed of its own; package testbed describes it. The environment
// has
//
//	ROLEBROKER_URL                    the server
//	ROLEBROKER_TOKEN                  the admin key in cli_ scripts; the token of the agent scout in all others
//	ADMIN_KEY, SCOUT_TOKEN            both
//	SIM_URL, AWS_ENDPOINT_URL         the simulated AWS
//	OPERATOR_KEY_ID, OPERATOR_SECRET  an AWS identity that may assume the roles
//	CUSTOMER_KEY_ID, CUSTOMER_SECRET  an administrator of the roles' account
//	EXAMPLES                          the folder examples
//
// The AWS CLI, python3 with boto3, node with its modules, and go-agent, which is
// examples/go, are on PATH.
//
// In exec_ scripts, AWS SDKs find an identity wherever they look: a user of another
// account, with the key POISON_KEY_ID. A command below exec must never get it.
//
// Besides testscript's own commands there are
//
//	admin ARG…               runs rolebroker ARG… with the admin key
//	sim lifetime 4s          sets the lifetime of new sessions
//	sim fault throttle       makes STS fail; or down, drop, slow 2s
//	sim fault clear          ends all faults
//	sim calls ACTION N       checks that AWS got N calls of the action
//	sim assumed NAME         checks the session name in the last AssumeRole call
//	sim trust ROLE ACCOUNT   makes the role trust that account only
//	sim role ROLE FILE       creates a role with the trust policy in FILE
//	sim policy ROLE FILE     writes the trust policy of the role to FILE
//	sim cluster FILE ROLE…   makes the roles trust only the service account rolebroker-runner of a
//	                         cluster, and writes a token of that service account to FILE
//	sim token FILE 1h        writes another token of that service account, with that lifetime
//	wait-for CMD ARG…        waits until the command succeeds
//	served FILE              waits until the server that logs to FILE answers, and sets ROLEBROKER_URL
//	no-secrets FILE…         checks that no secret is in the files; stdout and stderr are files too
//	not-in-memory PID LENT   checks that the process with the ID in file PID does not have in its memory
//	                         the credentials in file LENT, from rolebroker credentials --format json
//	postgres NAME            sets NAME to the URL of a new PostgreSQL database
//	tamper KEYFILE           checks that rolebroker audit verify finds what is altered in ROLEBROKER_DATABASE
//	empty-trail HOW          deletes the audit trail from ROLEBROKER_DATABASE: forgetting, pretending or thorough
//	kill-midway PIDFILE ACKNOWLEDGED
//	                         creates agents until it kills the server with the ID in PIDFILE
//	recorded ACKNOWLEDGED    checks that each of these agents has its audit event
//	otlp address NAME        sets NAME to the URL of a receiver of OpenTelemetry logs, which is away
//	otlp start, otlp stop    lets it listen, or not
//	otlp-got N               waits until it got the events of N created agents, and all others in order
//
// and the conditions
//
//	[token-file]              boto3 and the AWS CLI are new enough for AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
//	[pid-namespace]           a process can be the first of a namespace; where it cannot, continuous integration
//	                          fails
//	[namespaces]              a command can be contained; where it cannot, continuous integration fails
//	[root]                    the test runs as root; where it does not, continuous integration fails
func TestScripts(t *testing.T) {
	here := theTools(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               here.setup,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			switch name {
			case "token-file":
				return here.knowsTokenFile, nil
			case "pid-namespace":
				return canUnshare(t)
			case "namespaces":
				return canContain(t)
			case "root":
				return isRoot(t)
			}
			return false, fmt.Errorf("there is no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"admin": admin, "sim": simulate, "wait-for": waitFor, "served": served, "no-secrets": noSecrets,
			"not-in-memory": notInMemory, "postgres": newPostgres, "tamper": tamper, "empty-trail": emptyTrail,
			"kill-midway": killMidway, "recorded": recorded, "otlp": otlpReceiver, "otlp-got": otlpGot,
		},
	})
}

// canUnshare reports whether a program can be the first process of a namespace.
func canUnshare(t *testing.T) (bool, error) {
	out, err := exec.Command("unshare", "--fork", "--pid", "--mount-proc", "true").CombinedOutput()
	return tested(t, err, "process namespaces cannot be made here: %s", out)
}

// canContain reports whether a command can have namespaces of its own.
func canContain(t *testing.T) (bool, error) {
	out, err := exec.Command("unshare", "--user", "--net", "--mount", "--pid", "--fork", "true").CombinedOutput()
	return tested(t, err, "user namespaces cannot be made here: %s", out)
}

func isRoot(t *testing.T) (bool, error) {
	var err error
	if os.Geteuid() != 0 {
		err = os.ErrPermission
	}
	return tested(t, err, "root is needed")
}

// needs skips a test where something cannot be tested; continuous integration fails.
func needs(t *testing.T, can func(*testing.T) (bool, error)) {
	t.Helper()
	if ok, err := can(t); err != nil {
		t.Fatal(err)
	} else if !ok {
		t.SkipNow()
	}
}

// tested reports whether something can be tested on this machine. Where an error
// prevents it, continuous integration fails.
func tested(t *testing.T, err error, format string, args ...any) (bool, error) {
	t.Helper()
	switch {
	case err == nil:
		return true, nil
	case os.Getenv("CI") != "":
		return false, fmt.Errorf(format, args...)
	}
	t.Logf("NOT TESTED: "+format, args...)
	return false, nil
}

// tools are programs that scripts run.
type tools struct {
	bin            string // comes first on PATH
	examples       string
	python         string            // the path of the interpreter
	awsCLIs        map[string]string // the command of each AWS CLI, by its major version
	versions       map[string]string // of the AWS CLIs and boto3, by the names of the clients
	clients        []sdkClient
	knowsTokenFile bool
	installing     sync.Mutex
}

// theTools finds the tools, once for all tests.
func theTools(t *testing.T) *tools {
	t.Helper()
	here, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	return here
}

// findTools finds the programs that scripts need, and puts wrappers into bin.
var findTools = sync.OnceValues(func() (*tools, error) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return nil, err
	}
	t := &tools{bin: toolsFolder, examples: examples, versions: map[string]string{}}
	for _, find := range []func() error{t.findPython, t.findAWS, t.findNode, t.buildAgent, t.findClients} {
		if err := find(); err != nil {
			return nil, err
		}
	}
	return t, nil
})

// findPython finds a python3 that has boto3, which may be Debian's and not the first
// one on PATH. The first one may be a shim that looks for an interpreter at each start,
// so bin gets the interpreter.
func (t *tools) findPython() error {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(python, "-c", "import boto3, sys; print(boto3.__version__, sys.executable)").Output()
		version, path, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
		if err != nil || !ok {
			continue
		}
		t.python, t.knowsTokenFile, t.versions["boto3"] = path, newer(version, 1, 34), version
		return t.wrap("python3", path)
	}
	return errors.New("a python3 with boto3 is needed: run make setup")
}

// findAWS finds the AWS CLI of each major version. The command aws is the one beside
// the interpreter of Python, which a shim would find, or else the first on PATH.
func (t *tools) findAWS() error {
	t.awsCLIs = map[string]string{}
	paths := append([]string{filepath.Dir(t.python)}, filepath.SplitList(os.Getenv("PATH"))...)
	for _, dir := range append(paths, "/usr/local/bin", "/usr/bin") {
		path := filepath.Join(dir, "aws")
		if _, err := os.Stat(path); err != nil || t.python != "" && filepath.Base(dir) == "shims" &&
			len(t.awsCLIs) > 0 {
			continue // a shim takes a second to find one of the others
		}
		if err := t.addAWS(path); err != nil {
			return err
		}
	}
	if len(t.awsCLIs) == 0 {
		return errors.New("the AWS CLI is needed: run make setup")
	}
	return nil
}

// addAWS puts the AWS CLI at a path into bin, as aws-1 or aws-2, unless there is one of
// that major version. Versions that do not know AWS_ENDPOINT_URL get it as an option.
func (t *tools) addAWS(path string) error {
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s --version: %w\n%s", path, err, out)
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(string(out), "aws-cli/"), " ")
	major, _, _ := strings.Cut(version, ".")
	if t.awsCLIs[major] != "" {
		return nil
	}
	is1 := major == "1"
	var args []string
	if !(is1 && newer(version, 1, 29) || newer(version, 2, 13)) {
		args = []string{`${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"}`}
	}
	names := []string{"aws-" + major}
	if len(t.awsCLIs) == 0 {
		names = append(names, "aws")
		t.knowsTokenFile = t.knowsTokenFile && (is1 && newer(version, 1, 32) || newer(version, 2, 15))
	}
	t.awsCLIs[major], t.versions["AWS CLI "+major] = names[0], version
	for _, name := range names {
		if err := t.wrap(name, path, args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *tools) findNode() error {
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("Node.js is needed: run make setup")
	}
	for _, name := range []string{"@aws-sdk/client-sts", "aws-sdk"} {
		if _, err := os.Stat(filepath.Join(t.examples, "node/node_modules", name)); err != nil {
			return errors.New("the AWS SDKs for JavaScript are needed: run make setup")
		}
	}
	return nil
}

func (t *tools) buildAgent() error { return t.build(filepath.Join(t.examples, "go"), "go-agent") }

// build builds a Go program into bin, with the race detector if this test has it, so
// that little has to be compiled.
func (t *tools) build(dir, name string) error {
	t.installing.Lock()
	defer t.installing.Unlock()
	build := exec.Command("go", "build", "-o", filepath.Join(t.bin, name))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				build.Args = append(build.Args, "-race")
			}
		}
	}
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", dir, err, out)
	}
	return nil
}

// wrap puts a command into bin that runs a program, with these arguments first.
func (t *tools) wrap(name, path string, args ...string) error {
	script := fmt.Sprintf("#!/bin/sh\nexec %q %s \"$@\"\n", path, strings.Join(args, " "))
	return os.WriteFile(filepath.Join(t.bin, name), []byte(script), 0o755)
}

// newer says whether a version has this major version and at least this minor version.
func newer(version string, major, minor int) bool {
	parts := strings.SplitN(strings.TrimSpace(version), ".", 3)
	if len(parts) < 2 || parts[0] != strconv.Itoa(major) {
		return false
	}
	got, err := strconv.Atoi(parts[1])
	return err == nil && got >= minor
}

// setup makes the testbed and the environment of one script.
func (t *tools) setup(env *testscript.Env) error {
	tb := testbed.New(env.T().(testing.TB), nil)
	env.Values[worldKey{}], env.Values[scriptKey{}], env.Values[otlpKey{}] = tb, env.T(), &otlp{}
	token := tb.Scout
	script := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	if strings.HasPrefix(script, "cli_") {
		token = tb.AdminKey
	}
	home := filepath.Join(env.WorkDir, "home")
	customer := tb.AWS.Account(testbed.CustomerAccount).AdminKey()
	for name, value := range map[string]string{
		"ROLEBROKER_URL":            tb.URL,
		"ROLEBROKER_TOKEN":          token.Reveal(),
		"ADMIN_KEY":                 tb.AdminKey.Reveal(),
		"SCOUT_TOKEN":               tb.Scout.Reveal(),
		"OPERATOR_KEY_ID":           tb.Operator.AccessKeyID,
		"OPERATOR_SECRET":           tb.Operator.SecretAccessKey,
		"CUSTOMER_KEY_ID":           customer.AccessKeyID,
		"CUSTOMER_SECRET":           customer.SecretAccessKey,
		"SIM_URL":                   tb.AWSURL,
		"AWS_ENDPOINT_URL":          tb.AWSURL,
		"AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PAGER":                 "",
		"EXAMPLES":                  t.examples,
		"ME":                        strconv.Itoa(os.Getuid()),
		"GORACE":                    noRaceDelay,
		"HOME":                      home,
		"PATH":                      t.bin + string(filepath.ListSeparator) + env.Getenv("PATH"),
		"PYTHONDONTWRITEBYTECODE":   "1",
	} {
		env.Setenv(name, value)
	}
	if err := os.MkdirAll(filepath.Join(home, ".aws"), 0o700); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(t.examples, "node/node_modules"),
		filepath.Join(env.WorkDir, "node_modules")); err != nil {
		return err
	}
	if strings.HasPrefix(script, "exec_") {
		return poison(env, tb, home)
	}
	return nil
}

// poison puts an AWS identity wherever AWS SDKs look for one.
func poison(env *testscript.Env, tb *testbed.Testbed, home string) error {
	key := tb.AWS.Account("999988887777").CreateUser("poison", awssim.AllowAll).Key
	keys := fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey)
	for name, text := range map[string]string{
		".aws/credentials": "[default]\n" + keys + "\n[poison]\n" + keys,
		".aws/config":      "[default]\nregion = ap-south-1\n\n[profile poison]\nregion = ap-south-1\n",
		".aws/token":       "poison",
		".boto":            "[Credentials]\n" + keys,
	} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for name, value := range map[string]string{
		"POISON_KEY_ID":                          key.AccessKeyID,
		"AWS_ACCESS_KEY_ID":                      key.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":                  key.SecretAccessKey,
		"AWS_PROFILE":                            "poison",
		"AWS_DEFAULT_PROFILE":                    "poison",
		"AWS_REGION":                             "ap-south-1",
		"AWS_DEFAULT_REGION":                     "ap-south-1",
		"AWS_CONFIG_FILE":                        filepath.Join(home, ".aws/config"),
		"AWS_SHARED_CREDENTIALS_FILE":            filepath.Join(home, ".aws/credentials"),
		"AWS_WEB_IDENTITY_TOKEN_FILE":            filepath.Join(home, ".aws/token"),
		"AWS_ROLE_ARN":                           "arn:aws:iam::999988887777:role/poison",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/poison",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": filepath.Join(home, ".aws/token"),
	} {
		env.Setenv(name, value)
	}
	return nil
}

// The keys of a script's values: its testbed and its test.
type (
	worldKey  struct{}
	scriptKey struct{}
)

func world(ts *testscript.TestScript) *testbed.Testbed {
	return ts.Value(worldKey{}).(*testbed.Testbed)
}

// must ends the script on an error.
func must(ts *testscript.TestScript, err error) {
	if err != nil {
		ts.Fatalf("%v", err)
	}
}

// want ends the script if there are fewer arguments than least.
func want(ts *testscript.TestScript, neg bool, args []string, least int, usage string) {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
}

// admin runs rolebroker with the admin key.
func admin(ts *testscript.TestScript, neg bool, args []string) {
	token := ts.Getenv("ROLEBROKER_TOKEN")
	ts.Setenv("ROLEBROKER_TOKEN", ts.Getenv("ADMIN_KEY"))
	err := ts.Exec("rolebroker", args...)
	ts.Setenv("ROLEBROKER_TOKEN", token)
	if (err != nil) != neg {
		ts.Fatalf("rolebroker %s: %v\n%s", strings.Join(args, " "), err, ts.ReadFile("stderr"))
	}
}

// simulate changes or checks the simulated AWS.
func simulate(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, "sim lifetime|propagation|fault|calls|assumed|source-identity|trust|role|policy|cluster|token ARG…")
	tb := world(ts)
	customer := tb.AWS.Account(testbed.CustomerAccount)
	switch what, args := args[0], args[1:]; {
	case what == "lifetime":
		tb.AWS.SetLifetime(duration(ts, args[0]))
	case what == "propagation":
		tb.AWS.SetPropagation(duration(ts, args[0]))
	case what == "fault":
		inject(ts, tb.AWS, args)
	case what == "calls" && len(args) == 2:
		if got := strconv.Itoa(tb.AWS.Calls(args[0])); got != args[1] {
			ts.Fatalf("AWS saw %s calls of %s", got, args[0])
		}
	case what == "assumed":
		calls := tb.AWS.Assumed()
		if len(calls) == 0 || calls[len(calls)-1].SessionName != args[0] {
			ts.Fatalf("AWS was asked for %+v", calls)
		}
	case what == "source-identity" && len(args) == 2:
		if got := lastSourceIdentity(tb.AWS, args[0]); got != args[1] {
			ts.Fatalf("role %s was assumed with the source identity %q", args[0], got)
		}
	case what == "cluster" && len(args) > 1:
		must(ts, os.WriteFile(ts.MkAbs(args[0]), []byte(serviceAccountToken(ts, time.Hour)), 0o600))
		keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: clusterKey().Public(), KeyID: "k"}}}
		provider := customer.AddOIDCProvider(clusterIssuer, []string{"sts.amazonaws.com"}, keys)
		for _, role := range args[1:] {
			customer.SetTrustPolicy(role, trustsRunner(provider))
		}
	case what == "token" && len(args) == 2:
		must(ts, os.WriteFile(ts.MkAbs(args[0]), []byte(serviceAccountToken(ts, duration(ts, args[1]))), 0o600))
	case what == "trust" && len(args) == 2:
		customer.SetTrustPolicy(args[0], testbed.Trust(args[1]))
	case what == "role" && len(args) == 2:
		customer.CreateRole(awssim.Role{Name: args[0], TrustPolicy: ts.ReadFile(args[1])})
	case what == "role" && len(args) == 3:
		customer.CreateRole(awssim.Role{Name: args[0], TrustPolicy: ts.ReadFile(args[1]),
			Policies: map[string]string{"permissions": ts.ReadFile(args[2])}})
	case what == "policy" && len(args) == 2:
		role, _ := customer.Role(args[0])
		must(ts, os.WriteFile(ts.MkAbs(args[1]), []byte(role.TrustPolicy), 0o600))
	default:
		ts.Fatalf("sim cannot %s %s", what, strings.Join(args, " "))
	}
}

// trustsRunner is the trust policy of a role that the runner of the scripts'
// cluster may assume.
func trustsRunner(provider string) string {
	return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
		"Principal": {"Federated": "` + provider + `"}, "Action": "sts:AssumeRoleWithWebIdentity",
		"Condition": {"StringEquals": {
			"oidc.example.com/id/A:sub": "system:serviceaccount:rolebroker:rolebroker-runner",
			"oidc.example.com/id/A:aud": "sts.amazonaws.com"}}}}`
}

// clusterIssuer is the issuer of the tokens of the scripts' cluster, and
// clusterKey signs them.
const clusterIssuer = "https://oidc.example.com/id/A"

var clusterKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// lastSourceIdentity returns the source identity with which an agent assumed a role last.
func lastSourceIdentity(aws *awssim.AWS, role string) (source string) {
	for _, call := range aws.Assumed() {
		if strings.HasSuffix(call.RoleARN, ":role/"+role) && !strings.Contains(call.SessionName, "=") {
			source = call.SourceIdentity
		}
	}
	return source
}

// serviceAccountToken makes a token of the runner's service account, as Kubernetes
// projects it for STS.
func serviceAccountToken(ts *testscript.TestScript, lives time.Duration) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256,
		Key: jose.JSONWebKey{Key: clusterKey(), KeyID: "k"}}, nil)
	must(ts, err)
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": clusterIssuer,
		"sub": "system:serviceaccount:rolebroker:rolebroker-runner",
		"aud": []string{"sts.amazonaws.com"}, "iat": now.Add(-2 * time.Hour).Unix(),
		"exp": now.Add(lives).Unix()}).Serialize()
	must(ts, err)
	return token
}

// inject makes STS fail.
func inject(ts *testscript.TestScript, aws *awssim.AWS, args []string) {
	var fault awssim.Fault
	switch {
	case args[0] == "clear":
		aws.ClearFaults()
		return
	case args[0] == "throttle":
		fault = awssim.Throttle()
	case args[0] == "down":
		fault = awssim.Fail(503)
	case args[0] == "drop":
		fault = awssim.Drop()
	case args[0] == "slow" && len(args) == 2:
		fault = awssim.Slow(duration(ts, args[1]))
	default:
		ts.Fatalf("there is no fault %s", strings.Join(args, " "))
	}
	fault.Action = "AssumeRole"
	aws.Inject(fault)
}

func duration(ts *testscript.TestScript, s string) time.Duration {
	d, err := time.ParseDuration(s)
	must(ts, err)
	return d
}

// patience is how long to wait for something that happens soon on an idle machine.
const patience = time.Minute

// until polls a condition.
func until(ts *testscript.TestScript, what string, so func() bool) {
	for end := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s: not in %s", what, patience)
		}
	}
}

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "wait-for CMD ARG…")
	until(ts, strings.Join(args, " "), func() bool { return ts.Exec(args[0], args[1:]...) == nil })
}

// newPostgres makes a PostgreSQL database, which is dropped when the script ends.
func newPostgres(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "postgres NAME")
	ts.Setenv(args[0], storetest.EmptyPostgres(ts.Value(scriptKey{}).(testing.TB)))
}

// servingLine matches the log line of a server that answers.
var servingLine = regexp.MustCompile(`msg=serving url=(\S+)`)

func served(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "served FILE")
	until(ts, "the server", func() bool {
		log, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not exist yet
		serving := servingLine.FindSubmatch(log)
		if serving != nil {
			ts.Setenv("ROLEBROKER_URL", string(serving[1]))
		}
		return serving != nil
	})
}

// tokenForm matches agent tokens, API keys and the tokens of exec's loopback ports. In a database, nothing is between
// one text and the next.
var tokenForm = regexp.MustCompile(`rb[a-z]_[a-z0-9]+_[a-z2-7]{52}|\b(rbxp?_)?[0-9a-f]{64}\b`)

func noSecrets(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "no-secrets FILE…")
	for _, file := range args {
		text := ts.ReadFile(file)
		for _, secret := range world(ts).Secrets() {
			if strings.Contains(text, secret) {
				ts.Fatalf("%s has a secret in it: %.8s…", file, secret)
			}
		}
		if token := tokenForm.FindString(text); token != "" {
			ts.Fatalf("%s has a token in it: %.8s…", file, token)
		}
	}
}

// notInMemory reads the memory of a process, as a debugger does.
func notInMemory(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, "not-in-memory PID LENT")
	var lent struct{ AccessKeyId, SecretAccessKey, Token string }
	must(ts, json.Unmarshal([]byte(ts.ReadFile(args[1])), &lent))
	if lent.SecretAccessKey == "" || lent.Token == "" || lent.AccessKeyId == "" {
		ts.Fatalf("%s has no credentials in it", args[1])
	}
	found, err := inMemory(strings.TrimSpace(ts.ReadFile(args[0])), lent.AccessKeyId, lent.SecretAccessKey, lent.Token)
	must(ts, err)
	if found[lent.SecretAccessKey] || found[lent.Token] {
		ts.Fatalf("the credentials are in the memory of the process")
	}
	if !found[lent.AccessKeyId] { // it is in a record; if it is not found, this does not read the right memory
		ts.Fatalf("the access key ID is not in the memory of the process, so nothing would be found")
	}
}

// inMemory says which of the texts a process has in its memory.
//
// Source: proc(5), /proc/pid/maps and /proc/pid/mem.
func inMemory(pid string, texts ...string) (map[string]bool, error) {
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		return nil, err
	}
	memory, err := os.Open("/proc/" + pid + "/mem")
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	found := map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n < 3 || !strings.HasPrefix(mode, "rw") {
			continue
		}
		const window, overlap = 1 << 20, 4 << 10
		chunk := make([]byte, window+overlap)
		for at := from; at < to; at += window {
			n, _ := memory.ReadAt(chunk[:min(int64(len(chunk)), to-at)], at) // an error means that a part is not mapped
			for _, text := range texts {
				found[text] = found[text] || bytes.Contains(chunk[:n], []byte(text))
			}
		}
	}
	return found, nil
}

// goWorker calls GetCallerIdentity with one client until it has used two access keys.
// It prints each of them, and exits at any error.
func goWorker() {
	if err := work(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := sts.NewFromConfig(cfg)
	seen := map[string]bool{}
	for ; len(seen) < 2; time.Sleep(500 * time.Millisecond) {
		credentials, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return err
		}
		me, err := client.GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		if !seen[credentials.AccessKeyID] {
			fmt.Println(credentials.AccessKeyID, aws.ToString(me.Arn))
		}
		seen[credentials.AccessKeyID] = true
	}
	return nil
}
