package awssim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// The state of an account. The policies, tags and trust policy of a role or user
// are replaced, never modified, so that a copy of the struct that is made under
// the lock is a snapshot.
type account struct {
	partition, id string
	organization  string
	roles         map[string]*role // by lower-case name
	users         map[string]*user // by lower-case name
	rolesByID     map[string]*role
	usersByID     map[string]*user
	providers     map[string]*provider
	managed       map[string]*policy // by ARN
	scps          []*policy
	disabled      map[string]bool // regions without STS
	instances     []*instance
	tables        map[string]*table // by region/name
	rootKey       *accessKey
	adminKey      *accessKey
}

type role struct {
	account     string
	name, path  string
	arn, id     string
	description string
	trust       *policy
	maxSession  time.Duration
	policies    policies
	attached    policies // managed policies, by ARN
	tags        map[string]string
	created     time.Time
}

// permissions returns the policies of the role that say what it may do.
func (r *role) permissions() []*policy {
	return append(r.policies.documents(), r.attached.documents()...)
}

type user struct {
	name, path string
	arn, id    string
	policies   policies
	tags       map[string]string
	created    time.Time
}

// accessKey is long-term (session is nil) or belongs to a session.
type accessKey struct {
	id, secret string
	account    string
	owner      string // unique id of a role or user; empty for the root user
	created    time.Time
	session    *session
}

// session is the state of credentials that STS issued.
type session struct {
	token          string
	name           string // role session name; empty for GetSessionToken
	expires        time.Time
	tags           map[string]string // session tags
	transitive     []string          // keys of tags that the next role inherits
	sourceIdentity string
	policies       []*policy // session policies; empty when none restrict it
}

func (k *accessKey) credentials() Credentials {
	c := Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret}
	if k.session != nil {
		c.SessionToken, c.Expires = k.session.token, k.session.expires
	}
	return c
}

// Lookup returns the credentials with an access key, for other services of a test that verify signatures. ok is false
// if there are none, or if they are of a session that has ended.
func (a *AWS) Lookup(accessKeyID string) (_ Credentials, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.keys[accessKeyID]
	if k == nil || k.session != nil && !a.now().Before(k.session.expires) {
		return Credentials{}, false
	}
	return k.credentials(), true
}

func newAccount(partition, id string) *account {
	return &account{
		partition: partition, id: id,
		roles: map[string]*role{}, users: map[string]*user{},
		rolesByID: map[string]*role{}, usersByID: map[string]*user{},
		providers: map[string]*provider{}, managed: map[string]*policy{},
		disabled: map[string]bool{}, tables: map[string]*table{},
	}
}

func (a *account) arn(service, resource string) string {
	return "arn:" + a.partition + ":" + service + "::" + a.id + ":" + resource
}

func (a *account) rootARN() string { return a.arn("iam", "root") }

func (a *account) role(name string) (*role, error) {
	if r := a.roles[strings.ToLower(name)]; r != nil {
		return r, nil
	}
	return nil, noSuchEntity("The role with name %s cannot be found.", name)
}

func (a *account) user(name string) (*user, error) {
	if u := a.users[strings.ToLower(name)]; u != nil {
		return u, nil
	}
	return nil, noSuchEntity("The user with name %s cannot be found.", name)
}

func (a *AWS) createUser(in *account, name, path string, tags map[string]string) (*user, error) {
	if in.users[strings.ToLower(name)] != nil {
		return nil, alreadyExists("User with name %s already exists.", name)
	}
	if !entityName(name) || len(name) > 64 || !validPath(path) {
		return nil, invalid("%q is no user's path and name", path+name)
	}
	u := &user{name: name, path: path, tags: tags, arn: in.arn("iam", "user"+path+name), id: newID("AIDA", 17),
		created: a.now().Truncate(time.Second)}
	in.users[strings.ToLower(name)], in.usersByID[u.id] = u, u
	a.ids[u.id] = u.arn
	return u, nil
}

func (a *AWS) deleteUser(from *account, u *user) {
	delete(from.users, strings.ToLower(u.name))
	delete(from.usersByID, u.id)
	delete(a.ids, u.id)
	if from.adminKey != nil && from.adminKey.owner == u.id {
		from.adminKey = nil
	}
}

