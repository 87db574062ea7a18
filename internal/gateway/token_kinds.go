package gateway

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// unsigned is an AWS token before it is signed, and what its record says.
type unsigned struct {
	region             rolebroker.Region
	operation          string
	actions, resources []string
	level              rolebroker.CallLevel
	lifetime           time.Duration
	isFixed            bool // AWS counts the lifetime from the signature, and no token can say another one
	sign               func(context.Context, *rolebroker.AWSToken, signature) error
}

// signature says how a token is signed.
type signature struct {
	by   rolebroker.Credentials
	at   time.Time
	life time.Duration
}

// service is what the record of a token calls its service.
var service = map[rolebroker.AWSTokenKind]string{rolebroker.TokenEKS: "eks", rolebroker.TokenRDS: "rds",
	rolebroker.TokenCodeCommit: "codecommit", rolebroker.TokenS3: "s3"}

// compose returns what is to be signed for the role. Codes: invalid.
func (t *token) compose() (unsigned, error) {
	switch t.ask.Kind {
	case rolebroker.TokenEKS:
		return t.composeEKS()
	case rolebroker.TokenRDS:
		return t.composeRDS()
	case rolebroker.TokenCodeCommit:
		return t.composeCodeCommit()
	}
	return t.composeS3()
}

// arn is that of a thing in the account of the role.
func (t *token) arn(service string, region rolebroker.Region, what string) string {
	role := t.grant.Role.ARN
	return "arn:" + role.Partition + ":" + service + ":" + string(region) + ":" + string(role.Account) + ":" + what
}

// ownRegion is the region that was asked for, or else the role's. Codes: invalid.
func (t *token) ownRegion() (rolebroker.Region, error) {
	region := cmp.Or(t.ask.Region, t.grant.Role.Region)
	if err := rolebroker.CheckRegion(region, t.grant.Role.ARN.Partition); err != nil {
		return "", wrong("region", err.Error())
	}
	return region, nil
}

// wrong is the error of a field of the request.
func wrong(field, message string) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request for an AWS token is not valid",
		Fields: []rolebroker.Field{{Path: field, Message: message}}}
}

const eksPrefix = "k8s-aws-v1."

// eksExpires is what the AWS CLI puts into X-Amz-Expires, and nobody counts: the token lasts 15 minutes.
const eksExpires = "60"

// composeEKS makes a token for the Kubernetes API of a cluster: a request that asks STS who signed it. The name of the
// cluster is signed, so that no other cluster takes it.
//
// Source: the AWS CLI, customizations/eks/get_token.py; aws-iam-authenticator, pkg/token.
func (t *token) composeEKS() (unsigned, error) {
	region, err := t.ownRegion()
	if err != nil {
		return unsigned{}, err
	}
	sts, _ := endpoint.Named("sts")
	at, err := sts.In(region)
	if err != nil {
		return unsigned{}, wrong("region", err.Error())
	}
	address := url.URL{Scheme: "https", Host: at.Host, Path: "/",
		RawQuery: "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=" + eksExpires}
	header := http.Header{"X-K8s-Aws-Id": {t.ask.Cluster}}
	return unsigned{region: region, operation: "GetToken", actions: []string{rolebroker.ActionEKSToken},
		resources: []string{t.arn("eks", region, "cluster/"+t.ask.Cluster)}, level: rolebroker.CallWrite,
		lifetime: rolebroker.AWSTokenLifetime, isFixed: true,
		sign: func(ctx context.Context, made *rolebroker.AWSToken, s signature) error {
			signed, err := s.presign(ctx, signer, address, http.MethodGet, header, sigv4.Hash(nil), "sts", at.Region)
			made.Token = rolebroker.NewSecret(eksPrefix + base64.RawURLEncoding.EncodeToString([]byte(signed)))
			return err
		}}, nil
}

// composeRDS makes the password of a user of a database. The host has to be one that RDS gave to the database: RDS
// takes no token for another name.
//
// Source: Amazon RDS User Guide, "Connecting to your DB instance using IAM authentication"; botocore,
// generate_db_auth_token.
func (t *token) composeRDS() (unsigned, error) {
	before, region, err := t.hostOf("rds")
	if err != nil {
		return unsigned{}, err
	}
	host := net.JoinHostPort(t.ask.Host, strconv.Itoa(t.ask.Port))
	query := url.Values{"Action": {"connect"}, "DBUser": {t.ask.User},
		"X-Amz-Expires": {strconv.Itoa(int(rolebroker.AWSTokenLifetime / time.Second))}}
	address := url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: query.Encode()}
	const connect = "rds-db:connect"
	return unsigned{region: region, operation: "GenerateDBAuthToken", actions: []string{connect},
		resources: []string{t.arn("rds-db", region, "dbuser:*/"+t.ask.User), t.arn("rds", region, database(before))},
		level:     levels[action.LevelOf(connect)], lifetime: rolebroker.AWSTokenLifetime, isFixed: true,
		sign: func(ctx context.Context, made *rolebroker.AWSToken, s signature) error {
			signed, err := s.presign(ctx, signer, address, http.MethodGet, nil, sigv4.Hash(nil), "rds-db", region)
			made.Token = rolebroker.NewSecret(strings.TrimPrefix(signed, "https://"))
			return err
		}}, nil
}

