package main

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/internal/testbed"
)

// clientTool is a row of the table in docs/clients.md. Its command says in AWS who it
// is, or does something else that it has to sign.
type clientTool struct {
	row     string // the first cell of the row
	needs   string // a program on PATH
	install string // the package of a Go module that has the program
	command string // for bash
	signs   string // the services for which it signs, in this order; empty: it prints a token for EKS
	env     []string
	version string // empty: new
}

// goTools are programs in Go modules. go install makes them, from the module cache or
// the module proxy.
const (
	ecrHelper        = "github.com/awslabs/amazon-ecr-credential-helper/ecr-login/cli/docker-credential-ecr-login@v0.12.0"
	iamAuthenticator = "sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator@v0.6.13"
)

func (t *tools) clientTools() []clientTool {
	var all []clientTool
	for _, c := range t.clients {
		all = append(all, clientTool{row: c.name, command: strings.Join(c.command, " ") + ` ""`, signs: "sts", env: c.env,
			version: t.versions[c.name]})
	}
	for major, command := range t.awsCLIs {
		all = append(all, clientTool{row: "EKS token: `aws eks get-token`, AWS CLI " + major,
			command: command + ` eks get-token --cluster-name production`, version: t.versions["AWS CLI "+major]})
	}
	return append(all,
		clientTool{row: "EKS token: aws-iam-authenticator", install: iamAuthenticator,
			command: `aws-iam-authenticator token --cluster-id production --region eu-west-1`},
		clientTool{row: "ECR credential helper", install: ecrHelper, signs: "ecr",
			command: `echo ` + registry + ` | docker-credential-ecr-login get`},
		clientTool{row: "rclone", needs: "rclone", signs: "s3", version: rcloneVersion(),
			command: `rclone ls :s3,provider=AWS,env_auth,region=eu-west-1:my-bucket`},
		clientTool{row: "restic", needs: "restic", signs: "s3",
			command: `restic -r s3:s3.eu-west-1.amazonaws.com/my-bucket/$RANDOM init`},
		clientTool{row: "Terraform, S3 backend", needs: "terraform", signs: "sts s3",
			command: `cd $(mktemp -d) && echo "$BACKEND" >main.tf && terraform init -input=false && terraform plan`},
	)
}

// rcloneVersion is the version of the rclone on PATH; empty if it is missing.
func rcloneVersion() string {
	out, _ := exec.Command("rclone", "version").Output() // the test finds out that it is missing
	version, _, _ := strings.Cut(strings.TrimPrefix(string(out), "rclone v"), "\n")
	return version
}

// ways are the columns of the table: how a client gets the role deployer.
var ways = []struct {
	column string
	run    string // for bash, with the client in run.sh
}{
	{"`exec`, one role", `rolebroker exec --role deployer -- bash run.sh`},
	{"`exec`, several roles", `rolebroker exec -- env AWS_PROFILE=deployer bash run.sh`},
	{"URL", `AWS_CONTAINER_AUTHORIZATION_TOKEN=$ROLEBROKER_TOKEN ` + fromServer("$ROLEBROKER_URL")},
	{"URL, token in a file", `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$PWD/token ` + fromServer("$ROLEBROKER_URL")},
	{"URL, private CA", `AWS_CONTAINER_AUTHORIZATION_TOKEN=$ROLEBROKER_TOKEN ` +
		`SSL_CERT_FILE=$PWD/ca.pem NODE_EXTRA_CA_CERTS=$PWD/ca.pem ` + fromServer("$PRIVATE_URL")},
	{"`credential_process`", `AWS_CONFIG_FILE=$PWD/config AWS_PROFILE=deployer AWS_SDK_LOAD_CONFIG=1 bash run.sh`},
}

func fromServer(url string) string {
	return `AWS_CONTAINER_CREDENTIALS_FULL_URI=` + url + `/v1/credentials/deployer ` +
		`AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1 bash run.sh`
}

// profileOfDocs is the profile in docs/agents.md.
const profileOfDocs = `[profile deployer]
region = eu-west-1
credential_process = rolebroker credentials --role deployer --format process
`

// TestTheTableOfClientsIsTrue runs each client in each of the ways. In the table, a cell
// that begins with yes says that AWS sees the role in its region, and one that begins
// with no that AWS sees nobody. "yes, from 2.15" is no for an older AWS CLI.
func TestTheTableOfClientsIsTrue(t *testing.T) {
	here := theTools(t)
	table := clientTable(t)
	for _, c := range here.clientTools() {
		t.Run(c.row, func(t *testing.T) {
			t.Parallel()
			cells := table[c.row]
			if cells == nil {
				t.Fatal("the table in docs/clients.md has no such row")
			}
			w := newClientWorld(t, here, c.needs, c.install)
			w.env = append(w.env, c.env...)
			w.file("run.sh", c.command+"\n")
			for _, way := range ways {
				out, err := w.run(way.run)
				got, works := w.signed(out), c.says(t, cells[way.column])
				switch {
				case works && (err != nil || got != c.expected()):
					t.Errorf("%s: %v; AWS sees\n%s, not\n%s\n%s", way.column, err, got, c.expected(), out)
				case !works && (err == nil || strings.Contains(got, "er ")):
					t.Errorf("%s: %v; AWS sees\n%s\n%s", way.column, err, got, out)
				}
			}
		})
	}
}

