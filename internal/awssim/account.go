package awssim

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// AllowAll is the policy of an administrator.
const AllowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// Account is one account. Its methods set up a test or a demo without signed
// requests. They panic where the IAM API would return an error, because their
// arguments are constants of the calling program.
type Account struct {
	aws *AWS
	id  string
}

// Credentials are an access key. SessionToken and Expires are empty for
// long-term keys. Printing them shows the access key id only.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expires         time.Time
}

// String returns the access key id.
func (c Credentials) String() string { return c.AccessKeyID }

// GoString returns the access key id.
func (c Credentials) GoString() string { return c.AccessKeyID }

// LogValue keeps the secret out of logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.AccessKeyID) }

// User is an IAM user as created by [Account.CreateUser].
type User struct {
	Name, Path, ARN, ID string
	Key                 Credentials
}

// Role is an IAM role. Name and TrustPolicy are required to create one; CreateRole
// sets ARN, ID and Created.
type Role struct {
	Name               string
	Path               string            // "/" when empty
	Description        string            //
	TrustPolicy        string            // JSON
	MaxSessionDuration time.Duration     // an hour when zero
	Policies           map[string]string // inline policies: name → JSON
	Tags               map[string]string

	ARN, ID string
	Created time.Time
}

// ServiceSession describes the credentials that an AWS service delivers to a
// workload: an ECS task, a Lambda function, a pod.
type ServiceSession struct {
	Service     string            // "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com", …
	Role        string            // name of the role, in the account
	SessionName string            // "session" when empty
	Tags        map[string]string // session tags; the trust policy must allow sts:TagSession
	Transitive  []string          // keys of Tags that are inherited by every role that the session assumes
	Duration    time.Duration     // an hour when zero
	SourceARN   string            // aws:SourceArn, absent when empty
}

var accountID = matching(`^[0-9]{12}$`)

// Account returns the account of that id in the partition aws, creating it on
// first use. It panics unless id is twelve digits.
func (a *AWS) Account(id string) *Account { return a.AccountIn("aws", id) }

