package sts

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/rolebroker/rolebroker"
)

// fallbackRegion is where we ask who we are when the operator's environment
// names no region.
const fallbackRegion = "us-east-1"

// Retrying within one call is for passing trouble; whoever waits for the call
// has patience for no more than that.
const (
	attempts   = 3
	maxBackoff = 2 * time.Second

	idleConnections = 64 // to one regional endpoint
)

// Options configure New. The zero value is what a server uses: everything
// from the environment.
type Options struct {
	Endpoint    string                  // of STS, instead of AWS's own; for a simulator
	Credentials aws.CredentialsProvider // instead of the default chain; for a simulator
	HTTPClient  *http.Client            // nil: the SDK's own
	RoleARN     string                  // of the role that we are a session of, for its path; empty: what the environment says

	// WebIdentityTokenFile has roles assumed with the token in it, which is read
	// anew each time, instead of an identity of our own: AssumeRoleWithWebIdentity,
	// which knows no external ID, no source identity and no tags. Empty: AssumeRole.
	WebIdentityTokenFile string
}

// Client asks STS. It is safe for concurrent use.
type Client struct {
	opts Options

	mu     sync.Mutex
	loaded *aws.Config // nil until the environment was read without error
}

// New makes a Client. The environment is read at the first call, and again
// until that succeeds, so a server starts before its identity is there.
func New(opts Options) *Client { return &Client{opts: opts} }

// Assume asks for credentials of a role, and again within one call while
// there is trouble that passes. Its error is a *rolebroker.Refusal.
func (c *Client) Assume(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return c.assume(ctx, a)
}

// Try is Assume with exactly one request to STS, for who counts them.
func (c *Client) Try(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return c.assume(ctx, a, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
}

func (c *Client) assume(ctx context.Context, a rolebroker.Assumption, adjust ...func(*sts.Options)) (*rolebroker.Assumed, error) {
	api, err := c.api(ctx, string(a.Region))
	if err != nil {
		return nil, err
	}
	if c.opts.WebIdentityTokenFile != "" {
		return c.assumeWithToken(ctx, api, a, adjust...)
	}
	out, err := api.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn:         aws.String(a.ARN.String()),
		RoleSessionName: aws.String(a.SessionName),
		DurationSeconds: aws.Int32(int32(a.Duration / time.Second)),
		ExternalId:      given(a.ExternalID),
		SourceIdentity:  given(a.SourceIdentity),
		Policy:          given(a.Policy),
		Tags:            tags(a.Tags),
	}, adjust...)
	if err != nil {
		return nil, refusal(err)
	}
	return assumed(out.Credentials, out.ResultMetadata)
}

// assumeWithToken shows the token that stands in the file now. Kubernetes
// replaces it long before it expires.
func (c *Client) assumeWithToken(ctx context.Context, api *sts.Client, a rolebroker.Assumption, adjust ...func(*sts.Options)) (*rolebroker.Assumed, error) {
	token, err := os.ReadFile(c.opts.WebIdentityTokenFile)
	if err != nil {
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Message: "the web-identity token cannot be read: " + err.Error(), Cause: err}
	}
	out, err := api.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn:          aws.String(a.ARN.String()),
		RoleSessionName:  aws.String(a.SessionName),
		DurationSeconds:  aws.Int32(int32(a.Duration / time.Second)),
		WebIdentityToken: aws.String(strings.TrimSpace(string(token))),
		Policy:           given(a.Policy),
	}, adjust...)
	if err != nil {
		return nil, refusal(err)
	}
	return assumed(out.Credentials, out.ResultMetadata)
}

// assumed is what STS gave, which has to be whole.
func assumed(c *types.Credentials, metadata middleware.Metadata) (*rolebroker.Assumed, error) {
	if c == nil || c.Expiration == nil || aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" || aws.ToString(c.SessionToken) == "" {
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "the answer of STS has no credentials in it"}
	}
	requestID, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	return &rolebroker.Assumed{
		RequestID: requestID,
		Credentials: rolebroker.Credentials{
			AccessKeyID:     aws.ToString(c.AccessKeyId),
			SecretAccessKey: rolebroker.NewSecret(aws.ToString(c.SecretAccessKey)),
			SessionToken:    rolebroker.NewSecret(aws.ToString(c.SessionToken)),
			Expires:         c.Expiration.UTC().Truncate(time.Second),
		},
	}, nil
}

// given is nil for what is left out.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// tags are the session tags; the zero value has none.
func tags(t rolebroker.Tags) (all []types.Tag) {
	for _, tag := range []struct{ key, value string }{
		{rolebroker.TagAgent, t.Agent}, {rolebroker.TagIntegration, t.Integration}, {rolebroker.TagRole, t.Role}, {rolebroker.TagTask, t.Task},
	} {
		if tag.value != "" {
			all = append(all, types.Tag{Key: aws.String(tag.key), Value: aws.String(tag.value)})
		}
	}
	return all
}

