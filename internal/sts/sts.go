package sts

import (
	"context"
	"net/http"
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
	"github.com/rolebroker/rolebroker/internal/tokenfile"
)

// fallbackRegion is the region of GetCallerIdentity if the operator's environment
// names none.
const fallbackRegion = "us-east-1"

// Retries within one call cover short failures only, since a process waits for
// the call.
const (
	attempts   = 3
	maxBackoff = 2 * time.Second

	idleConnections = 64 // to one regional endpoint
)

// Options configure New. With the zero value, as in a server, everything comes
// from the environment.
type Options struct {
	Endpoint    string                  // of STS, instead of AWS's own; for a simulator
	Credentials aws.CredentialsProvider // instead of the default chain; for a simulator
	HTTPClient  *http.Client            // nil: the SDK's own
	// RoleARN is the role that our identity is a session of. It tells the path of
	// that role. Empty: the environment may name it.
	RoleARN string

	// WebIdentityTokenFile names a file with a token. Roles are then assumed with
	// AssumeRoleWithWebIdentity, which has no external ID, source identity or tags,
	// instead of AssumeRole. The file is read at each call;
	// while it is empty or missing, its last token counts.
	WebIdentityTokenFile string
}

// Client calls STS. It is safe for concurrent use.
type Client struct {
	opts  Options
	token *tokenfile.File // of WebIdentityTokenFile

	mu     sync.Mutex
	loaded *aws.Config // nil until the environment was read without error
}

// New makes a Client. It reads the environment at the first call, and again at
// each call until that succeeds, so that a server can start before its identity
// exists.
func New(opts Options) *Client {
	return &Client{opts: opts, token: tokenfile.New(opts.WebIdentityTokenFile)}
}

// Assume returns credentials of a role. It retries failures that pass. Its error
// is a *rolebroker.Refusal.
func (c *Client) Assume(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return c.assume(ctx, a)
}

// Try is Assume with exactly one request to STS, for callers that keep to a rate.
func (c *Client) Try(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error) {
	return c.assume(ctx, a, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
}

func (c *Client) assume(
	ctx context.Context, a rolebroker.Assumption, adjust ...func(*sts.Options),
) (*rolebroker.Assumed, error) {
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
		PolicyArns:      policyARNs(a),
		Tags:            tags(a.Tags),
	}, adjust...)
	if err != nil {
		return nil, refusal(err)
	}
	return assumed(out.Credentials, out.ResultMetadata)
}

// assumeWithToken assumes the role with the token that is in the file now.
// Kubernetes replaces it long before it expires.
func (c *Client) assumeWithToken(
	ctx context.Context, api *sts.Client, a rolebroker.Assumption, adjust ...func(*sts.Options),
) (*rolebroker.Assumed, error) {
	token, err := c.token.Token()
	if err != nil {
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Cause: err,
			Message: "the web-identity token cannot be read: " + err.Error()}
	}
	out, err := api.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn:          aws.String(a.ARN.String()),
		RoleSessionName:  aws.String(a.SessionName),
		DurationSeconds:  aws.Int32(int32(a.Duration / time.Second)),
		WebIdentityToken: aws.String(token.Reveal()),
		Policy:           given(a.Policy),
		PolicyArns:       policyARNs(a),
	}, adjust...)
	if err != nil {
		return nil, refusal(err)
	}
	return assumed(out.Credentials, out.ResultMetadata)
}

// assumed checks that the answer of STS has complete credentials.
func assumed(c *types.Credentials, metadata middleware.Metadata) (*rolebroker.Assumed, error) {
	if c == nil || c.Expiration == nil || aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" ||
		aws.ToString(c.SessionToken) == "" {
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable,
			Message: "the answer of STS has no credentials in it"}
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

// given is a parameter of the SDK; nil leaves it out.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// policyARNs are the managed policies that narrow what the credentials may do.
func policyARNs(a rolebroker.Assumption) []types.PolicyDescriptorType {
	if a.PolicyARN == "" {
		return nil
	}
	return []types.PolicyDescriptorType{{Arn: &a.PolicyARN}}
}

// tags are the session tags; the zero value has none.
func tags(t rolebroker.Tags) (all []types.Tag) {
	for _, tag := range []struct{ key, value string }{
		{rolebroker.TagAgent, t.Agent}, {rolebroker.TagIntegration, t.Integration}, {rolebroker.TagRole, t.Role},
		{rolebroker.TagTask, t.Task},
	} {
		if tag.value != "" {
			all = append(all, types.Tag{Key: aws.String(tag.key), Value: aws.String(tag.value)})
		}
	}
	return all
}

// Identity is our own AWS identity; the zero value with a web-identity token. Its
// error is a *rolebroker.Refusal.
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
	identity := &rolebroker.Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn),
		UserID: aws.ToString(out.UserId)}
	identity.RoleARN = c.roleARN(ctx, *identity)
	return identity, nil
}

// roleARN is the ARN, with its path, of the role that an identity is a session
// of, if the operator or the environment names that role. AWS does not tell it.
func (c *Client) roleARN(ctx context.Context, of rolebroker.Identity) string {
	guess, _ := of.Principal()
	session, err := rolebroker.ParseRoleARN(guess)
	if err != nil || !of.IsRoleSession() {
		return ""
	}
	for _, named := range append([]string{c.opts.RoleARN}, c.namedRoles(ctx)...) {
		role, err := rolebroker.ParseRoleARN(named)
		if err == nil && role.Partition == session.Partition && role.Account == session.Account &&
			role.Name == session.Name {
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

// api is a client for one region; "" is the environment's own. It fails if there
// are no credentials to sign with, to tell that from a refusal by STS.
func (c *Client) api(ctx context.Context, region string) (*sts.Client, error) {
	cfg, err := c.config(ctx)
	if err != nil {
		return nil, unreadable(err)
	}
	if c.opts.WebIdentityTokenFile == "" {
		if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
			return nil, noIdentity(ctx, cfg, err)
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
	cfg.HTTPClient = strict(cfg.HTTPClient)
	c.loaded = &cfg
	return cfg, nil
}

// load reads the operator's environment, unless the options have credentials, as
// they do with a simulator.
func (c *Client) load(ctx context.Context) (aws.Config, error) {
	if c.opts.Credentials != nil || c.opts.WebIdentityTokenFile != "" && c.opts.Endpoint != "" {
		return aws.Config{Credentials: c.opts.Credentials, Retryer: newRetryer, HTTPClient: newHTTPClient()}, nil
	}
	var chain config.LoadOptionsFunc = func(*config.LoadOptions) error { return nil }
	if c.opts.WebIdentityTokenFile != "" { // STS gets the token alone
		chain = config.WithCredentialsProvider(aws.AnonymousCredentials{})
	}
	return config.LoadDefaultConfig(ctx, chain,
		config.WithAppID("rolebroker"),
		config.WithLogger(logging.Nop{}), // the errors say what went wrong
		config.WithRetryer(newRetryer),
		config.WithHTTPClient(newHTTPClient()),
	)
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff })
}

func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = idleConnections
	})
}