// AccountIn is [AWS.Account] for other partitions: "aws-cn", "aws-us-gov", ….
// An account that exists already keeps its partition.
func (a *AWS) AccountIn(partition, id string) *Account {
	if !accountID(id) || !knownPartition(partition) {
		panic(fmt.Sprintf("awssim: no account %q in partition %q can exist", id, partition))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accounts[id] == nil {
		a.accounts[id] = newAccount(partition, id)
	}
	return &Account{aws: a, id: id}
}

// ID returns the account's twelve digits.
func (acct *Account) ID() string { return acct.id }

// RootARN returns the ARN by which policies name the account.
func (acct *Account) RootARN() string {
	return do(acct, func(a *account) (string, error) { return a.rootARN(), nil })
}

// RootKey returns the access key of the account's root user, which may do
// everything except assume roles.
func (acct *Account) RootKey() Credentials {
	return do(acct, func(a *account) (Credentials, error) {
		if a.rootKey == nil {
			a.rootKey = acct.aws.newLongTermKey(a, "")
		}
		return a.rootKey.credentials(), nil
	})
}

// AdminKey returns the access key of an IAM user called admin who may do
// everything, creating the user on first use.
func (acct *Account) AdminKey() Credentials {
	return do(acct, func(a *account) (Credentials, error) {
		if a.adminKey == nil {
			u, err := acct.aws.createUser(a, "admin", "/", nil)
			if err != nil {
				return Credentials{}, err
			}
			if u.policies, err = u.policies.put("admin", AllowAll); err != nil {
				return Credentials{}, err
			}
			a.adminKey = acct.aws.newLongTermKey(a, u.id)
		}
		return a.adminKey.credentials(), nil
	})
}

// CreateUser creates a user at path "/" with one access key and, unless
// policy is empty, one inline policy.
func (acct *Account) CreateUser(name, policy string) User {
	return do(acct, func(a *account) (User, error) {
		u, err := acct.aws.createUser(a, name, "/", nil)
		if err != nil {
			return User{}, err
		}
		if policy != "" {
			if u.policies, err = u.policies.put(name, policy); err != nil {
				return User{}, err
			}
		}
		key := acct.aws.newLongTermKey(a, u.id)
		return User{Name: u.name, Path: u.path, ARN: u.arn, ID: u.id, Key: key.credentials()}, nil
	})
}

// DeleteUser deletes a user with all its keys and policies.
func (acct *Account) DeleteUser(name string) {
	do(acct, func(a *account) (any, error) {
		u, err := a.user(name)
		if err != nil {
			return nil, err
		}
		for _, key := range acct.aws.keysOf(u.id) {
			delete(acct.aws.keys, key.id)
		}
		acct.aws.deleteUser(a, u)
		return nil, nil
	})
}

// SetUserPolicy replaces the user's inline policy of that name. An empty document
// deletes it.
func (acct *Account) SetUserPolicy(user, name, document string) {
	do(acct, func(a *account) (any, error) {
		u, err := a.user(user)
		if err != nil {
			return nil, err
		}
		u.policies, err = u.policies.set(name, document)
		return nil, err
	})
}

// CreateRole creates a role and returns it with its ARN, ID and Created set.
func (acct *Account) CreateRole(r Role) Role {
	return do(acct, func(a *account) (Role, error) {
		made, err := acct.aws.createRole(a, r)
		if err != nil {
			return Role{}, err
		}
		return made.describe(acct.aws), nil
	})
}

// Role returns the role of that name, and whether there is one.
func (acct *Account) Role(name string) (Role, bool) {
	acct.aws.mu.Lock()
	defer acct.aws.mu.Unlock()
	r, err := acct.aws.accounts[acct.id].role(name)
	if err != nil {
		return Role{}, false
	}
	return r.describe(acct.aws), true
}

// DeleteRole deletes a role with its policies. Its sessions end at once. Policies
// that name it keep referring to the deleted role.
func (acct *Account) DeleteRole(name string) {
	do(acct, func(a *account) (any, error) {
		r, err := a.role(name)
		if err != nil {
			return nil, err
		}
		acct.aws.deleteRole(a, r)
		return nil, nil
	})
}

// SetTrustPolicy replaces a role's trust policy.
func (acct *Account) SetTrustPolicy(role, document string) {
	do(acct, func(a *account) (any, error) {
		r, err := a.role(role)
		if err != nil {
			return nil, err
		}
		trust, err := acct.aws.parseTrustPolicy(a, document)
		if err == nil {
			r.trust = trust
		}
		return nil, err
	})
}

// SetRolePolicy replaces the role's inline policy of that name. An empty document
// deletes it.
func (acct *Account) SetRolePolicy(role, name, document string) {
	do(acct, func(a *account) (any, error) {
		r, err := a.role(role)
		if err != nil {
			return nil, err
		}
		r.policies, err = r.policies.set(name, document)
		return nil, err
	})
}

// SetMaxSessionDuration sets the longest duration that AssumeRole accepts for a
// role.
func (acct *Account) SetMaxSessionDuration(role string, d time.Duration) {
	do(acct, func(a *account) (any, error) {
		r, err := a.role(role)
		if err == nil {
			r.maxSession = d
		}
		return nil, err
	})
}

// CreatePolicy creates a managed policy that can be named in the PolicyArns
// of a session, and returns its ARN.
func (acct *Account) CreatePolicy(name, document string) string {
	return do(acct, func(a *account) (string, error) {
		p, err := parseIdentityPolicy(document)
		if err != nil {
			return "", err
		}
		arn := "arn:" + a.partition + ":iam::" + a.id + ":policy/" + name
		a.managed[arn] = p
		return arn, nil
	})
}

// AddOIDCProvider makes the account trust tokens of issuer that are meant for
// one of clientIDs and signed by one of keys, and returns the provider's ARN.
// Unlike the IAM API it takes any http or https URL, and replaces a provider
// that exists.
func (acct *Account) AddOIDCProvider(issuer string, clientIDs []string, keys jose.JSONWebKeySet) string {
	return do(acct, func(a *account) (string, error) {
		p, err := newProvider(a, issuer, clientIDs, acct.aws.now())
		if err != nil {
			return "", err
		}
		p.keys, p.fixed = keys, true
		a.providers[p.name] = p
		return p.arn, nil
	})
}

// SetSCP replaces the service control policies that apply to the account's
// principals, including the root user. Only their explicit denials have an
// effect, as if FullAWSAccess were attached too.
func (acct *Account) SetSCP(documents ...string) {
	do(acct, func(a *account) (any, error) {
		var all []*policy
		for _, text := range documents {
			p, err := parseIdentityPolicy(text)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
		a.scps = all
		return nil, nil
	})
}

// SetOrganization sets aws:PrincipalOrgID of the account's principals.
func (acct *Account) SetOrganization(id string) {
	do(acct, func(a *account) (any, error) { a.organization = id; return nil, nil })
}

// DisableRegion makes STS refuse in that region to issue sessions of the account's
// roles, with RegionDisabledException.
func (acct *Account) DisableRegion(region string) {
	do(acct, func(a *account) (any, error) {
		next := maps.Clone(a.disabled)
		next[region] = true
		a.disabled = next
		return nil, nil
	})
}

// ServiceSession issues credentials as the named service would, if the role's
// trust policy lets it. The error is an [*Error].
func (acct *Account) ServiceSession(s ServiceSession) (Credentials, error) {
	return acct.aws.serviceSession(acct.id, s)
}

// do runs f on the account with the state locked, and panics on refusal.
func do[T any](acct *Account, f func(*account) (T, error)) T {
	acct.aws.mu.Lock()
	defer acct.aws.mu.Unlock()
	v, err := f(acct.aws.accounts[acct.id])
	var refusal *Error
	if errors.As(err, &refusal) {
		panic("awssim: account " + acct.id + ": " + refusal.Error())
	}
	if err != nil {
		panic(err)
	}
	return v
}
