package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// Programs that stand in for services of AWS, which others wrote.
const (
	versitygw = "github.com/versity/versitygw/cmd/versitygw@v1.8.0" // S3; verifies signatures in all forms
	goaws     = "github.com/Admiral-Piett/goaws/app/cmd@v0.4.5"     // SQS with forms
	emulators = "testdata/upstreams"                                // DynamoDB; SQS with JSON
)

// upstreams is a server whose gateway has services of others behind it, and an agent whose keys are withheld.
type upstreams struct {
	t       *testing.T
	here    *tools
	tb      *testbed.Testbed
	dir     string // of the agent
	s3      string // the URL of S3
	buckets string // the folder that has the buckets
	env     []string
	flags   []string // of exec
}

// The owner of the buckets.
const ownerID, ownerSecret = "owner", "secret of the owner"

// newUpstreams starts the services that the test names: s3, dynamodb, sqs, sqs-json, timestream, copies.
func newUpstreams(t *testing.T, names ...string) *upstreams {
	t.Helper()
	w := &upstreams{t: t, here: theTools(t), dir: t.TempDir()}
	aws := awssim.New(awssim.Options{})
	at := map[string]string{}
	for _, name := range names {
		switch name {
		case "s3":
			w.startS3(aws)
			at["AWS_ENDPOINT_URL_S3"] = w.s3
		case "dynamodb":
			at["AWS_ENDPOINT_URL_DYNAMODB"] = w.startNode("dynalite/cli.js", "--port", "PORT", "--host", "127.0.0.1",
				"--createTableMs", "1", "--deleteTableMs", "1")
		case "sqs-json":
			at["AWS_ENDPOINT_URL_SQS"] = w.startNode("fauxqs/dist/server.js")
		case "timestream":
			at["AWS_ENDPOINT_URL_TIMESTREAM_WRITE"] = w.startTimestream()
			at["AWS_ENDPOINT_URL_TIMESTREAM_QUERY"] = at["AWS_ENDPOINT_URL_TIMESTREAM_WRITE"]
		case "copies":
			at["AWS_ENDPOINT_URL_EC2"] = w.startCopies()
			at["AWS_ENDPOINT_URL_RDS"] = at["AWS_ENDPOINT_URL_EC2"]
		case "sqs":
			at["AWS_ENDPOINT_URL_SQS"] = w.startForms()
		}
	}
	w.tb = testbed.New(t, &testbed.Options{AWS: aws, Upstreams: at,
		Config: func(c *config.Server) { c.GatewayListen = "127.0.0.1:0" }})
	if _, err := w.tb.Admin.Limit(t.Context(), "scout", "production", api.LimitsRequest{Keys: "withheld"}, ""); err != nil {
		t.Fatal(err)
	}
	w.env = append(withoutAWS(os.Environ()), "HOME="+w.dir, "AWS_PAGER=", "GORACE="+noRaceDelay,
		"PYTHONDONTWRITEBYTECODE=1", "ROLEBROKER_URL="+w.tb.URL, "ROLEBROKER_TOKEN="+w.tb.Scout.Reveal(),
		"AWS_EC2_METADATA_DISABLED=true", "RCLONE_CONFIG="+w.dir+"/rclone.conf", "RESTIC_PASSWORD=x",
		"CHECKPOINT_DISABLE=1", "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1",
		"GATEWAY="+w.tb.GatewayURL(), "BUCKETS="+w.buckets, "NODE_PATH="+abs(t, emulators)+"/node_modules",
		"PATH="+w.here.bin+":"+os.Getenv("PATH"))
	return w
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs commands in bash, as the role deployer.
func (w *upstreams) run(commands string, env ...string) (string, error) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "run.sh"), []byte(commands), 0o600); err != nil {
		w.t.Fatal(err)
	}
	args := append([]string{"exec", "--role", "deployer"}, w.flags...)
	args = append(args, "--", "bash", "-euo", "pipefail", "run.sh")
	shell := exec.CommandContext(w.t.Context(), "rolebroker", args...)
	shell.Dir, shell.Env = w.dir, append(slices.Clone(w.env), env...)
	out, err := shell.CombinedOutput()
	return string(out), err
}

