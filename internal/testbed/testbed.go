// Package testbed starts a whole rolebroker for a test, in one call: a server with
// a SQLite database in a temporary folder, on a simulated AWS, over real
// sockets.
//
// The world it starts with has one account with four roles, two integrations
// and one agent:
//
//	production   readonly (the default, us-east-1), deployer (eu-west-1), off (disabled)
//	staging      readonly (the default, us-east-1), tester (us-west-2)
//	scout        an agent, connected to production
//
// The testbed keeps the server's log, at debug level. When the test ends it
// searches the log for every secret that the simulator issued and every token
// that was made, and fails the test if it finds one. Testbeds refuse to be used
// by anything but tests.
//
//	tb := testbed.New(t, nil)
//	tb.AWS.SetLifetime(4 * time.Second)
//	cmd.Env = append(os.Environ(), "ROLEBROKER_URL="+tb.URL, "ROLEBROKER_TOKEN="+tb.Scout.Reveal())
package testbed

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/server"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/sts"
)

// The accounts of the simulated AWS.
const (
	PlatformAccount = "111122223333" // whose user rolebroker is the server's identity
	CustomerAccount = "444455556666" // whose roles are lent
)

// Options adjust a Testbed. Nil works.
type Options struct {
	Database string               // path or URL; empty: a new SQLite file
	Config   func(*config.Server) // changes settings before the server starts
	Empty    bool                 // no integrations and no agent
	Now      func() time.Time     // the server's clock; nil: time.Now

	// Upstreams are variables that say where the gateway sends requests, as in AWS_ENDPOINT_URL_S3. What has none goes to
	// the simulated AWS.
	Upstreams map[string]string

	AWS      *awssim.AWS             // instead of a new one
	Identity aws.CredentialsProvider // of the server, instead of the key of the user rolebroker
}

// Testbed is a running world. It ends with the test.
type Testbed struct {
	AWS       *awssim.AWS
	AWSURL    string             // where it listens
	Operator  awssim.Credentials // the server's own AWS identity
	URL       string             // of the server
	AdminKey  rolebroker.Secret
	Admin     *client.Client    // with AdminKey
	Scout     rolebroker.Secret // a token of the agent scout
	t         testing.TB
	log       logBuffer
	running   *server.Server
	stopped   sync.Once
	mu        sync.Mutex
	handedOut []rolebroker.Secret
}

// New starts a world.
func New(t testing.TB, opts *Options) *Testbed {
	t.Helper()
	if opts == nil {
		opts = &Options{}
	}
	tb := &Testbed{t: t, AWS: opts.AWS}
	if tb.AWS == nil {
		tb.AWS = awssim.New(awssim.Options{})
	}
	tb.startAWS()
	tb.startServer(opts)
	if !opts.Empty {
		tb.arrange()
	}
	return tb
}

func (tb *Testbed) startAWS() {
	tb.Operator = tb.AWS.Account(PlatformAccount).CreateUser("rolebroker", awssim.AllowAll).Key
	for _, name := range []string{"ReadOnly", "Deployer", "Off", "Tester"} {
		tb.AWS.Account(CustomerAccount).CreateRole(awssim.Role{Name: name, TrustPolicy: Trust(PlatformAccount)})
	}
	simulator, err := awssim.Start(tb.AWS)
	if err != nil {
		tb.t.Fatal(err)
	}
	tb.t.Cleanup(simulator.Close)
	tb.AWSURL = simulator.URL
}

// Trust is a trust policy that lets an account assume the role.
func Trust(account string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow",` +
		`"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],` +
		`"Principal":{"AWS":"` + account + `"}}}`
}