// expected is what AWS gets from a client that works.
func (c clientTool) expected() (lines string) {
	for service := range strings.FieldsSeq(cmp.Or(c.signs, "token")) {
		lines += service + " Deployer eu-west-1\n"
	}
	return lines
}

var fromPattern = regexp.MustCompile(`from (\d+)\.(\d+)`)

// says is whether a cell says that the client works.
func (c clientTool) says(t *testing.T, cell string) bool {
	t.Helper()
	switch from := fromPattern.FindStringSubmatch(cell); {
	case strings.HasPrefix(cell, "yes") && from != nil && c.version != "":
		major, _ := strconv.Atoi(from[1])
		minor, _ := strconv.Atoi(from[2])
		return newer(c.version, major, minor)
	case strings.HasPrefix(cell, "yes"):
		return true
	case !strings.HasPrefix(cell, "no"):
		t.Fatalf("the table says %q", cell)
	}
	return false
}

// clientTable reads the table in docs/clients.md: the cells of each row by column.
func clientTable(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	var head []string
	table := map[string]map[string]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "client":
			head = cells
		case head != nil && len(cells) == len(head):
			table[cells[0]] = map[string]string{}
			for i, cell := range cells {
				table[cells[0]][head[i]] = cell
			}
		}
	}
	return table
}

// recipePattern matches a block of commands, the program that it needs, and the
// requests that AWS gets from it.
var recipePattern = regexp.MustCompile("(?ms)^<!-- client: (\\S+); AWS sees (.*?) -->\n```sh\n(.*?)^```$")

// TestCommandsOfClientsInTheDocs runs the commands for clients in the docs, as written.
func TestCommandsOfClientsInTheDocs(t *testing.T) {
	here := theTools(t)
	found := 0
	for _, file := range docFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range recipePattern.FindAllStringSubmatch(string(text), -1) {
			found++
			t.Run(fmt.Sprintf("%s/%d/%s", filepath.Base(file), found, block[1]), func(t *testing.T) {
				t.Parallel()
				install := map[string]string{"docker-credential-ecr-login": ecrHelper,
					"aws-iam-authenticator": iamAuthenticator}[block[1]]
				w := newClientWorld(t, here, block[1], install)
				out, err := w.run(block[3])
				if got, want := w.signed(out), strings.ReplaceAll(block[2], ", ", "\n")+"\n"; err != nil || got != want {
					t.Errorf("%v; AWS sees\n%sand the docs say\n%s\n%s", err, got, want, out)
				}
			})
		}
	}
	if found < 4 {
		t.Errorf("only %d blocks were found", found)
	}
}

// clientWorld is a testbed with services, and a folder with the agent's token.
type clientWorld struct {
	t   *testing.T
	aws *services
	dir string
	env []string
}

// newClientWorld skips the test where a program is missing and cannot be made.
func newClientWorld(t *testing.T, here *tools, needs, install string) *clientWorld {
	t.Helper()
	here.require(t, needs, install)
	w := &clientWorld{t: t, aws: newServices(t, testbed.New(t, nil)), dir: t.TempDir()}
	for name, text := range map[string]string{
		"token":       w.aws.tb.Scout.Reveal(),
		"config":      profileOfDocs,
		"rclone.conf": "",
		"main.tf":     backend,
		".s3cfg": "[default]\nuse_https = False\nproxy_host = 127.0.0.1\nproxy_port = " +
			w.aws.URL[strings.LastIndex(w.aws.URL, ":")+1:] + "\n",
	} {
		w.file(name, text)
	}
	for _, name := range []string{"claude", "codex"} { // stand-ins
		w.program(name, "#!/bin/sh\nexec aws sts get-caller-identity\n")
	}
	w.env = append(w.environ(), "PATH="+w.dir+":"+here.bin+":"+os.Getenv("PATH"))
	return w
}

// require skips the test where a program is missing and cannot be made.
func (t *tools) require(test *testing.T, needs, install string) {
	test.Helper()
	var err error
	switch {
	case install != "":
		err = t.install(install)
	case needs != "":
		_, err = exec.LookPath(needs)
	}
	if needs == "s3fs" {
		err = errors.Join(err, exec.Command("sh", "-c", "exec 3<>/dev/fuse").Run())
	}
	if ok, err := tested(test, err, "%s cannot be used here: %v", needs+install, err); !ok {
		if err != nil {
			test.Fatal(err)
		}
		test.SkipNow()
	}
}

