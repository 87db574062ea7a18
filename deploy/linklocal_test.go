package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/runner"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// inNode is set in the environment of a test that runs in the node's network.
const inNode = "ROLEBROKER_TEST_IN_NODE"

var nodePattern = regexp.MustCompile("(?ms)^<!-- node -->\n```sh\n(.*?)^```$")

// network connects a node and a pod: the pod has a link to the node, over which it
// sends all packets to one neighbour, as with the VPC CNI plugin of AWS.
const network = `set -eu
ip link set lo up
unshare --net sleep 300 & pod=$!
trap 'kill $pod' EXIT
while [ "$(readlink /proc/$pod/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link add node0 type veth peer name eth0 netns $pod
ip link set node0 up
ip address add 10.1.1.1/32 dev node0
ip route add 10.1.1.2/32 dev node0
gateway=$(ip -o link show node0 | sed 's/.*ether \([^ ]*\).*/\1/')
nsenter --target $pod --net sh -euc "ip link set lo up; ip address add 10.1.1.2/32 dev eth0; ip link set eth0 up
  ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1 dev eth0
  ip neighbour add 169.254.1.1 lladdr $gateway dev eth0"
export POD=$pod
`

// TestLinkLocalAddress has boto3 in a pod borrow at the link-local address of its
// node. The command of the page adds the address to the node. The test needs root
// to make networks.
func TestLinkLocalAddress(t *testing.T) {
	if os.Getenv(inNode) != "" {
		borrowInPod(t)
		return
	}
	for _, program := range []string{"unshare", "nsenter", "ip"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			notTested(t, "root and %s are needed", program)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	command := nodePattern.FindStringSubmatch(string(text))
	if command == nil {
		t.Fatal("the page has no command that adds the address to a node")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	node := exec.Command("unshare", "--net", "bash", "-c",
		network+command[1]+`"$0" -test.run '^TestLinkLocalAddress$' -test.count 1 -test.v`, self)
	node.Env = append(os.Environ(), inNode+"=yes")
	out, err := node.CombinedOutput()
	if strings.Contains(string(out), "Operation not permitted") {
		notTested(t, "networks cannot be made here\n%s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLinkLocalAddress") {
		t.Errorf("%v\n%s", err, out)
	}
}

// borrowInPod is the test in the node's network.
func borrowInPod(t *testing.T) {
	tb := testbed.New(t, nil)
	if _, err := tb.Admin.CreateRunner(t.Context(), api.RunnerRequest{Name: "node"}); err != nil {
		t.Fatal(err)
	}
	join, err := tb.Admin.CreateJoinToken(t.Context(), "node", api.JoinTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	startRunner(t, runner.Options{
		Server: client.Options{URL: tb.URL}, State: runner.Folder(t.TempDir()),
		JoinToken: rolebroker.NewSecret(join.Token.Reveal()),
		Grace:     time.Hour, Listen: "169.254.170.23:8485", Program: "test",
	})
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, []byte(tb.Scout.Reveal()))
	pod := exec.Command("nsenter", "--target", os.Getenv("POD"), "--net", python(t), "-c",
		"import boto3; print(boto3.Session().get_credentials().access_key)")
	pod.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23:8485/v1/credentials",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + token}
	out, err := pod.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sessions, err := tb.Admin.Sessions(t.Context(), api.SessionFilter{}, client.List{})
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions.Items) != 1 || sessions.Items[0].AccessKeyID != strings.TrimSpace(string(out)) {
		t.Errorf("boto3 has %s, and on record is %+v", out, sessions.Items)
	}
}

func startRunner(t *testing.T, opts runner.Options) *runner.Runner {
	t.Helper()
	running, err := runner.Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return running
}

// python returns a Python that has boto3: the first on PATH, or Debian's.
func python(t *testing.T) string {
	t.Helper()
	for _, candidate := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(candidate, "-c", "import boto3").Run() == nil {
			return candidate
		}
	}
	t.Fatal("boto3 is needed: run make setup")
	return ""
}
