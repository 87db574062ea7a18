package setup

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// textOutput is what was read of the text output of the AWS CLI. That has a line for the strings of an object, without
// their names but sorted by them, and a line for each string of a list, with the name of the list in capital letters:
//
//	ROLE	arn:aws:iam::444455556666:role/Deployer	2026-01-02T03:04:05+00:00	3600	/	AROA3XFRBF535PLBIFPI4	Deployer
//	ASSUMEROLEPOLICYDOCUMENT	2012-10-17
//	STATEMENT	Allow	operators
//	ACTION	sts:AssumeRole
//	ACTION	sts:TagSession
//	PRINCIPAL	arn:aws:iam::111122223333:root
//
// A text that could be the output of two policies is refused.
type textOutput struct {
	owner, version string
	statements     []*textStatement
	ended          bool // the policy is read, and the rest of the role follows
}

// textStatement is a statement of text output.
type textStatement struct {
	fields  object
	actions string // the element that actions are in
	acts    []any
	who     string // the element that principals are in
	whom    object
}

// isTextOutput reports whether a line is one of the text output of a role.
func isTextOutput(line string) bool {
	words := strings.Fields(line)
	return len(words) > 1 && slices.Contains([]string{"ROLE", "ASSUMEROLEPOLICYDOCUMENT", "STATEMENT"}, words[0])
}

// fromTextOutput is the answer to GetRole in text output.
func fromTextOutput(text string) (any, error) {
	t := &textOutput{}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if err := t.read(strings.Split(strings.TrimSuffix(line, "\r"), "\t")); err != nil {
			return nil, fmt.Errorf("is text output of the AWS CLI, which %w, at line %d", err, i+1)
		}
	}
	if err := t.endStatement(); err != nil {
		return nil, fmt.Errorf("is text output of the AWS CLI, which %w, at line %d", err, len(lines))
	}
	list := []any{}
	for _, st := range t.statements {
		list = append(list, append(st.fields, member{st.actions, st.acts}, member{st.who, st.whom}))
	}
	return object{{"Arn", t.owner},
		{"AssumeRolePolicyDocument", object{{"Version", t.version}, {"Statement", list}}}}, nil
}

// What a text does not say.
var (
	errCut        = errors.New("is cut, wrapped or changed")
	errPrincipal  = errors.New("does not say whether it is of Principal or NotPrincipal")
	errConditions = errors.New("does not have the operators and keys of conditions")
)

// read reads a line.
func (t *textOutput) read(words []string) error {
	switch name := words[0]; {
	case t.version == "":
		return t.readHead(words)
	case t.ended || t.owner != "" && slices.Contains([]string{"PERMISSIONSBOUNDARY", "ROLELASTUSED", "TAGS"}, name):
		t.ended = true
		if isTextOutput(strings.Join(words, " ")) {
			return errCut
		}
		return nil
	case name == "STATEMENT":
		if err := t.endStatement(); err != nil {
			return err
		}
		st, err := newTextStatement(words[1:])
		t.statements = append(t.statements, st)
		return err
	case len(t.statements) == 0 || len(words) == 1:
		return errCut
	}
	return t.statements[len(t.statements)-1].read(words[0], words[1:])
}

// readHead reads a line before the statements: the strings of the role, which end with its name, and those of the
// policy. A description can have line breaks, so nothing is skipped.
func (t *textOutput) readHead(words []string) error {
	last := words[len(words)-1]
	switch {
	case t.owner == "" && len(words) > 5:
		if words[0] == "ROLE" {
			words = words[1:]
		}
		if _, err := rolebroker.ParseRoleARN(words[0]); err != nil || !strings.HasSuffix(words[0], "/"+last) {
			return errCut
		}
		t.owner = words[0]
		return nil
	case (t.owner == "") == (len(words) == 1) && (len(words) == 1 || len(words) == 2 && words[0] == "ASSUMEROLEPOLICYDOCUMENT") &&
		slices.Contains([]string{"2008-10-17", "2012-10-17"}, last):
		t.version = last
		return nil
	}
	return errors.New("does not begin with the line of a role and its policy, or with the version of a policy alone")
}

