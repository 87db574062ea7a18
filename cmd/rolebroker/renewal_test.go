package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// callsLater calls AWS by a gateway, once for each line that it gets. At the line "later" its SDK believes that 61 seconds
// have passed.
const callsLater = `
import sys
import boto3, botocore.config, botocore.exceptions
from datetime import datetime, timedelta, timezone
session = boto3.Session(region_name="eu-west-1")
sts = session.client("sts", config=botocore.config.Config(retries={"total_max_attempts": 1}))
for line in sys.stdin:
    if line == "later\n":
        session.get_credentials()._time_fetcher = lambda: datetime.now(timezone.utc) + timedelta(seconds=61)
    try:
        print(sts.get_caller_identity()["Arn"].split("/")[1], flush=True)
    except botocore.exceptions.ClientError as e:
        print(e.response["Error"]["Code"], flush=True)
`

// Outside of exec nobody can renew a key underneath an SDK, and no answer makes boto3 ask for another one. It asks within
// a minute because keys are short.
func TestAProcessOutsideOfExecGoesOnWithinAMinute(t *testing.T) {
	here := theTools(t)
	tb := testbed.New(t, &testbed.Options{Config: func(c *config.Server) { c.GatewayListen = "127.0.0.1:0" }})
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(tb.Admin.Limit(t.Context(), "scout", "production", api.LimitsRequest{Keys: "withheld"}, ""))
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	rotate := func() (id string) {
		t.Helper()
		token, err := tb.Admin.CreateToken(t.Context(), "scout", api.TokenRequest{})
		must(nil, err)
		must(nil, os.WriteFile(file, []byte(token.Token), 0o600))
		return token.ID
	}
	old := rotate()
	cmd := exec.Command(here.python, "-c", callsLater)
	cmd.Env = append(withoutAWS(os.Environ()), "AWS_CONTAINER_CREDENTIALS_FULL_URI="+tb.URL+"/v1/credentials/deployer",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+file, "AWS_ENDPOINT_URL="+tb.GatewayURL())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(nil, err)
	out, err := cmd.StdoutPipe()
	must(nil, err)
	must(nil, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	said := bufio.NewScanner(out)
	says := func(line, want string) {
		t.Helper()
		must(io.WriteString(in, line+"\n"))
		if !said.Scan() || said.Text() != want {
			t.Errorf("%s, boto3 says %q, want %q", line, said.Text(), want)
		}
	}
	says("before", "Deployer")
	rotate()
	must(nil, tb.Admin.RevokeToken(t.Context(), "scout", old))
	says("at once", "ExpiredToken")
	says("later", "Deployer")
}
