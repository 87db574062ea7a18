package awssim

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// assumeInput has the parameters that AssumeRole and AssumeRoleWithWebIdentity have
// in common.
type assumeInput struct {
	roleARN        string
	sessionName    string
	externalID     string
	sourceIdentity string
	tags           []tag
	transitive     []string
	policy         string
	policyARNs     []string
	duration       time.Duration // zero when absent
	mfa            bool
}

// target is a snapshot of the role to be assumed. If the role does not exist, only
// the ARN is set.
type target struct {
	arn      arn
	raw      string
	exists   bool
	role     role
	account  string
	disabled map[string]bool
	managed  map[string]*policy
}

const (
	shortest    = 900
	longest     = 43200
	byDefault   = time.Hour
	chainedCap  = time.Hour
	packedLimit = 2048 // characters of policies and tags that make 100 percent
)

func readAssumeRole(p params) (assumeInput, error) {
	k := p.check()
	in := assumeInput{
		roleARN:        k.required("RoleArn", arnShape),
		sessionName:    k.required("RoleSessionName", sessionNameShape),
		externalID:     k.optional("ExternalId", externalIDShape),
		sourceIdentity: k.optional("SourceIdentity", sessionNameShape),
		policy:         k.optional("Policy", sessionPolicyShape),
		duration:       k.seconds("DurationSeconds", shortest, longest),
		tags:           k.tags(),
		transitive:     p.list("TransitiveTagKeys"),
		mfa:            p.has("SerialNumber") || p.has("TokenCode"),
	}
	k.optional("SerialNumber", serialNumberShape)
	k.optional("TokenCode", tokenCodeShape)
	k.size("TransitiveTagKeys", len(in.transitive), 50)
	for _, key := range in.transitive {
		k.text("transitiveTagKeys", key, tagKeyShape)
	}
	in.policyARNs = k.policyARNs()
	return in, k.err()
}

func (k *checker) policyARNs() []string {
	var arns []string
	for _, one := range k.in.structs("PolicyArns", "arn") {
		k.text("policyArns", one.get("arn"), arnShape)
		arns = append(arns, one.get("arn"))
	}
	k.size("PolicyArns", len(arns), 10)
	return arns
}

// readRoleARN parses RoleArn, and distinguishes text that is no ARN from ARNs that
// are not a role's.
func readRoleARN(raw string) (arn, error) {
	parsed, ok := parseARN(raw)
	if !ok {
		return arn{}, invalid("%s is invalid", raw)
	}
	if _, ok := parsed.iamEntity("role"); !ok {
		return arn{}, invalid("Request ARN is invalid")
	}
	return parsed, nil
}

// assumeRole checks in the order of STS: the form of the parameters, the ARN, the
// signature, permission, role chaining, the duration, the session policy.
func assumeRole(c *call) ([]node, error) {
	in, err := readAssumeRole(c.params)
	if err != nil {
		return nil, err
	}
	parsed, err := readRoleARN(in.roleARN)
	if err != nil {
		return nil, err
	}
	if err := c.authenticate("sts"); err != nil {
		return nil, err
	}
	if c.caller.root {
		return nil, denied("Roles may not be assumed by root accounts.")
	}
	to := c.aws.target(parsed, in.roleARN, c.now)
	next, err := c.admit(in, to)
	if err != nil {
		return nil, err
	}
	issued, packed, err := c.open(in, to, next, c.caller.isChaining())
	if err != nil {
		return nil, err
	}
	return assumed(to, next, issued, packed), nil
}

// isChaining says whether a role can be assumed for at most an hour: with
// credentials of a role session or of GetSessionToken.
func (c *caller) isChaining() bool { return c.session != nil }

// target returns the role. A role that has not propagated yet counts as missing.
func (a *AWS) target(parsed arn, raw string, now time.Time) target {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := target{arn: parsed, raw: raw, account: parsed.account}
	acct := a.accounts[parsed.account]
	if acct == nil {
		return t
	}
	t.disabled, t.managed = acct.disabled, acct.managed
	name, _ := parsed.iamEntity("role")
	r, err := acct.role(name)
	if err != nil || r.arn != raw || now.Sub(r.created) < a.propagation {
		return t
	}
	t.exists, t.role = true, *r
	return t
}