// endStatement refuses the last statement if something is missing.
func (t *textOutput) endStatement() error {
	if len(t.statements) > 0 && t.statements[len(t.statements)-1].who == "" {
		return errPrincipal
	}
	return nil
}

// textAction is an action that no other element of a statement can be.
var (
	textAction = once(`^[A-Za-z0-9-]+:[A-Za-z*?]+$`)
	textSid    = once(`^[A-Za-z0-9]*$`)
)

// once compiles a pattern when it is first used.
func once(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// newTextStatement reads the strings of a statement: Action, Effect and Sid. The AWS CLI gives all statements the
// strings that one has, and leaves those empty that it does not have.
func newTextStatement(words []string) (*textStatement, error) {
	st := &textStatement{}
	if len(words) > 0 && textAction().MatchString(words[0]) {
		st.actions, st.acts = "Action", []any{words[0]}
		words = words[1:]
	} else if len(words) > 0 && words[0] == "" {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "Allow" && words[0] != "Deny" {
		return st, errors.New("does not say which elements of a statement its strings are")
	}
	st.fields = object{{"Effect", words[0]}}
	if words = words[1:]; len(words) == 0 {
		return st, nil
	}
	if len(words) > 1 || !textSid().MatchString(words[0]) {
		return st, errors.New("does not say which elements of a statement its strings are")
	}
	if words[0] != "" {
		st.fields = append(st.fields, member{"Sid", words[0]})
	}
	return st, nil
}

// textNames are the names of elements as text output has them.
var textNames = map[string]string{
	"ACTION": "Action", "NOTACTION": "NotAction", "PRINCIPAL": "Principal", "NOTPRINCIPAL": "NotPrincipal",
	"AWS": "AWS", "FEDERATED": "Federated", "SERVICE": "Service", "CANONICALUSER": "CanonicalUser",
}

// read reads a line of a statement.
func (st *textStatement) read(line string, values []string) error {
	name, known := textNames[line]
	switch {
	case !known:
		return errConditions
	case strings.HasSuffix(name, "Action"):
		if len(values) != 1 || st.who != "" || st.actions != "" && st.actions != name {
			return errCut
		}
		st.actions, st.acts = name, append(st.acts, values[0])
		return nil
	case strings.HasSuffix(name, "Principal"):
		if st.who != "" {
			return errConditions
		}
		st.who = name
		return st.readPrincipals(values)
	case st.who == "":
		return errPrincipal
	case len(values) != 1:
		return errCut
	}
	return st.addPrincipal(name, values[0])
}

// Principals of which no other kind has such a name.
var (
	textAWS       = once(`^(arn:[a-z-]+:(iam|sts)::\d{12}:(root$|user/|role/|assumed-role/)|\d{12}$|A(IDA|ROA)[A-Z0-9]+$)`)
	textFederated = once(`^arn:[a-z-]+:iam::\d{12}:(oidc|saml)-provider/`)
)

// readPrincipals reads the strings of the principals.
func (st *textStatement) readPrincipals(values []string) error {
	for _, value := range values {
		kind := ""
		switch {
		case textAWS().MatchString(value):
			kind = "AWS"
		case textFederated().MatchString(value):
			kind = "Federated"
		default:
			return fmt.Errorf("does not say what kind of principal %q is", abridged(visible(value)))
		}
		if slices.ContainsFunc(st.whom, func(m member) bool { return m.key == kind }) {
			return errCut
		}
		st.whom = append(st.whom, member{kind, value})
	}
	return nil
}

// addPrincipal reads one string of a list of principals.
func (st *textStatement) addPrincipal(kind, value string) error {
	for i, m := range st.whom {
		if m.key != kind {
			continue
		}
		list, ok := m.value.([]any)
		if !ok {
			return errCut
		}
		st.whom[i].value = append(list, value)
		return nil
	}
	st.whom = append(st.whom, member{kind, []any{value}})
	return nil
}