func (tb *Testbed) startServer(opts *Options) {
	cfg := config.DefaultServer()
	cfg.Listen = "127.0.0.1:0"
	cfg.ValidationRetry = 0 // nothing has to spread here
	cfg.Database = config.NewDatabase(opts.Database)
	if opts.Database == "" {
		cfg.Database = config.NewDatabase(storetest.SQLite(tb.t))
	}
	if opts.Config != nil {
		opts.Config(cfg)
	}
	identity := opts.Identity
	if identity == nil {
		identity = credentials.NewStaticCredentialsProvider(tb.Operator.AccessKeyID, tb.Operator.SecretAccessKey, "")
	}
	running, err := server.Start(context.Background(), cfg, server.Options{
		Log:          slog.New(slog.NewTextHandler(&tb.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version:      "test",
		Now:          opts.Now,
		AdminKeyMade: func(key rolebroker.Secret) { tb.AdminKey = key },
		STS:          sts.Options{Endpoint: tb.AWSURL, Credentials: identity},
		Getenv: func(name string) string {
			if name == "AWS_ENDPOINT_URL" {
				return tb.AWSURL
			}
			return opts.Upstreams[name]
		},
	})
	if err != nil {
		tb.t.Fatal(err)
	}
	tb.running = running
	tb.t.Cleanup(tb.Stop)
	tb.URL = running.URL()
	if tb.AdminKey.IsZero() {
		tb.AdminKey = cfg.AdminKey
	}
	tb.handedOut = append(tb.handedOut, tb.AdminKey)
	tb.Admin = tb.Client(tb.AdminKey)
}

// Stop stops the server, if it is still running. The end of the test stops it,
// too.
func (tb *Testbed) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := tb.StopWithin(ctx); err != nil {
		tb.t.Errorf("stopping the server: %v", err)
	}
}

// StopWithin stops the server, if it is still running. Requests under way have
// until ctx ends.
func (tb *Testbed) StopWithin(ctx context.Context) (err error) {
	tb.stopped.Do(func() {
		err = tb.running.Close(ctx)
		for _, secret := range tb.Secrets() {
			if strings.Contains(tb.Log(), secret) {
				tb.t.Errorf("the server's log has a secret in it: %.8s…", secret)
			}
		}
	})
	return err
}

// Secrets returns everything that must not be in a log: the secrets that the
// simulator issued, and the tokens and keys that the testbed made.
func (tb *Testbed) Secrets() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	secrets := tb.AWS.Secrets()
	for _, s := range tb.handedOut {
		secrets = append(secrets, s.Reveal())
	}
	return secrets
}

// GatewayURL returns the URL of the address that Config gave the gateway.
func (tb *Testbed) GatewayURL() string { return tb.running.GatewayURL() }

// Log returns the server's log so far.
func (tb *Testbed) Log() string { return tb.log.String() }

// Client makes a client of the server that shows a token or key.
func (tb *Testbed) Client(token rolebroker.Secret) *client.Client {
	tb.t.Helper()
	c, err := client.New(client.Options{URL: tb.URL, Token: token})
	if err != nil {
		tb.t.Fatal(err)
	}
	return c
}

func (tb *Testbed) arrange() {
	tb.t.Helper()
	off := tb.Role("off", "Off", "us-east-1")
	disabled := false
	off.Enabled = &disabled
	tb.Integration("production",
		tb.Role("readonly", "ReadOnly", "us-east-1"), tb.Role("deployer", "Deployer", "eu-west-1"), off)
	tb.Integration("staging", tb.Role("readonly", "ReadOnly", "us-east-1"), tb.Role("tester", "Tester", "us-west-2"))
	tb.Scout = tb.Agent("scout", "production")
}

// Role makes the request for a role of the customer's account.
func (tb *Testbed) Role(name, iamName, region string) api.RoleRequest {
	return api.RoleRequest{Name: name, ARN: "arn:aws:iam::" + CustomerAccount + ":role/" + iamName, Region: region}
}

// Integration makes an integration whose first role is the default.
func (tb *Testbed) Integration(name string, roles ...api.RoleRequest) {
	tb.t.Helper()
	in := api.IntegrationRequest{Name: name, DefaultRole: roles[0].Name, Roles: roles}
	if _, err := tb.Admin.CreateIntegration(context.Background(), in, api.ValidateSkip); err != nil {
		tb.t.Fatal(err)
	}
}

// Agent makes an agent that is connected to the integrations, and a token for it.
func (tb *Testbed) Agent(name string, integrations ...string) rolebroker.Secret {
	tb.t.Helper()
	if _, err := tb.Admin.CreateAgent(context.Background(), api.AgentRequest{Name: name}); err != nil {
		tb.t.Fatal(err)
	}
	for _, in := range integrations {
		if _, err := tb.Admin.Connect(context.Background(), name, in); err != nil {
			tb.t.Fatal(err)
		}
	}
	return tb.Token(name)
}

// Token makes another token for an agent.
func (tb *Testbed) Token(agent string) rolebroker.Secret {
	tb.t.Helper()
	made, err := tb.Admin.CreateToken(context.Background(), agent, api.TokenRequest{})
	if err != nil {
		tb.t.Fatal(err)
	}
	token := rolebroker.NewSecret(string(made.Token))
	tb.HandedOut(token)
	return token
}

// HandedOut adds a secret that the testbed did not make to those that must not
// be in the log.
func (tb *Testbed) HandedOut(secret rolebroker.Secret) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.handedOut = append(tb.handedOut, secret)
}

// SignInLink makes a URL with which a browser may sign in as the administrator,
// once.
func (tb *Testbed) SignInLink() string {
	tb.t.Helper()
	link, err := tb.running.SignInLink(context.Background())
	if err != nil {
		tb.t.Fatal(err)
	}
	_, secret, _ := strings.Cut(link, "=")
	tb.HandedOut(rolebroker.NewSecret(secret))
	return link
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