// works runs commands that have to succeed.
func (w *upstreams) works(commands string, env ...string) string {
	w.t.Helper()
	out, err := w.run(commands, env...)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// start starts a service and waits until something listens on its port.
func (w *upstreams) start(cmd *exec.Cmd, port string) {
	w.t.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	w.t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		if w.t.Failed() {
			w.t.Logf("%s:\n%.20000s", filepath.Base(cmd.Path), said.String())
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-done:
			done <- err
			w.t.Fatalf("%s ended: %v\n%s", cmd.Path, err, said.String())
		default:
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s does not listen", cmd.Path)
		}
	}
}

// freePort is a port of the loopback address that nothing uses now.
func (w *upstreams) freePort() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// startNode starts a program of a package of Node.js. PORT stands for its port.
func (w *upstreams) startNode(program string, args ...string) (url string) {
	w.t.Helper()
	modules := abs(w.t, emulators)
	path := filepath.Join(modules, "node_modules", program)
	if _, err := os.Stat(path); err != nil {
		w.t.Fatal("the emulators are needed: run make setup")
	}
	port := w.freePort()
	for i, arg := range args {
		args[i] = strings.Replace(arg, "PORT", port, 1)
	}
	cmd := exec.Command("node", append([]string{"--import", filepath.Join(modules, "without-sqlite.mjs"), path}, args...)...)
	cmd.Env = append(os.Environ(), "FAUXQS_PORT="+port, "FAUXQS_LOGGER=false", "FAUXQS_DEFAULT_REGION=eu-west-1")
	w.start(cmd, port)
	return "http://127.0.0.1:" + port
}

// startCopies starts a stand-in for EC2 and RDS. It copies snapshots, and says who signed the request inside and where.
func (w *upstreams) startCopies() (url string) {
	w.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		inside, err := neturl.Parse(r.FormValue("PresignedUrl") + r.FormValue("PreSignedUrl"))
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		key, scope, _ := strings.Cut(inside.Query().Get("X-Amz-Credential"), "/")
		fmt.Fprintf(rw, `<R><snapshotId>%[1]s</snapshotId><CopyDBSnapshotResult><DBSnapshot>`+
			`<DBSnapshotIdentifier>%[1]s</DBSnapshotIdentifier></DBSnapshot></CopyDBSnapshotResult></R>`,
			key[:4]+" "+scope[9:])
	}))
	w.t.Cleanup(s.Close)
	return s.URL
}

// startTimestream starts a stand-in for Timestream, whose cell is a host of AWS, and which has a database.
func (w *upstreams) startTimestream() (url string) {
	w.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeEndpoints") {
			const cell = "ingest-cell1.timestream.eu-west-1.amazonaws.com"
			fmt.Fprintf(rw, `{"Endpoints":[{"Address":%q,"CachePeriodInMinutes":1440}]}`, cell)
			return
		}
		fmt.Fprint(rw, `{"Databases":[{"DatabaseName":"metrics"}],"ScheduledQueries":[{"Name":"nightly"}]}`)
	}))
	w.t.Cleanup(s.Close)
	return s.URL
}

func (w *upstreams) startForms() (url string) {
	w.t.Helper()
	if err := w.here.install(goaws); err != nil {
		w.t.Fatal(err)
	}
	port := w.freePort()
	settings := filepath.Join(w.t.TempDir(), "goaws.yaml")
	text := "Local:\n  Host: 127.0.0.1\n  Port: " + port + "\n  Region: eu-west-1\n  AccountId: \"444455556666\"\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.start(exec.Command(filepath.Join(w.here.bin, "cmd"), "-config", settings), port)
	return "http://127.0.0.1:" + port
}

