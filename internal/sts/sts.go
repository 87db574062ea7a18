package sts

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

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

// Assume asks for credentials of a role. Its error is a *rolebroker.Refusal.
func (c *Client) Assume(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error) {
	api, err := c.api(ctx, string(a.Region))
	if err != nil {
		return nil, err
	}
	out, err := api.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn:         aws.String(a.ARN.String()),
		RoleSessionName: aws.String(a.SessionName),
		ExternalId:      aws.String(a.ExternalID),
		DurationSeconds: aws.Int32(int32(a.Duration / time.Second)),
	})
	if err != nil {
		return nil, refusal(err)
	}
	if c := out.Credentials; c == nil || c.Expiration == nil || aws.ToString(c.AccessKeyId) == "" || aws.ToString(c.SecretAccessKey) == "" || aws.ToString(c.SessionToken) == "" {
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "the answer of STS has no credentials in it"}
	}
	requestID, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return &rolebroker.Assumed{
		RequestID: requestID,
		Credentials: rolebroker.Credentials{
			AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
			SecretAccessKey: rolebroker.NewSecret(aws.ToString(out.Credentials.SecretAccessKey)),
			SessionToken:    rolebroker.NewSecret(aws.ToString(out.Credentials.SessionToken)),
			Expires:         out.Credentials.Expiration.UTC().Truncate(time.Second),
		},
	}, nil
}

// Identity is who we are. Its error is a *rolebroker.Refusal.
func (c *Client) Identity(ctx context.Context) (*rolebroker.Identity, error) {
	api, err := c.api(ctx, "")
	if err != nil {
		return nil, err
	}
	out, err := api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, refusal(err)
	}
	return &rolebroker.Identity{
		Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), UserID: aws.ToString(out.UserId),
	}, nil
}

// api is a client for one region, "" for the environment's own. It makes sure
// first that there are credentials to sign with, so that their absence is told
// apart from whatever STS may say.
func (c *Client) api(ctx context.Context, region string) (*sts.Client, error) {
	cfg, err := c.config(ctx)
	if err != nil {
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Message: "the AWS configuration of this server cannot be read", Cause: err}
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, noIdentity(ctx, err)
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
	if c.opts.Credentials != nil {
		return aws.Config{Credentials: c.opts.Credentials, Retryer: newRetryer, HTTPClient: newHTTPClient()}, nil
	}
	return config.LoadDefaultConfig(ctx,
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
