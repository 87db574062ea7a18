package awssim

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"unicode"
)

// policy is a valid, parsed policy document. It is immutable.
type policy struct {
	statements []statement
	fields     []field // of the document, to write it out again
}

type statement struct {
	deny         bool
	principals   []principal // empty in identity policies
	notPrincipal bool
	actions      []pattern // lower case
	notAction    bool
	resources    []string
	notResource  bool
	conditions   []condition
	variables    bool // the document's version has policy variables
	fields       []field
}

// kind is the purpose of a document, which determines its required elements.
type kind int

const (
	identityPolicy kind = iota
	trustPolicy
)

// field is one member of a JSON object, in the order it was written.
type field struct {
	name  string
	value json.RawMessage
}

const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

// parseIdentityPolicy reads a policy that goes with a role, a user or a
// session. Errors are [*Error].
func parseIdentityPolicy(text string) (*policy, error) {
	return parsePolicy(text, identityPolicy, nil)
}

// resolver converts a principal as written to one that callers are compared with.
type resolver func(kind, name string) (principal, error)

func parsePolicy(text string, as kind, resolve resolver) (*policy, error) {
	fields, err := object([]byte(text))
	if err != nil {
		return nil, malformed("This policy contains invalid Json")
	}
	p := &policy{fields: fields}
	variables := false
	for _, f := range fields {
		switch f.name {
		case "Version":
			v, ok := text1(f.value)
			if !ok || v != version2012 && v != version2008 {
				return nil, malformed("The policy must contain a valid version string")
			}
			variables = v == version2012
		case "Id":
		case "Statement":
		default:
			return nil, malformed("Syntax errors in policy.")
		}
	}
	raw, ok := member(fields, "Statement")
	if !ok {
		return nil, malformed("Syntax errors in policy.")
	}
	for _, one := range list(raw) {
		s, err := parseStatement(one, as, resolve)
		if err != nil {
			return nil, err
		}
		s.variables = variables
		p.statements = append(p.statements, s)
	}
	if len(p.statements) == 0 {
		return nil, malformed("Syntax errors in policy.")
	}
	return p, nil
}

func parseStatement(raw json.RawMessage, as kind, resolve resolver) (statement, error) {
	var s statement
	fields, err := object(raw)
	if err != nil {
		return s, malformed("Syntax errors in policy.")
	}
	s.fields = fields
	effect := ""
	for _, f := range fields {
		var err error
		switch f.name {
		case "Sid":
			if _, ok := text1(f.value); !ok {
				err = malformed("Syntax errors in policy.")
			}
		case "Effect":
			effect, _ = text1(f.value)
		case "Principal", "NotPrincipal":
			if as == identityPolicy {
				return s, malformed("Policy document should not specify a principal.")
			}
			s.notPrincipal = f.name == "NotPrincipal"
			s.principals, err = parsePrincipals(f.value, resolve)
		case "Action", "NotAction":
			s.notAction = f.name == "NotAction"
			s.actions, err = parseActions(f.value, as)
		case "Resource", "NotResource":
			if as == trustPolicy {
				return s, malformed("Has prohibited field %s", f.name)
			}
			s.notResource = f.name == "NotResource"
			s.resources, err = parseResources(f.value)
		case "Condition":
			s.conditions, err = parseConditions(f.value)
		default:
			err = malformed("Syntax errors in policy.")
		}
		if err != nil {
			return s, err
		}
	}
	s.deny = effect == "Deny"
	return s, s.complete(effect, as)
}

// complete returns an error if a statement lacks an element or has one twice.
func (s statement) complete(effect string, as kind) error {
	for _, twins := range [][2]string{{"Principal", "NotPrincipal"}, {"Action", "NotAction"},
		{"Resource", "NotResource"}} {
		_, one := member(s.fields, twins[0])
		_, other := member(s.fields, twins[1])
		if one && other {
			return malformed("Syntax errors in policy.")
		}
	}
	switch {
	case effect == "":
		return malformed("Missing required field Effect")
	case effect != "Allow" && effect != "Deny":
		return malformed("Invalid effect: %s", effect)
	case len(s.actions) == 0:
		return malformed("Policy statement must contain actions.")
	case as == trustPolicy && len(s.principals) == 0:
		return malformed("Missing required field Principal")
	case as == identityPolicy && len(s.resources) == 0:
		return malformed("Policy statement must contain resources.")
	}
	return nil
}

// trustActions are the actions that a trust policy may contain.
var trustActions = []string{
	"sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml",
	"sts:tagsession", "sts:setsourceidentity", "sts:setcontext",
}

func parseActions(raw json.RawMessage, as kind) ([]pattern, error) {
	names, ok := texts(raw)
	if !ok {
		return nil, malformed("Syntax errors in policy.")
	}
	var actions []pattern
	for _, name := range names {
		vendor, action, prefixed := strings.Cut(name, ":")
		if name != "*" && (!prefixed || vendor == "" || action == "") {
			return nil, malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		}
		p := wildcards(strings.ToLower(name))
		if as == trustPolicy && name != "*" && !slices.ContainsFunc(trustActions, p.match) {
			return nil, malformed("AssumeRole policy may only specify STS AssumeRole actions.")
		}
		actions = append(actions, p)
	}
	return actions, nil
}

func parseResources(raw json.RawMessage) ([]string, error) {
	names, ok := texts(raw)
	if !ok {
		return nil, malformed("Syntax errors in policy.")
	}
	for _, name := range names {
		if name != "*" && !strings.HasPrefix(name, "arn:") && !strings.HasPrefix(name, "${") &&
			!strings.HasSuffix(name, "*") {
			return nil, malformed("Resource %s must be in ARN format or \"*\".", name)
		}
	}
	return names, nil
}

// object parses a JSON object with nothing after it. It keeps the order of the
// members and refuses duplicate members, because it would be ambiguous which of
// them applies.
func object(raw []byte) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	var fields []field
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := member(fields, name); twice {
			return nil, errTwice
		}
		fields = append(fields, field{name, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errTrailing
	}
	return fields, nil
}

func member(fields []field, name string) (json.RawMessage, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil, false
	}
	return fields[i].value, true
}

// list returns the elements of a JSON array, or a single value as a list of one.
func list(raw json.RawMessage) []json.RawMessage {
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	return []json.RawMessage{raw}
}

func text1(raw json.RawMessage) (string, bool) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// texts parses a string or a non-empty list of strings.
func texts(raw json.RawMessage) ([]string, bool) {
	var all []string
	for _, one := range list(raw) {
		s, ok := text1(one)
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, len(all) > 0
}

// policySize counts characters as IAM's quotas do, without whitespace.
func policySize(text string) int {
	n := 0
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