// admit checks whether the caller may assume the role, and returns the tags and
// source identity of the session.
func (c *call) admit(in assumeInput, to target) (*session, error) {
	tags, err := tagMap(in.tags)
	if err != nil {
		return nil, err
	}
	for _, key := range in.transitive {
		if _, there := foldedTag(tags, key); !there {
			return nil, refuse(http.StatusBadRequest, "InvalidParameterValue",
				"The specified transitive tag key must be included in the requested tags.")
		}
	}
	oldTags, oldKeys, oldSource := c.caller.inherited()
	source := in.sourceIdentity
	if source == "" {
		source = oldSource
	}
	actions := []string{"sts:AssumeRole"}
	if len(tags) > 0 || len(oldTags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	if err := c.mayAssume(actions, c.assumeFacts(in, to, tags, oldTags, source), to); err != nil {
		return nil, err
	}
	if oldSource != "" && source != oldSource {
		return nil, denied("The source identity is already set for this assume role session")
	}
	for key := range tags {
		if _, taken := foldedTag(oldTags, key); taken {
			return nil, refuse(http.StatusBadRequest, "InvalidParameterValue",
				"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag "+
					"key from the calling session.")
		}
	}
	if in.mfa {
		return nil, denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	return &session{
		name: in.sessionName, sourceIdentity: source,
		tags: mergeTags(oldTags, tags), transitive: append(oldKeys, in.transitive...),
	}, nil
}

// mayAssume evaluates each action separately. A denial across accounts does not
// give its reason.
func (c *call) mayAssume(actions []string, known facts, to target) error {
	for _, action := range actions {
		r := ask(c.caller, action, to.raw, known)
		v := evaluateAssume(r, to.role.trust, to.account)
		if v.allowed && to.exists {
			continue
		}
		who := "User: " + c.caller.arn + " is not authorized to perform: " + action
		switch {
		case c.caller.account != to.account:
			return denied("%s on resource: %s", who, to.raw)
		case v.byTrust:
			return denied("%s%s", who, v.reason)
		}
		return denied("%s on resource: %s%s", who, to.raw, v.reason)
	}
	return nil
}

// assumeFacts returns the condition keys of an AssumeRole call.
func (c *call) assumeFacts(in assumeInput, to target, tags, inherited map[string]string, source string) facts {
	f := c.facts()
	f.set("sts:ExternalId", in.externalID)
	f.set("sts:RoleSessionName", in.sessionName)
	f.set("sts:SourceIdentity", source)
	f.set("sts:TransitiveTagKeys", in.transitive...)
	f.set("aws:TagKeys", slices.Collect(maps.Keys(tags))...)
	f.setTags("aws:RequestTag", tags)
	f.setTags("aws:ResourceTag", mergeTags(to.role.tags, inherited))
	f.setTags("iam:ResourceTag", mergeTags(to.role.tags, inherited))
	return f
}

// open issues the session if its duration and policies are valid.
func (c *call) open(in assumeInput, to target, s *session, chained bool) (Credentials, int, error) {
	if to.disabled[c.region] {
		return Credentials{}, 0, refuse(http.StatusForbidden, "RegionDisabledException",
			"STS is not activated in this region for account:%s. Your account administrator can activate STS in "+
				"this region using the IAM Console.", to.account)
	}
	lasts := in.duration
	if lasts == 0 {
		lasts = byDefault
	}
	switch {
	case chained && lasts > chainedCap:
		return Credentials{}, 0,
			invalid(
				"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case lasts > to.role.maxSession:
		return Credentials{}, 0,
			invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	packed, err := in.restrict(s, to)
	if err != nil {
		return Credentials{}, 0, err
	}
	key, err := c.aws.issue(to, s, lasts, c.now)
	if err != nil {
		return Credentials{}, 0, err
	}
	c.trail.AccessKeyID, c.trail.Expires = key.AccessKeyID, key.Expires
	return key, packed, nil
}

// issue makes the credentials of a session, unless the role was deleted meanwhile.
func (a *AWS) issue(to target, s *session, lasts time.Duration, now time.Time) (Credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acct := a.accounts[to.account]
	if acct.rolesByID[to.role.id] == nil {
		return Credentials{}, denied("Not authorized to perform sts:AssumeRole")
	}
	if a.lifetime > 0 {
		lasts = a.lifetime
	}
	issued := now.UTC().Truncate(time.Second)
	s.expires = issued.Add(lasts).Truncate(time.Second)
	return a.newSessionKey(to.account, to.role.id, s, issued).credentials(), nil
}

// restrict adds the session policies to the session. It returns the percentage of
// the space for policies and tags that they use, or zero if there are none.
func (in assumeInput) restrict(s *session, to target) (packed int, err error) {
	if in.policy == "" && len(in.policyARNs) == 0 && len(in.tags) == 0 {
		return 0, nil
	}
	size := policySize(in.policy)
	for _, t := range in.tags {
		size += len(t.key) + len(t.value)
	}
	if in.policy != "" {
		p, err := parseIdentityPolicy(in.policy)
		if err != nil {
			return 0, err
		}
		s.policies = append(s.policies, p)
	}
	for _, name := range in.policyARNs {
		p, err := to.managedPolicy(name)
		if err != nil {
			return 0, err
		}
		size += len(name)
		s.policies = append(s.policies, p)
	}
	if packed = (size*100 + packedLimit - 1) / packedLimit; packed > 100 {
		return 0, refuse(http.StatusBadRequest, "PackedPolicyTooLarge",
			"Packed policy consumes %d%% of allotted space, please use smaller policy.", packed)
	}
	return packed, nil
}

// managedPolicy returns a policy by ARN: one of the role's account, or an AWS managed policy
// that is simulated.
func (t target) managedPolicy(name string) (*policy, error) {
	if p := managedPolicy(t.managed, t.arn.partition, name); p != nil {
		return p, nil
	}
	return nil, malformed("The policy %s is not simulated and does not exist in account %s.", name, t.account)
}

// assumed returns the result of AssumeRole.
func assumed(to target, s *session, k Credentials, packed int) []node {
	result := append(optional("SourceIdentity", s.sourceIdentity), assumedRoleUser(to, s.name), credentialsNode(k))
	if packed > 0 {
		result = append(result, number("PackedPolicySize", packed))
	}
	return result
}

func assumedRoleUser(to target, sessionName string) node {
	return group("AssumedRoleUser",
		leaf("AssumedRoleId", to.role.id+":"+sessionName),
		leaf("Arn", "arn:"+to.arn.partition+":sts::"+to.account+":assumed-role/"+to.role.name+"/"+sessionName),
	)
}

func credentialsNode(k Credentials) node {
	return group("Credentials",
		leaf("AccessKeyId", k.AccessKeyID),
		leaf("SecretAccessKey", k.SecretAccessKey),
		leaf("SessionToken", k.SessionToken),
		instant("Expiration", k.Expires),
	)
}

// getCallerIdentity needs no permission and cannot be denied.
func getCallerIdentity(c *call) ([]node, error) {
	if err := c.authenticate("sts"); err != nil {
		return nil, err
	}
	return []node{leaf("Arn", c.caller.arn), leaf("UserId", c.caller.userID), leaf("Account", c.caller.account)}, nil
}

// getSessionToken gives a user or root temporary credentials of its own.
func getSessionToken(c *call) ([]node, error) {
	k := c.params.check()
	lasts := k.seconds("DurationSeconds", shortest, 129600)
	k.optional("SerialNumber", serialNumberShape)
	k.optional("TokenCode", tokenCodeShape)
	if err := k.err(); err != nil {
		return nil, err
	}
	if err := c.authenticate("sts"); err != nil {
		return nil, err
	}
	switch {
	case c.caller.session != nil:
		return nil, denied("Cannot call GetSessionToken with session credentials")
	case c.params.has("SerialNumber") || c.params.has("TokenCode"):
		return nil, denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
	case lasts == 0:
		lasts = 12 * time.Hour
	}
	if c.caller.root {
		lasts = min(lasts, time.Hour)
	}
	return []node{credentialsNode(c.aws.sessionToken(c.caller, lasts, c.now))}, nil
}

func (a *AWS) sessionToken(who *caller, lasts time.Duration, now time.Time) Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lifetime > 0 {
		lasts = a.lifetime
	}
	issued := now.UTC().Truncate(time.Second)
	s := &session{expires: issued.Add(lasts).Truncate(time.Second)}
	return a.newSessionKey(who.account, who.uniqueID, s, issued).credentials()
}

// serviceSession assumes a role as a service does for a workload. Only the trust
// policy must allow it, by the service's name.
func (a *AWS) serviceSession(owner string, s ServiceSession) (Credentials, error) {
	c := &call{aws: a, http: &http.Request{}, now: a.now(), caller: &caller{service: s.Service}}
	a.mu.Lock()
	acct := a.accounts[owner]
	r, err := acct.role(s.Role)
	if err != nil {
		a.mu.Unlock()
		return Credentials{}, err
	}
	raw := r.arn
	a.mu.Unlock()
	in := assumeInput{roleARN: raw, sessionName: s.SessionName, duration: s.Duration, transitive: s.Transitive}
	if in.sessionName == "" {
		in.sessionName = "session"
	}
	for k, v := range s.Tags {
		in.tags = append(in.tags, tag{k, v})
	}
	parsed, err := readRoleARN(raw)
	if err != nil {
		return Credentials{}, err
	}
	to := a.target(parsed, raw, c.now)
	next, err := c.admitService(in, to, owner, s.SourceARN)
	if err != nil {
		return Credentials{}, err
	}
	issued, _, err := c.open(in, to, next, false)
	return issued, err
}

func (c *call) admitService(in assumeInput, to target, owner, sourceARN string) (*session, error) {
	tags, err := tagMap(in.tags)
	if err != nil {
		return nil, err
	}
	known := c.assumeFacts(in, to, tags, nil, "")
	known.set("aws:SourceAccount", owner)
	known.set("aws:SourceArn", sourceARN)
	known.set("aws:PrincipalServiceName", c.caller.service)
	known.set("aws:PrincipalIsAWSService", "true")
	actions := []string{"sts:AssumeRole"}
	if len(tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	for _, action := range actions {
		r := ask(c.caller, action, to.raw, known)
		if !to.exists || !evaluateAssume(r, to.role.trust, to.account).allowed {
			return nil, denied("User: %s is not authorized to perform: %s on resource: %s", c.caller.service, action,
				to.raw)
		}
	}
	return &session{name: in.sessionName, tags: tags, transitive: in.transitive}, nil
}
