package rolebroker

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// AWSTokenRequest is an agent's asking for one request to AWS that is signed for it, and that somebody else sends:
// kubectl, a client of a database, Git, or whoever has a URL.
type AWSTokenRequest struct {
	Kind   AWSTokenKind
	Role   string // a role reference, see Grants.Resolve; empty for the default role
	Task   string // may be empty
	Access Access // see Request.Access
	Region Region // empty: that of the host, or else the role's

	Cluster  string        // eks: its name
	Host     string        // rds and codecommit: without a port
	Port     int           // rds
	User     string        // rds: of the database
	Path     string        // codecommit: of the repository's URL, without the slash at its beginning
	Bucket   string        // s3
	Key      string        // s3: of the object
	Method   string        // s3: of HTTP; empty: GET
	Lifetime time.Duration // s3; 0: the default
}

// AWSTokenKind is what an AWS token is for.
type AWSTokenKind string

// The kinds.
const (
	TokenEKS        AWSTokenKind = "eks"        // the Kubernetes API of a cluster
	TokenRDS        AWSTokenKind = "rds"        // a user of a database
	TokenCodeCommit AWSTokenKind = "codecommit" // a Git repository
	TokenS3         AWSTokenKind = "s3"         // one object, as a URL
)

// AWSTokenKinds are all kinds.
func AWSTokenKinds() []AWSTokenKind {
	return []AWSTokenKind{TokenEKS, TokenRDS, TokenCodeCommit, TokenS3}
}

// AWSToken is a request to AWS that was signed for an agent.
type AWSToken struct {
	Token    Secret // as the program that is given it takes it; of kind s3, a URL
	Username Secret // codecommit: goes with it; else empty. It has the session token of the role, and no key
	Expires  time.Time
	RoleARN  RoleARN
	Region   Region
	Call     CallID // its record
}

// AWSTokenLifetime is how long AWS accepts a token that is not of kind s3, at most.
//
// Source: aws-iam-authenticator and the AWS CLI (customizations/eks/get_token.py), which count from the signature;
// Amazon RDS User Guide, "IAM database authentication"; AWS CodeCommit User Guide, "Troubleshooting the credential
// helper".
const AWSTokenLifetime = 15 * time.Minute

// The lifetimes of URLs of S3.
//
// Source: Amazon S3 User Guide, "Download and upload objects with presigned URLs": at most 7 days.
const (
	DefaultURLLifetime      = 15 * time.Minute // of one, if nobody says how long
	DefaultURLLifetimeLimit = time.Hour        // of the longest, unless the operator sets another limit
	MaxURLLifetime          = 7 * 24 * time.Hour
)

// ActionEKSToken is what a call record, an approval and the allowed actions of a connection call a token for a cluster.
// IAM has no such action: no policy of AWS limits what Kubernetes lets a role do.
const ActionEKSToken = "eks:GetToken"

// Check returns every field that is wrong, by the names of the API. limit bounds the lifetime of a URL; 0: there are no
// URLs. Codes: invalid.
func (r *AWSTokenRequest) Check(limit time.Duration) error {
	var p problems
	if err := oneOf(r.Kind, AWSTokenKinds()); err != nil {
		p.check("kind", err)
		return p.err("the request for an AWS token")
	}
	if r.Region != "" {
		p.check("region", CheckRegion(r.Region, ""))
	}
	switch r.Kind {
	case TokenEKS:
		p.check("cluster_name", matches(r.Cluster, isClusterName, "the name of a cluster, as in production"))
	case TokenRDS:
		p.check("hostname", matches(r.Host, isHostName,
			"the host of a database, as in orders.c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com"))
		p.check("username", matches(r.User, isDatabaseUser,
			"a user of the database: up to 63 letters, digits and _ . @ $ # -"))
		if r.Port < 1 || r.Port > 65535 {
			p.add("port", "must be from 1 to 65535, as in 5432")
		}
	case TokenCodeCommit:
		p.check("hostname", matches(r.Host, isHostName,
			"a host of CodeCommit, as in git-codecommit.eu-west-1.amazonaws.com"))
		p.check("path", matches(r.Path, isRepositoryPath, "the path of a repository, as in v1/repos/orders"))
	case TokenS3:
		r.checkObject(limit, &p)
	}
	r.checkOthers(&p)
	return p.err("the request for an AWS token")
}

// checkObject adds what is wrong with a request for a URL of S3.
func (r *AWSTokenRequest) checkObject(limit time.Duration, p *problems) {
	p.check("bucket", matches(r.Bucket, isBucket, "the name of a bucket, as in reports"))
	if strings.HasSuffix(r.Bucket, "--x-s3") {
		p.add("bucket",
			"is a directory bucket of S3 Express, whose sessions are credentials; use a bucket of another type")
	}
	switch {
	case r.Key == "" || len(r.Key) > 1024 || !utf8.ValidString(r.Key):
		p.add("key", "must be the key of an object: 1 to 1024 bytes of UTF-8")
	case hasDots(r.Key):
		p.add("key", "has . or .. between slashes, which clients remove from the path of a URL")
	case strings.ContainsFunc(r.Key, func(c rune) bool { return unicode.IsControl(c) || !IsVisible(c) }):
		p.add("key", "has a character that is not visible")
	}
	p.check("method", oneOf(r.HTTPMethod(), []string{"GET", "HEAD", "PUT", "DELETE"}))
	switch most := min(limit, MaxURLLifetime); {
	case limit <= 0:
		p.add("kind", "is %s, and the operator of this server permits no presigned URLs", Quote(string(r.Kind)))
	case r.Lifetime < 0 || r.Lifetime > 0 && r.Lifetime < time.Second || r.Lifetime%time.Second != 0:
		p.add("expires_in", "is %s; write whole seconds, as in 5m", r.Lifetime)
	case r.Lifetime > most:
		p.add("expires_in", "is %s; the operator of this server permits at most %s", ShortDuration(r.Lifetime),
			ShortDuration(most))
	}
}