func (a *AWS) createRole(in *account, r Role) (*role, error) {
	r.Path = cmp.Or(r.Path, "/")
	r.MaxSessionDuration = cmp.Or(r.MaxSessionDuration, time.Hour)
	switch {
	case in.roles[strings.ToLower(r.Name)] != nil:
		return nil, alreadyExists("Role with name %s already exists.", r.Name)
	case !entityName(r.Name) || len(r.Name) > 64 || !validPath(r.Path):
		return nil, invalid("%q is no role's path and name", r.Path+r.Name)
	case r.MaxSessionDuration < time.Hour || r.MaxSessionDuration > 12*time.Hour:
		return nil, invalid("a role's sessions last one to twelve hours at most, not %s", r.MaxSessionDuration)
	}
	trust, err := a.parseTrustPolicy(in, r.TrustPolicy)
	if err != nil {
		return nil, err
	}
	made := &role{
		account: in.id, name: r.Name, path: r.Path, description: r.Description,
		arn: in.arn("iam", "role"+r.Path+r.Name), id: newID("AROA", 17),
		trust: trust, maxSession: r.MaxSessionDuration, tags: maps.Clone(r.Tags),
		created: a.now().Truncate(time.Second),
	}
	for name, text := range r.Policies {
		if made.policies, err = made.policies.put(name, text); err != nil {
			return nil, err
		}
	}
	in.roles[strings.ToLower(r.Name)], in.rolesByID[made.id] = made, made
	a.ids[made.id] = made.arn
	return made, nil
}

func (a *AWS) deleteRole(from *account, r *role) {
	delete(from.roles, strings.ToLower(r.name))
	delete(from.rolesByID, r.id)
	delete(a.ids, r.id)
}

// describe returns the role for the Go API.
func (r *role) describe(a *AWS) Role {
	d := Role{
		Name: r.name, Path: r.path, Description: r.description, MaxSessionDuration: r.maxSession,
		TrustPolicy: r.trust.render(a.ids), Policies: map[string]string{}, Tags: maps.Clone(r.tags),
		ARN: r.arn, ID: r.id, Created: r.created,
	}
	for _, p := range r.policies {
		d.Policies[p.name] = p.text
	}
	return d
}

// newLongTermKey makes and stores a key. An empty owner is the root user.
func (a *AWS) newLongTermKey(in *account, owner string) *accessKey {
	k := &accessKey{id: newID("AKIA", 16), secret: newSecret(), account: in.id, owner: owner,
		created: a.now().Truncate(time.Second)}
	a.keys[k.id] = k
	a.secrets = keep(a.secrets, k.secret)
	return k
}

// newSessionKey makes and stores the credentials of a session, and drops the oldest
// session if there are too many.
func (a *AWS) newSessionKey(accountID, owner string, s *session, issued time.Time) *accessKey {
	s.token = newToken()
	k := &accessKey{id: newID("ASIA", 16), secret: newSecret(), account: accountID, owner: owner, created: issued,
		session: s}
	a.keys[k.id] = k
	a.secrets = keep(a.secrets, k.secret, s.token)
	a.sessions = append(a.sessions, k.id)
	if len(a.sessions) > remembered {
		delete(a.keys, a.sessions[0])
		a.sessions = a.sessions[1:]
	}
	return k
}

// keysOf lists the long-term keys of a user, oldest first.
func (a *AWS) keysOf(owner string) []*accessKey {
	var found []*accessKey
	for _, k := range a.keys {
		if k.owner == owner && k.session == nil {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(x, y *accessKey) int {
		return cmp.Or(x.created.Compare(y.created), strings.Compare(x.id, y.id))
	})
	return found
}

// policies maps names to the policies of a role or user.
type policies []inline

type inline struct {
	name, text string
	*policy
}

// put returns a copy with the policy added or replaced.
func (ps policies) put(name, text string) (policies, error) {
	p, err := parseIdentityPolicy(text)
	if err != nil {
		return ps, err
	}
	next := append(ps.without(name), inline{name, text, p})
	slices.SortFunc(next, func(x, y inline) int { return strings.Compare(x.name, y.name) })
	return next, nil
}

func (ps policies) without(name string) policies {
	return slices.DeleteFunc(slices.Clone(ps), func(p inline) bool { return p.name == name })
}

func (ps policies) set(name, text string) (policies, error) {
	if text == "" {
		return ps.without(name), nil
	}
	return ps.put(name, text)
}

func (ps policies) get(name string) (inline, bool) {
	i := slices.IndexFunc(ps, func(p inline) bool { return p.name == name })
	if i < 0 {
		return inline{}, false
	}
	return ps[i], true
}

// size counts characters as IAM's quota does, without whitespace.
func (ps policies) size() int {
	n := 0
	for _, p := range ps {
		n += policySize(p.text)
	}
	return n
}

// documents returns the policies without their names.
func (ps policies) documents() []*policy {
	all := make([]*policy, len(ps))
	for i, p := range ps {
		all[i] = p.policy
	}
	return all
}