// environ is the environment of the clients, without PATH.
func (w *clientWorld) environ() []string {
	w.t.Helper()
	return append(withoutAWS(os.Environ()), "HOME="+w.dir, "AWS_PAGER=", "GORACE="+noRaceDelay,
		"PYTHONDONTWRITEBYTECODE=1", "ROLEBROKER_URL="+w.aws.tb.URL, "ROLEBROKER_TOKEN="+w.aws.tb.Scout.Reveal(),
		"PRIVATE_URL="+w.privately(w.aws.tb.URL),
		"AWS_ENDPOINT_URL="+w.aws.URL, "HTTP_PROXY="+w.aws.URL, "http_proxy="+w.aws.URL,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_ECR_DISABLE_CACHE=true",
		"RCLONE_S3_ENDPOINT=http://s3.eu-west-1.amazonaws.com", "RCLONE_CONFIG="+w.dir+"/rclone.conf",
		"RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1",
		"RESTIC_PASSWORD=x", "CHECKPOINT_DISABLE=1", "BACKEND="+backend)
}

// privately serves a server over HTTPS at an address of this machine that is no loopback
// address, with a certificate of a private authority, which it writes to ca.pem. It
// returns the URL.
func (w *clientWorld) privately(server string) string {
	w.t.Helper()
	backend, err := url.Parse(server)
	if err != nil {
		w.t.Fatal(err)
	}
	ip := w.address()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{ip}, NotBefore: time.Unix(0, 0),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }})
	front.Listener.Close()
	if front.Listener, err = net.Listen("tcp", net.JoinHostPort(ip.String(), "0")); err != nil {
		w.t.Fatal(err)
	}
	front.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
	front.StartTLS()
	w.t.Cleanup(front.Close)
	return front.URL
}

// address is an IPv4 address of this machine that is no loopback address, or else a
// loopback address, from which it cannot be seen that a client insists on one.
func (w *clientWorld) address() net.IP {
	w.t.Helper()
	all, err := net.InterfaceAddrs()
	for _, a := range all {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil && !network.IP.IsLoopback() {
			return network.IP
		}
	}
	if ok, err := tested(w.t, errors.Join(err, errors.ErrUnsupported), "this machine has no address but loopback"); !ok &&
		err != nil {
		w.t.Fatal(err)
	}
	return net.IPv4(127, 0, 0, 1)
}

// backend is a configuration of Terraform that only has a state in S3.
const backend = `terraform {
  backend "s3" {
    bucket         = "my-bucket"
    key            = "state"
    region         = "eu-west-1"
    use_path_style = true
  }
}`

// install installs a program from a Go module into bin.
func (t *tools) install(pkg string) error {
	t.installing.Lock()
	defer t.installing.Unlock()
	install := exec.Command("go", "install", pkg)
	install.Env = append(os.Environ(), "GOBIN="+t.bin, "GOFLAGS=-trimpath", "CGO_ENABLED=0")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func (w *clientWorld) file(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *clientWorld) program(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// run runs commands in bash and returns what they print. S3 is asked over plain HTTP, and
// the server with a private certificate is the one of this test.
func (w *clientWorld) run(commands string) (string, error) {
	w.t.Helper()
	plain := strings.NewReplacer("https://s3.", "http://s3.", "s3:s3.", "s3:http://s3.",
		"https://rolebroker.internal.example.com", "$PRIVATE_URL", "/etc/ssl/private-ca.pem", "$PWD/ca.pem").Replace
	if run, err := os.ReadFile(filepath.Join(w.dir, "run.sh")); err == nil {
		w.file("run.sh", plain(string(run)))
	}
	shell := exec.CommandContext(w.t.Context(), "bash", "-euo", "pipefail", "-c", plain(commands))
	shell.Dir, shell.Env = w.dir, w.env
	out, err := shell.CombinedOutput()
	return string(out), err
}

// signed is who signed requests to AWS since the last call, or the token for EKS in an
// output: one line for each service, role and region.
func (w *clientWorld) signed(out string) string {
	seen := w.aws.signers()
	var token struct {
		Status struct{ Token string }
	}
	if i := strings.Index(out, "{"); i >= 0 {
		_ = json.NewDecoder(strings.NewReader(out[i:])).Decode(&token) // it may be another output
	}
	if encoded, ok := strings.CutPrefix(token.Status.Token, "k8s-aws-v1."); ok {
		url, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil {
			w.t.Error(err)
		}
		scope := regexp.MustCompile(`X-Amz-Credential=(\w+)%2F\d+%2F([\w-]+)%2Fsts`).FindSubmatch(url)
		if scope == nil {
			w.t.Fatalf("the token is %s", url)
		}
		seen = append(seen, "token "+w.aws.role(string(scope[1]))+" "+string(scope[2]))
	}
	return strings.Join(slices.Compact(seen), "\n") + "\n"
}

// docFiles are the README and the pages in docs.
func docFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(files, "../../README.md")
}
