// Package demo demonstrates rolebroker on one machine without configuration: a
// server with a SQLite database in a temporary folder, a simulated AWS, an
// integration of three roles, and an agent that borrows them.
//
// The agent's processes are real: rolebroker exec runs rolebroker whoami, which
// asks AWS for its identity as any program with an AWS SDK would. The demo never
// uses a real AWS account: its server has the simulator as its endpoint and an
// invented identity, whatever the environment says.
//
//	err := demo.Run(ctx, demo.Options{Out: os.Stdout, Self: self, Listen: "127.0.0.1:8484"})
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/privatedir"
	"github.com/rolebroker/rolebroker/internal/server"
	"github.com/rolebroker/rolebroker/internal/sts"
)

// Options configure the demo. The strings and Out are required.
type Options struct {
	Out     io.Writer
	Self    string // the path of the rolebroker binary, for the agent's processes
	Version string
	Listen  string // a loopback address
	AnyPort bool   // use another port if that of Listen is in use
	Once    bool   // end after the tour
	Viewer  bool   // somebody watches, and may decide what the agent does
}

// The names in the demo.
const (
	platformAccount = "111122223333"
	customerAccount = "444455556666"
	integration     = "production"
	agent           = "scout"
	owner           = "robin" // answers for the agents, and so may not approve what they ask for
)

// roles are the roles of the demo's integration, by their names in rolebroker and
// in IAM.
var roles = []struct{ name, iamName, region string }{
	{"readonly", "ReadOnly", "us-east-1"},
	{"deployer", "Deployer", "eu-west-1"},
	{"billing", "BillingReports", "us-east-1"},
}

// dirPrefix begins the names of demos' directories. It is not rolebroker-demo-: those
// of earlier versions have no lock, and may be in use.
const dirPrefix = "rolebroker-demo."

// world has the servers and names of a running demo.
type world struct {
	Options
	dir      *privatedir.Dir // nil before it is made
	folder   string          // its path
	aws      *awssim.AWS
	awsURL   string
	operator awssim.Credentials // the server's own identity
	server   *server.Server
	admin    *client.Client
	key      rolebroker.Secret // admin's
	token    rolebroker.Secret // the agent's
	person   rolebroker.Secret // the key of the approver
}

// Run starts the servers, runs the tour and, unless Once is set, keeps running
// until ctx ends. Its error says which step of the tour failed.
func Run(ctx context.Context, opts Options) (err error) {
	w := &world{Options: opts}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.open(ctx); err != nil {
		return err
	}
	if err := w.tour(ctx); err != nil {
		w.printTroubles()
		return err
	}
	if opts.Once {
		return nil
	}
	if err := w.invite(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// open starts the servers and creates the integration and the agent.
func (w *world) open(ctx context.Context) (err error) {
	if w.dir, err = privatedir.Make(dirPrefix, os.TempDir()); err != nil {
		return err
	}
	w.folder = w.dir.Path
	w.aws = awssim.New(awssim.Options{})
	simulator, err := awssim.Start(w.aws)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, simulator.Close)
	w.awsURL = simulator.URL
	if err := w.startServer(ctx); err != nil {
		return err
	}
	if w.admin, err = client.New(client.Options{URL: w.server.URL(), Token: w.key}); err != nil {
		return err
	}
	return w.fill(ctx)
}

func (w *world) startServer(ctx context.Context) error {
	log, err := os.Create(w.logFile())
	if err != nil {
		return err
	}
	w.operator = w.aws.Account(platformAccount).CreateUser("rolebroker",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*",`+
			`"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}`).Key
	cfg := config.DefaultServer()
	cfg.Listen, cfg.GatewayListen = w.Listen, "127.0.0.1:0"
	cfg.Database = config.NewDatabase(filepath.Join(w.folder, "rolebroker.db"))
	if host, _, err := net.SplitHostPort(w.Listen); err == nil && !rolebroker.IsLoopback(host) {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the demo listens on a loopback address only, and %s is none",
			w.Listen).
			WithHint("rolebroker demo --listen 127.0.0.1:0 takes any free port")
	}
	start := func() error {
		w.server, err = server.Start(ctx, cfg, server.Options{
			Log: slog.New(slog.NewTextHandler(log, nil)), Version: w.Version,
			AdminKeyMade: func(key rolebroker.Secret) { w.key = key },
			STS: sts.Options{Endpoint: w.awsURL,
				Credentials: credentials.NewStaticCredentialsProvider(w.operator.AccessKeyID,
					w.operator.SecretAccessKey, "")},
		})
		return err
	}
	err = start()
	if host, _, split := net.SplitHostPort(w.Listen); errors.Is(err, syscall.EADDRINUSE) && w.AnyPort && split == nil {
		cfg.Listen = net.JoinHostPort(host, "0")
		if err = start(); err == nil {
			fmt.Fprintf(w.Out, "%s is in use, so the demo listens on %s. Choose an address with --listen.\n\n", w.Listen,
				strings.TrimPrefix(w.server.URL(), "http://"))
		}
	}
	return err
}

// fill creates the integration and the agent in the order that users do: it
// reserves an external ID, creates roles that require it, then the integration.
func (w *world) fill(ctx context.Context) error {
	reserved, err := w.admin.ReserveExternalID(ctx)
	if err != nil {
		return err
	}
	externalID := reserved.ExternalID
	in := api.IntegrationRequest{Name: integration, Description: "Production accounts", ExternalID: externalID,
		DefaultRole: roles[0].name}
	for _, r := range roles {
		made := w.aws.Account(customerAccount).CreateRole(awssim.Role{Name: r.iamName, TrustPolicy: trust(externalID)})
		in.Roles = append(in.Roles, api.RoleRequest{Name: r.name, ARN: made.ARN, Region: r.region})
	}
	off := false
	in.Roles[2].Enabled = &off
	if _, err := w.admin.CreateIntegration(ctx, in, api.ValidateRequire); err != nil {
		return err
	}
	if _, err := w.admin.CreateAPIKey(ctx, api.APIKeyRequest{Name: owner, Access: "read-only"}); err != nil {
		return err
	}
	_, err = w.admin.CreateAgent(ctx, api.AgentRequest{Name: agent, Description: "Looks around", Owner: owner})
	if err != nil {
		return err
	}
	if _, err := w.admin.Connect(ctx, agent, integration); err != nil {
		return err
	}
	token, err := w.admin.CreateToken(ctx, agent, api.TokenRequest{Label: "demo"})
	w.token = rolebroker.NewSecret(string(token.Token))
	return err
}

// trust returns a trust policy that lets the platform assume the role with the
// external ID.
func trust(externalID string) string {
	return fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},`+
			`"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],`+
			`"Condition":{"StringEquals":{"sts:ExternalId":%q}}}}`,
		platformAccount, externalID)
}

func (w *world) logFile() string { return filepath.Join(w.folder, "server.log") }

// close stops the server and removes what the demo wrote.
func (w *world) close() error {
	var err error
	if w.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = w.server.Close(ctx)
	}
	if w.dir != nil {
		err = errors.Join(err, w.dir.Remove())
	}
	return err
}