// database is the resource that the host of a database is of, by what is before the region in its name.
//
// Source: Amazon RDS User Guide and Amazon Aurora User Guide, the endpoints of instances, clusters and proxies.
func database(before string) string {
	name, rest, _ := strings.Cut(before, ".")
	switch {
	case strings.HasPrefix(rest, "cluster-custom-"):
		return "cluster-endpoint:" + name
	case strings.HasPrefix(rest, "cluster-"):
		return "cluster:" + name
	case strings.HasPrefix(rest, "proxy-"):
		return "db-proxy:" + name
	case strings.Contains(rest, ".proxy-"):
		return "db-proxy-endpoint:" + name
	}
	return "db:" + name
}

// hostOf takes apart the host that the agent names, which has to be a service's in the partition of the role, as in
// BEFORE.REGION.SERVICE.amazonaws.com or, in China, BEFORE.SERVICE.REGION.amazonaws.com.cn. Codes: invalid.
func (t *token) hostOf(service string) (before string, region rolebroker.Region, err error) {
	partition := t.grant.Role.ARN.Partition
	rest, ok := endpoint.CutDomain(t.ask.Host, partition)
	if ok {
		before, region, ok = cutRegion(rest, service)
	}
	if !ok || region.Partition() != partition {
		return "", "", wrong("hostname", rolebroker.Quote(t.ask.Host)+" is not a host of "+strings.ToUpper(service)+
			" in the partition "+partition+"; give the address that AWS has for it, not an alias")
	}
	return before, region, t.checkRegion(region)
}

// checkRegion refuses another region than that of the host. Codes: invalid.
func (t *token) checkRegion(region rolebroker.Region) error {
	if t.ask.Region != "" && t.ask.Region != region {
		return wrong("region", "is "+string(t.ask.Region)+", and the host is in "+string(region)+
			"; leave the region out")
	}
	return nil
}

// cutRegion cuts "BEFORE.REGION.SERVICE" or "BEFORE.SERVICE.REGION".
func cutRegion(name, service string) (before string, region rolebroker.Region, ok bool) {
	labels := strings.Split(name, ".")
	if len(labels) < 3 {
		return "", "", false
	}
	last, other := labels[len(labels)-1], labels[len(labels)-2]
	if other == service {
		last, other = other, last
	}
	return strings.Join(labels[:len(labels)-2], "."), rolebroker.Region(other), last == service
}

// composeCodeCommit makes the user name and the password with which Git fetches from a repository and pushes to it. The
// session policy of read-only access has no push.
//
// Source: the AWS CLI, customizations/codecommit.py.
func (t *token) composeCodeCommit() (unsigned, error) {
	region, err := t.codeCommitRegion()
	if err != nil {
		return unsigned{}, err
	}
	actions, level := []string{"codecommit:GitPull", "codecommit:GitPush"}, rolebroker.CallWrite
	if t.access().IsReadOnly() {
		actions, level = actions[:1], rolebroker.CallRead
	}
	return unsigned{region: region, operation: "GitCredentials", actions: actions, level: level,
		resources: []string{t.arn("codecommit", region, strings.TrimPrefix(t.ask.Path, "v1/repos/"))},
		lifetime:  rolebroker.AWSTokenLifetime, isFixed: true,
		sign: func(_ context.Context, made *rolebroker.AWSToken, s signature) error {
			made.Username = rolebroker.NewSecret(s.by.AccessKeyID + "%" + s.by.SessionToken.Reveal())
			made.Token = rolebroker.NewSecret(s.gitPassword(region, t.ask.Host, "/"+t.ask.Path))
			return nil
		}}, nil
}

// codeCommitRegion is the region of the host. Codes: invalid.
//
// Source: AWS CodeCommit User Guide, "Regions and Git connection endpoints", and "Using CodeCommit with interface VPC
// endpoints".
func (t *token) codeCommitRegion() (rolebroker.Region, error) {
	partition := t.grant.Role.ARN.Partition
	name, ok := endpoint.CutDomain(t.ask.Host, partition)
	if inVPC, cut := strings.CutSuffix(name, ".vpce"); cut {
		var of string
		if of, name, cut = strings.Cut(inVPC, "."); !cut || !strings.HasPrefix(of, "vpce-") {
			ok = false
		}
	}
	service, region, _ := strings.Cut(name, ".")
	is := ok && (service == "git-codecommit" || service == "git-codecommit-fips")
	if r := rolebroker.Region(region); is && r.Partition() == partition {
		return r, t.checkRegion(r)
	}
	return "", wrong("hostname", rolebroker.Quote(t.ask.Host)+" is not a host of CodeCommit in the partition "+
		partition+", as in git-codecommit.eu-west-1.amazonaws.com")
}

