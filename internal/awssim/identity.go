package awssim

import (
	"crypto/subtle"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// caller is the identity that signed a request, with all attributes that policies
// may refer to. It is a snapshot of the time when the signature was verified.
type caller struct {
	partition, account string
	organization       string
	arn                string // of the user or session, as AWS shows it
	principalARN       string // of the user or role: aws:PrincipalArn
	userID             string // AIDA…, AROA…:session, or the account's id for root
	uniqueID           string // AIDA… or AROA…; empty for root
	userName, roleName string
	keyID              string
	root               bool

	service  string // a service, which delivers credentials; nothing else is set
	provider string // the ARN of a token's provider; nothing else is set

	tags            map[string]string
	session         *session
	issued          time.Time // of the session
	policies        []*policy
	sessionPolicies []*policy
	scps            []*policy
}

func (c *caller) rootARN() string { return "arn:" + c.partition + ":iam::" + c.account + ":root" }

// isRoleSession says whether the caller is a role session. One that assumes
// another role is role chaining.
func (c *caller) isRoleSession() bool { return c.session != nil && c.roleName != "" }

var (
	errUnknownKey = refuse(http.StatusForbidden, "InvalidClientTokenId",
		"The security token included in the request is invalid.")
	errExpired = refuse(http.StatusForbidden, "ExpiredToken",
		"The security token included in the request is expired")
)

// identify verifies the signature of a request for a service and returns who
// signed it.
func (a *AWS) identify(c *call, service string) (*caller, error) {
	signature, err := sigv4.Read(c.http)
	if err != nil {
		return nil, ofSignature(err)
	}
	c.region = signature.Region
	if err := signature.CheckScope(service); err != nil {
		return nil, ofSignature(err)
	}
	if partitionOf(c.region) == "" {
		return nil, refuse(http.StatusForbidden, "SignatureDoesNotMatch",
			"Credential should be scoped to a valid region.")
	}
	who, secret, expired, err := a.find(signature)
	if err != nil {
		return nil, err
	}
	if err := signature.CheckTime(c.now); err != nil {
		return nil, ofSignature(err)
	}
	if err := signature.Verify(c.http, c.signed, secret); err != nil {
		return nil, ofSignature(err)
	}
	c.seed, c.secret = signature, secret
	if expired {
		return nil, errExpired
	}
	return who, nil
}

// find returns the key of a signature and a snapshot of its owner. Keys of other
// partitions are unknown.
func (a *AWS) find(signature *sigv4.Signature) (who *caller, secret string, expired bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.keys[signature.KeyID]
	if k == nil {
		return nil, "", false, errUnknownKey
	}
	token := ""
	if k.session != nil {
		token = k.session.token
		expired = !a.now().Before(k.session.expires)
	}
	acct := a.accounts[k.account]
	if subtle.ConstantTimeCompare([]byte(token), []byte(signature.Token)) != 1 ||
		acct.partition != partitionOf(signature.Region) {
		return nil, "", false, errUnknownKey
	}
	who, ok := acct.caller(k)
	if !ok {
		return nil, "", false, errUnknownKey
	}
	return who, k.secret, expired, nil
}

// caller returns a snapshot of a key's owner, and false if it was deleted.
func (a *account) caller(k *accessKey) (*caller, bool) {
	c := &caller{partition: a.partition, account: a.id, organization: a.organization, keyID: k.id, scps: a.scps}
	if s := k.session; s != nil {
		c.session, c.issued, c.sessionPolicies = s, k.created, s.policies
	}
	if k.owner == "" {
		c.root, c.arn, c.principalARN, c.userID = true, a.rootARN(), a.rootARN(), a.id
		return c, true
	}
	r, u := a.rolesByID[k.owner], a.usersByID[k.owner]
	switch {
	case r != nil:
		c.arn = a.arn("sts", "assumed-role/"+r.name+"/"+k.session.name)
		c.principalARN, c.uniqueID, c.userID = r.arn, r.id, r.id+":"+k.session.name
		c.roleName, c.policies = r.name, r.permissions()
		c.tags = mergeTags(r.tags, k.session.tags)
	case u != nil:
		c.arn, c.principalARN, c.uniqueID, c.userID = u.arn, u.arn, u.id, u.id
		c.userName, c.policies, c.tags = u.name, u.policies.documents(), u.tags
	}
	return c, r != nil || u != nil
}

// mergeTags adds tags to others and replaces those with the same key. The case of
// keys is ignored.
func mergeTags(under, over map[string]string) map[string]string {
	if len(over) == 0 {
		return under
	}
	merged := maps.Clone(over)
	for k, v := range under {
		if _, taken := foldedTag(over, k); !taken {
			merged[k] = v
		}
	}
	return merged
}

func foldedTag(tags map[string]string, key string) (string, bool) {
	if v, ok := tags[key]; ok {
		return v, true
	}
	for k, v := range tags {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}

// inherited returns the transitive tags and the source identity that a caller
// passes on to every role that it assumes.
func (c *caller) inherited() (tags map[string]string, keys []string, sourceIdentity string) {
	if c.session == nil {
		return nil, nil, ""
	}
	tags = map[string]string{}
	for _, k := range c.session.transitive {
		if v, ok := foldedTag(c.session.tags, k); ok {
			tags[k] = v
		}
	}
	return tags, slices.Clone(c.session.transitive), c.session.sourceIdentity
}
