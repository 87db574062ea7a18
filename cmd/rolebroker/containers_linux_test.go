package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// inHost is set in the environment of a test that runs in the network of a host with
// a container.
const inHost = "ROLEBROKER_TEST_IN_HOST"

// containerNetwork is the network of a host with one container, as Docker makes it.
const containerNetwork = `set -eu
ip link set lo up
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
unshare --net sleep 300 & container=$!
trap 'kill $container' EXIT
while [ "$(readlink /proc/$container/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link add veth0 type veth peer name eth0 netns $container
ip link set veth0 master docker0 up
nsenter --target $container --net sh -euc "ip link set lo up; ip address add 172.17.0.2/16 dev eth0
  ip link set eth0 up; ip route add default via 172.17.0.1"
export CONTAINER=$container
`

// docker stands in for docker run: it runs the command in the network of the
// container, with the variables that -e names and no others.
const docker = `#!/bin/bash
set -eu
shift
variables=()
while :; do
  case $1 in
    -e) variables+=("$2=${!2}"); shift 2;;
    -v) shift 2;;
    --rm) shift;;
    *) shift; break;;
  esac
done
exec nsenter --target "$CONTAINER" --net env -i PATH="$PATH" HOME=/nonexistent GORACE="$GORACE" "${variables[@]}" "$@"
`

// agentInContainer prints the access key and the region of the default role.
const agentInContainer = `import boto3
session = boto3.Session()
print(session.get_credentials().access_key, session.region_name)
`

var containerPattern = regexp.MustCompile("(?ms)^<!-- container -->\n```sh\n(.*?)^```$")

// TestContainersBorrowFromExec runs what the docs say about containers, in which
// boto3 borrows.
func TestContainersBorrowFromExec(t *testing.T) {
	if os.Getenv(inHost) != "" {
		borrowInContainers(t)
		return
	}
	out, err := exec.Command("unshare", "--net", "ip", "link", "add", "docker0", "type", "bridge").CombinedOutput()
	if ok, err := tested(t, err, "networks cannot be made here: %s", out); !ok {
		if err != nil {
			t.Fatal(err)
		}
		t.SkipNow()
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command("unshare", "--net", "bash", "-c",
		containerNetwork+`"$0" -test.run '^TestContainersBorrowFromExec$' -test.count 1 -test.v`, self)
	host.Env = append(os.Environ(), inHost+"=yes")
	if out, err := host.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestContainers") {
		t.Errorf("%v\n%s", err, out)
	}
}

// borrowInContainers is the test in the network of the host.
func borrowInContainers(t *testing.T) {
	here := theTools(t)
	text, err := os.ReadFile("../../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := containerPattern.FindAllStringSubmatch(string(text), -1)
	if len(recipes) != 2 {
		t.Fatalf("the docs have %d recipes for containers", len(recipes))
	}
	tb := testbed.New(t, nil)
	dir := t.TempDir()
	copyProgram(t, filepath.Join(dir, "rolebroker"))
	for file, content := range map[string]string{"docker": docker, "agent.py": agentInContainer} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(line string) (string, error) {
		shell := exec.Command("bash", "-euc", line)
		shell.Dir = dir
		shell.Env = append(withoutAWS(os.Environ()), "PATH="+dir+":"+here.bin+":"+os.Getenv("PATH"),
			"ROLEBROKER_URL="+tb.URL, "ROLEBROKER_TOKEN="+tb.Scout.Reveal(), "HOME="+dir, "GORACE="+noRaceDelay,
			"HTTP_PROXY=http://127.0.0.1:9") // nothing listens there
		out, err := shell.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Logf("%s", exit.Stderr)
		}
		return strings.TrimSpace(string(out)), err
	}
	for i, want := range []string{"readonly us-east-1", "deployer eu-west-1"} {
		printed, err := run(recipes[i][1])
		if err != nil {
			t.Errorf("%v\n%s", err, recipes[i][1])
			continue
		}
		role, region, _ := strings.Cut(want, " ")
		if printed != accessKey(t, tb, role)+" "+region {
			t.Errorf("boto3 has %s, not the key and the region of %s", printed, want)
		}
	}
	if printed, err := run(strings.ReplaceAll(recipes[0][1], "--listen 172.17.0.1", "")); err == nil {
		t.Errorf("without --listen a container borrows: %s", printed)
	}
}

// accessKey returns the access key of the only session of a role.
func accessKey(t *testing.T, tb *testbed.Testbed, role string) (found string) {
	t.Helper()
	sessions, err := tb.Admin.Sessions(t.Context(), api.SessionFilter{}, client.List{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions.Items {
		if s.Role == role {
			found += s.AccessKeyID
		}
	}
	return found
}