// gitPassword signs the method GIT for a repository.
func (s signature) gitPassword(region rolebroker.Region, host, path string) string {
	stamp := s.at.Format("20060102T150405")
	key := []byte("AWS4" + s.by.SecretAccessKey.Reveal())
	scope := []string{stamp[:8], string(region), "codecommit", "aws4_request"}
	for _, part := range scope {
		key = hmacOf(key, part)
	}
	canonical := "GIT\n" + path + "\n\nhost:" + host + "\n\nhost\n"
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, strings.Join(scope, "/"),
		sigv4.Hash([]byte(canonical))}, "\n")
	return stamp + "Z" + hex.EncodeToString(hmacOf(key, text))
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// composeS3 makes a URL for one object. What it does is classified as the same call through the gateway is.
func (t *token) composeS3() (unsigned, error) {
	region, err := t.ownRegion()
	if err != nil {
		return unsigned{}, err
	}
	key := "/" + httpbinding.EscapePath(t.ask.Key, false)
	role := t.grant.Role.ARN
	asks, err := action.Classify(&action.Request{Service: "s3", Region: string(region), Account: role.Account,
		Partition: role.Partition, Method: t.ask.HTTPMethod(), Path: "/" + t.ask.Bucket + key})
	switch {
	case err != nil:
		return unsigned{}, wrong("key", err.Error())
	case asks.Unknown != "" || asks.Credentials:
		return unsigned{}, wrong("method", "the server does not know what it does with this object: "+asks.Unknown)
	}
	address, err := t.objectURL(region, key)
	if err != nil {
		return unsigned{}, err
	}
	return unsigned{region: region, operation: asks.Operation, actions: asks.Actions, resources: asks.Resources,
		level:    levels[asks.Level],
		lifetime: cmp.Or(t.ask.Lifetime, min(rolebroker.DefaultURLLifetime, t.URLLifetime)),
		sign: func(ctx context.Context, made *rolebroker.AWSToken, s signature) error {
			address.RawQuery = "X-Amz-Expires=" + strconv.Itoa(int(s.life/time.Second))
			signed, err := s.presign(ctx, s3Signer, address, t.ask.HTTPMethod(), nil, sigv4.UnsignedPayload, "s3",
				region)
			made.Token = rolebroker.NewSecret(signed)
			return err
		}}, nil
}

// objectURL is where an object is, without a query. The key is escaped, with its slash.
func (t *token) objectURL(region rolebroker.Region, key string) (at url.URL, err error) {
	s3, _ := endpoint.Named("s3")
	if chosen := t.Endpoint(s3); chosen != "" {
		to, err := url.Parse(chosen)
		if err != nil || to.Host == "" {
			return at, &rolebroker.Error{Code: rolebroker.CodeInternal,
				Message: "the endpoint of s3 that is set for the gateway is not a URL", Cause: err}
		}
		at = url.URL{Scheme: to.Scheme, Host: to.Host,
			RawPath: strings.TrimSuffix(to.EscapedPath(), "/") + "/" + t.ask.Bucket + key}
	} else {
		aws, err := s3.In(region)
		if err != nil {
			return at, wrong("region", err.Error())
		}
		at = url.URL{Scheme: "https", Host: t.ask.Bucket + "." + aws.Host, RawPath: key}
		if strings.Contains(t.ask.Bucket, ".") { // for which AWS's certificate is not
			at.Host, at.RawPath = aws.Host, "/"+t.ask.Bucket+key
		}
	}
	at.Path, err = url.PathUnescape(at.RawPath)
	return at, err
}

// presign signs a request in its query.
func (s signature) presign(ctx context.Context, with *v4.Signer, at url.URL, method string, header http.Header, hash,
	service string, region rolebroker.Region,
) (string, error) {
	r := (&http.Request{Method: method, URL: &at, Host: at.Host, Header: header.Clone()}).WithContext(ctx)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	by := aws.Credentials{AccessKeyID: s.by.AccessKeyID, SecretAccessKey: s.by.SecretAccessKey.Reveal(),
		SessionToken: s.by.SessionToken.Reveal()}
	signed, _, err := with.PresignHTTP(ctx, by, r, hash, service, string(region), s.at)
	return signed, err
}
