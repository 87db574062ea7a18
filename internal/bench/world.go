package main

import (
	"context"
	"fmt"
	"os"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
)

// The accounts of the simulated AWS.
const (
	platformAccount = "111122223333" // whose user rolebroker is the server's identity
	customerAccount = "444455556666" // whose role is lent
)

const trustPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + platformAccount +
	`"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}}`

// cloud is a simulated AWS that listens. It has a role to lend and an identity for
// the server.
type cloud struct {
	*awssim.AWS
	listening *awssim.Server
	operator  awssim.Credentials
}

func newCloud() (*cloud, error) {
	aws := awssim.New(awssim.Options{})
	aws.Account(customerAccount).CreateRole(awssim.Role{Name: "ReadOnly", TrustPolicy: trustPolicy})
	operator := aws.Account(platformAccount).CreateUser("rolebroker", awssim.AllowAll).Key
	listening, err := awssim.Start(aws)
	if err != nil {
		return nil, err
	}
	return &cloud{AWS: aws, listening: listening, operator: operator}, nil
}

// env returns the settings with which a server uses this AWS and nothing else of
// AWS.
func (c *cloud) env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + c.listening.URL,
		"AWS_ACCESS_KEY_ID=" + c.operator.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + c.operator.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// assumed returns the number of AssumeRole calls so far.
func (c *cloud) assumed() int { return c.Calls("AssumeRole") }

// world is a server on a simulated AWS, with one integration of one role. env is
// added to the server's environment.
type world struct {
	aws    *cloud
	server *childProcess
	admin  *client.Client
}

func newWorld(ctx context.Context, l *lab, profile string, env ...string) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.aws, err = newCloud(); err != nil {
		return w, err
	}
	database, err := l.path("rolebroker.db")
	if err != nil {
		return w, err
	}
	if w.server, err = startChild(orders{Database: database, Profile: profile},
		append(w.aws.env(), env...)...); err != nil {
		return w, err
	}
	w.admin, err = arrange(ctx, w.server.URL, w.server.AdminKey)
	return w, err
}

// close may be called on an incomplete world.
func (w *world) close() {
	if w.server != nil {
		w.server.stop()
	}
	if w.aws != nil {
		w.aws.listening.Close()
	}
}

const integration = "production"

// arrange creates the integration on a new server.
func arrange(ctx context.Context, url, adminKey string) (*client.Client, error) {
	admin, err := client.New(client.Options{URL: url, Token: rolebroker.NewSecret(adminKey)})
	if err != nil {
		return nil, err
	}
	_, err = admin.CreateIntegration(ctx, api.IntegrationRequest{Name: integration, DefaultRole: "readonly",
		Roles: []api.RoleRequest{
			{Name: "readonly", ARN: "arn:aws:iam::" + customerAccount + ":role/ReadOnly", Region: "us-east-1"}}},
		api.ValidateSkip)
	return admin, err
}

// newAgent creates an agent that may borrow the role, and a token for it.
func newAgent(ctx context.Context, admin *client.Client, name string) (token string, err error) {
	if _, err := admin.CreateAgent(ctx, api.AgentRequest{Name: name}); err != nil {
		return "", err
	}
	if _, err := admin.Connect(ctx, name, integration); err != nil {
		return "", err
	}
	made, err := admin.CreateToken(ctx, name, api.TokenRequest{})
	if err != nil {
		return "", fmt.Errorf("making a token for agent %s: %w", name, err)
	}
	return string(made.Token), nil
}

// agent creates an agent and returns the request that it sends.
func (w *world) agent(ctx context.Context, name string) (request []byte, err error) {
	token, err := newAgent(ctx, w.admin, name)
	return askFor(token), err
}