// Identity is who we are: nobody, with a web-identity token. Its error is a *rolebroker.Refusal.
func (c *Client) Identity(ctx context.Context) (*rolebroker.Identity, error) {
	if c.opts.WebIdentityTokenFile != "" {
		return &rolebroker.Identity{}, nil
	}
	api, err := c.api(ctx, "")
	if err != nil {
		return nil, err
	}
	out, err := api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, refusal(err)
	}
	identity := &rolebroker.Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), UserID: aws.ToString(out.UserId)}
	identity.RoleARN = c.roleARN(ctx, *identity)
	return identity, nil
}

// roleARN is the ARN, with its path, of the role that an identity is a session
// of, where the operator or the environment names that role. AWS does not say.
func (c *Client) roleARN(ctx context.Context, of rolebroker.Identity) string {
	guess, _ := of.Principal()
	session, err := rolebroker.ParseRoleARN(guess)
	if err != nil || !of.IsRoleSession() {
		return ""
	}
	for _, named := range append([]string{c.opts.RoleARN}, c.namedRoles(ctx)...) {
		role, err := rolebroker.ParseRoleARN(named)
		if err == nil && role.Partition == session.Partition && role.Account == session.Account && role.Name == session.Name {
			return named
		}
	}
	return ""
}

// namedRoles are the roles that the environment and the profile in use name.
func (c *Client) namedRoles(ctx context.Context) (arns []string) {
	cfg, err := c.config(ctx)
	if err != nil {
		return nil
	}
	for _, source := range cfg.ConfigSources {
		switch source := source.(type) {
		case config.EnvConfig:
			arns = append(arns, source.RoleARN)
		case config.SharedConfig:
			arns = append(arns, source.RoleARN)
		}
	}
	return arns
}

// api is a client for one region, "" for the environment's own. It makes sure
// first that there are credentials to sign with, so that their absence is told
// apart from whatever STS may say.
func (c *Client) api(ctx context.Context, region string) (*sts.Client, error) {
	cfg, err := c.config(ctx)
	if err != nil {
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Message: "the AWS configuration of this server cannot be read", Cause: err}
	}
	if c.opts.WebIdentityTokenFile == "" {
		if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
			return nil, noIdentity(ctx, err)
		}
	}
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		if region != "" {
			o.Region = region
		}
		if o.Region == "" {
			o.Region = fallbackRegion
		}
		if c.opts.Endpoint != "" {
			o.BaseEndpoint = &c.opts.Endpoint
		}
		if c.opts.HTTPClient != nil {
			o.HTTPClient = c.opts.HTTPClient
		}
	}), nil
}

// noIdentity explains why there are no credentials to sign with. When the
// chain asked STS for them, its answer counts as one about our identity.
func noIdentity(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "finding this server's own AWS identity took too long", Cause: err}
	}
	r := &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Message: "this server has no AWS identity of its own", Cause: err}
	var asked *rolebroker.Refusal
	if errors.As(refusal(err), &asked) && asked.Code != "" {
		r.Code, r.RequestID = asked.Code, asked.RequestID
		if asked.Kind == rolebroker.RefusedIdentityExpired {
			r.Kind, r.Message = asked.Kind, "the AWS identity of this server has expired"
		}
	}
	return r
}

func (c *Client) config(ctx context.Context) (aws.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil {
		return *c.loaded, nil
	}
	cfg, err := c.load(context.WithoutCancel(ctx))
	if err != nil {
		return aws.Config{}, err
	}
	c.loaded = &cfg
	return cfg, nil
}

// load reads the operator's environment, unless it was given credentials:
// whoever talks to a simulator has nothing to do with that environment.
func (c *Client) load(ctx context.Context) (aws.Config, error) {
	if c.opts.Credentials != nil || c.opts.WebIdentityTokenFile != "" && c.opts.Endpoint != "" {
		return aws.Config{Credentials: c.opts.Credentials, Retryer: newRetryer, HTTPClient: newHTTPClient()}, nil
	}
	var chain config.LoadOptionsFunc = func(*config.LoadOptions) error { return nil }
	if c.opts.WebIdentityTokenFile != "" { // the token is all that is shown
		chain = config.WithCredentialsProvider(aws.AnonymousCredentials{})
	}
	return config.LoadDefaultConfig(ctx, chain,
		config.WithAppID("rolebroker"),
		config.WithLogger(logging.Nop{}), // what went wrong is in the errors
		config.WithRetryer(newRetryer),
		config.WithHTTPClient(newHTTPClient()),
	)
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff })
}

func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = idleConnections })
}
