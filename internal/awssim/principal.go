package awssim

import (
	"encoding/json"
	"errors"
	"strings"
)

var (
	errNotObject = errors.New("not a JSON object")
	errTwice     = errors.New("a member comes twice")
	errTrailing  = errors.New("something follows the document")
)

// principal is one entry of a Principal element.
type principal struct {
	kind string // AWS, Service or Federated; empty for "*" on its own
	name string // as written
	id   string // the unique id it was resolved to when the policy was saved
}

// grant is how specifically a trust policy names a caller. It determines which
// other policies must allow a call within the account.
type grant int

const (
	grantNone    grant = iota
	grantAccount       // by the account: the caller's own policies must allow it too
	grantRole          // by its role: session policies must allow it too
	grantDirect        // by the user, the session, or everyone: no other policy must allow it
)

func parsePrincipals(raw json.RawMessage, resolve resolver) ([]principal, error) {
	if s, ok := text1(raw); ok {
		if s != "*" {
			return nil, malformed("Invalid principal in policy: %q", s)
		}
		return []principal{{name: "*"}}, nil
	}
	fields, err := object(raw)
	if err != nil {
		return nil, malformed("Invalid principal in policy.")
	}
	var all []principal
	for _, f := range fields {
		names, ok := texts(f.value)
		if !ok {
			return nil, malformed("Invalid principal in policy.")
		}
		for _, name := range names {
			p, err := resolve(f.name, name)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// parseTrustPolicy parses a role's trust policy. Principals that are users or
// roles are resolved to the unique IDs that currently have the names. The caller
// holds the lock.
func (a *AWS) parseTrustPolicy(in *account, text string) (*policy, error) {
	if n := policySize(text); n > a.trustLength {
		return nil, overLimit("Cannot exceed quota for ACLSizePerRole: %d", a.trustLength)
	}
	return parsePolicy(text, trustPolicy, func(kind, name string) (principal, error) {
		p := principal{kind: kind, name: name}
		var ok bool
		switch kind {
		case "AWS":
			if accountID(name) {
				p.name = "arn:" + in.partition + ":iam::" + name + ":root"
			}
			p.id, ok = a.resolvePrincipal(in, name)
		case "Service":
			ok = strings.Contains(name, ".") && !strings.ContainsAny(name, "*?")
		case "Federated":
			ok = name != "" && !strings.ContainsAny(name, "*?")
		}
		if !ok {
			return p, malformed("Invalid principal in policy: %q:%q", kind, name)
		}
		return p, nil
	})
}

// resolvePrincipal checks an AWS principal and returns its unique ID. Users and
// roles of accounts that do not exist here have none, and are accepted.
func (a *AWS) resolvePrincipal(in *account, name string) (id string, ok bool) {
	if name == "*" || accountID(name) {
		return "", true // the account need not exist
	}
	if a.ids[name] != "" {
		return name, true
	}
	p, ok := parseARN(name)
	if !ok || p.partition != in.partition || !accountID(p.account) || strings.ContainsAny(name, "*?") {
		return "", false
	}
	if p.service == "sts" {
		kind, rest, found := strings.Cut(p.resource, "/")
		return "", found && (kind == "assumed-role" && strings.Contains(rest, "/") || kind == "federated-user")
	}
	if p.service != "iam" {
		return "", false
	}
	if p.resource == "root" {
		return "", true
	}
	return a.resolveEntity(p, name)
}

func (a *AWS) resolveEntity(p arn, name string) (id string, ok bool) {
	if roleName, ok := p.iamEntity("role"); ok {
		known := a.accounts[p.account]
		if known == nil {
			return "", true
		}
		r, err := known.role(roleName)
		if err != nil || r.arn != name {
			return "", false
		}
		return r.id, true
	}
	if userName, ok := p.iamEntity("user"); ok {
		known := a.accounts[p.account]
		if known == nil {
			return "", true
		}
		u, err := known.user(userName)
		if err != nil || u.arn != name {
			return "", false
		}
		return u.id, true
	}
	return "", false
}

// matches returns how specifically p names the caller.
func (p principal) matches(c *caller) grant {
	if p.name == "*" && (p.kind == "" || p.kind == "AWS") {
		return grantDirect
	}
	switch p.kind {
	case "Service":
		return when(c.service != "" && c.service == p.name, grantDirect)
	case "Federated":
		return when(c.provider != "" && c.provider == p.name, grantDirect)
	}
	if c.service != "" || c.provider != "" {
		return grantNone
	}
	switch {
	case p.id != "" && p.id == c.uniqueID, p.id == "" && p.name == c.principalARN && c.uniqueID != "":
		if c.roleName != "" {
			return grantRole
		}
		return grantDirect
	case p.id == "" && p.name == c.arn && c.uniqueID != "":
		return grantDirect
	case p.name == c.rootARN():
		return grantAccount
	}
	return grantNone
}

func when(yes bool, g grant) grant {
	if yes {
		return g
	}
	return grantNone
}

// render returns the trust policy as IAM shows it: accounts by their root ARN,
// users and roles by their current ARN, or by their unique ID once they are
// deleted. ids maps the unique IDs of existing users and roles to ARNs.
func (p *policy) render(ids map[string]string) string {
	var statements []json.RawMessage
	for _, s := range p.statements {
		fields := make([]field, len(s.fields))
		copy(fields, s.fields)
		for i, f := range fields {
			if f.name == "Principal" || f.name == "NotPrincipal" {
				fields[i].value = renderPrincipals(s.principals, ids)
			}
		}
		statements = append(statements, joinFields(fields))
	}
	doc := make([]field, len(p.fields))
	copy(doc, p.fields)
	for i, f := range doc {
		if f.name != "Statement" {
			continue
		}
		doc[i].value, _ = json.Marshal(statements)
		if raw := strings.TrimSpace(string(f.value)); strings.HasPrefix(raw, "{") {
			doc[i].value = statements[0]
		}
	}
	return string(joinFields(doc))
}

func renderPrincipals(all []principal, ids map[string]string) json.RawMessage {
	if len(all) == 1 && all[0].kind == "" {
		return json.RawMessage(`"*"`)
	}
	var fields []field
	for _, p := range all {
		if len(fields) == 0 || fields[len(fields)-1].name != p.kind {
			fields = append(fields, field{name: p.kind})
		}
	}
	for i, f := range fields {
		var names []string
		for _, p := range all {
			if p.kind == f.name {
				names = append(names, p.shown(ids))
			}
		}
		fields[i].value = plainJSON(names)
		if len(names) == 1 {
			fields[i].value = plainJSON(names[0])
		}
	}
	return joinFields(fields)
}

func (p principal) shown(ids map[string]string) string {
	switch {
	case p.id != "" && ids[p.id] != "":
		return ids[p.id]
	case p.id != "":
		return p.id
	}
	return p.name
}

func joinFields(fields []field) json.RawMessage {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(plainJSON(f.name))
		b.WriteByte(':')
		b.Write(compactJSON(f.value))
	}
	b.WriteByte('}')
	return json.RawMessage(b.String())
}