// HTTPMethod is Method, or its default.
func (r *AWSTokenRequest) HTTPMethod() string {
	if r.Method == "" {
		return "GET"
	}
	return r.Method
}

// checkOthers adds the fields that have no meaning for the kind.
func (r *AWSTokenRequest) checkOthers(p *problems) {
	for _, f := range []struct {
		path  string
		isSet bool
		of    []AWSTokenKind
	}{
		{"cluster_name", r.Cluster != "", []AWSTokenKind{TokenEKS}},
		{"hostname", r.Host != "", []AWSTokenKind{TokenRDS, TokenCodeCommit}},
		{"port", r.Port != 0, []AWSTokenKind{TokenRDS}},
		{"username", r.User != "", []AWSTokenKind{TokenRDS}},
		{"path", r.Path != "", []AWSTokenKind{TokenCodeCommit}},
		{"bucket", r.Bucket != "", []AWSTokenKind{TokenS3}},
		{"key", r.Key != "", []AWSTokenKind{TokenS3}},
		{"method", r.Method != "", []AWSTokenKind{TokenS3}},
		{"expires_in", r.Lifetime != 0, []AWSTokenKind{TokenS3}},
	} {
		if f.isSet && oneOf(r.Kind, f.of) != nil {
			p.add(f.path, "is for an AWS token of the kind %s, not %s", inWords(f.of), r.Kind)
		}
	}
}

// matches returns what is expected of a text that is not valid.
func matches(text string, valid func(string) bool, expected string) error {
	if valid(text) {
		return nil
	}
	if text == "" {
		return fmt.Errorf("is required: %s", expected)
	}
	return fmt.Errorf("%s is not %s", Quote(Clip(text, 100)), expected)
}

const (
	lowerAndDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
	alphanumerics  = lowerAndDigits + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// consists reports whether a text has from least to most characters, all of them among those.
func consists(text string, least, most int, of string) bool {
	return least <= len(text) && len(text) <= most && strings.Trim(text, of) == ""
}

// Source: EKS API Reference, CreateCluster, name.
func isClusterName(s string) bool {
	return consists(s, 1, 100, alphanumerics+"-_") && strings.ContainsAny(s[:1], alphanumerics)
}

// isHostName is strict: a host is a part of what is signed. It has no port and no capitals.
func isHostName(s string) bool {
	if !consists(s, 1, 253, lowerAndDigits+"-.") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// Source: the limits of MySQL (32 characters) and PostgreSQL (63).
func isDatabaseUser(s string) bool { return consists(s, 1, 63, alphanumerics+"_.@$#-") }

// Source: CodeCommit API Reference, CreateRepository, repositoryName.
func isRepositoryPath(s string) bool {
	name, ok := strings.CutPrefix(s, "v1/repos/")
	return ok && name != "." && name != ".." && consists(name, 1, 100, alphanumerics+"._-")
}

// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
func isBucket(s string) bool {
	return consists(s, 3, 63, lowerAndDigits+".-") && isHostName(s) && strings.Trim(s, "0123456789.") != ""
}

// hasDots reports whether a part of a path is . or .. .
func hasDots(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// MayHaveAWSToken returns nil if the access of a connection lets an agent have a token that does something of a level.
// access is what the loan has, for the agent may have asked for less. Codes: denied.
func (c *Connection) MayHaveAWSToken(ask AWSTokenRequest, access Access, level CallLevel) error {
	name := "an AWS token of kind " + string(ask.Kind)
	switch {
	case ask.Kind == TokenEKS && ask.Access == AccessReadOnly:
		return Errorf(CodeDenied, "--read-only is asked for, and %s would go past it: Kubernetes decides by the role "+
			"alone", name).
			WithHint("leave --read-only out, of this command or its rolebroker exec")
	case ask.Kind == TokenEKS && access != AccessFull && !c.AllowsAction(ActionEKSToken):
		return Errorf(CodeDenied, "the access is %s, and %s would go past it: Kubernetes decides by the role alone, "+
			"whatever session policy it has", access, name).
			WithHint("use a role with access full, of which Kubernetes lets do only what the agent may; if its keys "+
				"are withheld, an administrator can allow the token by its name, %s, with --allow-action of "+
				"rolebroker agent connect", ActionEKSToken)
	case ask.Kind == TokenEKS:
		return nil
	case access == AccessViewOnly:
		return Errorf(CodeDenied, "the access is view-only, which reads no data, and %s would be of no use", name).
			WithHint("an administrator can give the agent more, with --access of rolebroker agent connect")
	case access == AccessReadOnly && level.Changes():
		return Errorf(CodeDenied, "the access is read-only, and %s may change something", name).
			WithHint("leave --read-only out, if this command or its rolebroker exec has it; else an administrator " +
				"can give the agent more, with --access of rolebroker agent connect")
	}
	return nil
}