// startS3 starts an S3 that knows the keys of a simulated AWS. Its buckets bucket and other belong to somebody else, who
// lets everybody use them that the simulated AWS knows.
func (w *upstreams) startS3(aws *awssim.AWS) {
	w.t.Helper()
	if err := w.here.install(versitygw); err != nil {
		w.t.Fatal(err)
	}
	w.buckets = w.t.TempDir()
	port, run := w.freePort(), w.t.TempDir()
	socket := filepath.Join(run, "iam")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		w.t.Fatal(err)
	}
	identities := httptest.NewUnstartedServer(knownTo(aws))
	identities.Listener.Close()
	identities.Listener = listener
	identities.Start()
	w.t.Cleanup(identities.Close)
	cmd := exec.Command(filepath.Join(w.here.bin, "versitygw"), "--access", ownerID, "--secret", ownerSecret, "--region",
		"eu-west-1", "--port", "127.0.0.1:"+port, "--quiet", "--iam-standalone-endpoint", socket, "posix",
		w.buckets)
	cmd.Dir = run
	w.start(cmd, port)
	w.s3 = "http://127.0.0.1:" + port
	owner := exec.Command(w.here.python, "-c", `import boto3
s3 = boto3.client("s3")
for b in ["bucket", "other"]:
    s3.create_bucket(Bucket=b, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
`)
	owner.Env = append(withoutAWS(os.Environ()), "AWS_ENDPOINT_URL="+w.s3, "AWS_ACCESS_KEY_ID="+ownerID,
		"AWS_SECRET_ACCESS_KEY="+ownerSecret, "AWS_DEFAULT_REGION=eu-west-1")
	if out, err := owner.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
}

// knownTo answers versitygw, which asks for the key that signs for a session, and what the session may do. Who has a
// session of the simulated AWS may do everything.
//
// Source: github.com/versity/versitygw, iamapi/private/types.go.
func knownTo(aws *awssim.AWS) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Vgw-Private-Protocol", "1")
		rw.Header().Set("Content-Type", "application/json")
		var asks struct {
			AccessKeyID, SessionToken, Date, Region, Service string
			Actions, Resources, AccessKeyIDs                 []string
		}
		json.NewDecoder(r.Body).Decode(&asks)
		key, known := aws.Lookup(asks.AccessKeyID)
		answer := map[string]any{"protocol": 1, "minClient": 1}
		switch path := filepath.Base(r.URL.Path); {
		case path == "version":
		case path == "resolve-identity":
			answer["identities"] = make([]map[string]any, len(asks.AccessKeyIDs))
		case path == "resolve-principals":
			answer["invalid"] = []string{}
		case !known:
			rw.WriteHeader(http.StatusForbidden)
			answer = map[string]any{"code": "NoSuchIdentity"}
		case key.SessionToken != asks.SessionToken:
			rw.WriteHeader(http.StatusForbidden)
			answer = map[string]any{"code": "InvalidToken"}
		case path == "derive-signing-key":
			secret := []byte("AWS4" + key.SecretAccessKey)
			for _, part := range []string{asks.Date, asks.Region, asks.Service, "aws4_request"} {
				mac := hmac.New(sha256.New, secret)
				fmt.Fprint(mac, part)
				secret = mac.Sum(nil)
			}
			answer = map[string]any{"derivedKey": secret, "principalArn": "arn:aws:sts::444455556666:assumed-role/Deployer/scout",
				"roleArn": "arn:aws:iam::444455556666:role/Deployer"}
		case path == "evaluate-policy":
			row := slices.Repeat([]string{"allow"}, len(asks.Actions))
			rows := make([][]string, len(asks.Resources))
			for i := range rows {
				rows[i] = row
			}
			answer = map[string]any{"decisions": rows}
		}
		json.NewEncoder(rw).Encode(answer)
	})
}
