package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

// printed is what the AWS CLI prints of one answer to GetRole.
type printed struct{ Form, Query, Text string }

// awsCLI prints answers to GetRole with the AWS CLI of a Python; version is empty if that has none.
func awsCLI(t *testing.T, python string, answers [][]byte) (version string, all [][]printed) {
	cmd := exec.Command(python, "testdata/print.py")
	cmd.Stdin = bytes.NewReader(bytes.Join(answers, []byte("\n")))
	cmd.Env = append(cmd.Environ(), "PYTHONIOENCODING=utf-8", "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 3:
		return "", nil
	case err != nil:
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for err = dec.Decode(&version); err == nil && dec.More(); {
		var one []printed
		err = dec.Decode(&one)
		all = append(all, one)
	}
	if err != nil || len(all) != len(answers) {
		t.Fatalf("the AWS CLI printed %d of %d answers: %v", len(all), len(answers), err)
	}
	return version, all
}

// A policy that the AWS CLI printed is read as it is, or refused. What a form may not show is said in a note.
func TestWhatTheAWSCLIPrintsIsReadAsItIs(t *testing.T) {
	const usual, odd = 50, 100
	dice := dice{Rand: rand.New(rand.NewPCG(1, 2))}
	var policies, answers [][]byte
	for i := range usual + odd {
		dice.odd = i >= usual
		policy := compact(dice.policy())
		policies, answers = append(policies, policy), append(answers, dice.answer(policy))
	}
	found := false
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		version, all := awsCLI(t, python, answers)
		found = found || version != ""
		read := map[string]int{}
		for i, outputs := range all {
			for _, out := range outputs {
				if check(t, policies[i], out) && i < usual {
					read[out.Form]++
				}
				if i%4 == 0 {
					dice.damage(out.Text)
				}
			}
		}
		t.Logf("%s: aws-cli %q: of %d usual policies it read %v", python, version, 3*usual, read)
		if version != "" && (read["json"] < 3*usual || read["table"] < 3*usual || read["text"] == 0) {
			t.Errorf("few are read")
		}
	}
	if !found && os.Getenv("CI") != "" {
		t.Fatal("no AWS CLI was found")
	}
	if !found {
		t.Skip("NOT TESTED: no AWS CLI was found")
	}
}

// check reports whether what the AWS CLI printed of a policy is read, and fails the test if that is another policy.
func check(t *testing.T, policy []byte, out printed) bool {
	got, err := read(out.Text)
	if err != nil {
		return false
	}
	role, err := rolebroker.ParseRoleARN("arn:aws:iam::444455556666:role/Deployer")
	if err != nil {
		t.Fatal(err)
	}
	noted := len(got.notes(role)) > 0
	if was, is := meaning(policy, noted), meaning(got.raw, noted); was != is {
		t.Errorf("%s of %q of\n%s\nis read, with a note: %t, as\n%s\n%s", out.Form, out.Query, was, noted, is, out.Text)
	}
	return true
}

// meaning is a policy written in one way. If blurred is true, empty lists and spaces at the ends of strings are left
// out of it.
func meaning(policy []byte, blurred bool) string {
	dec := json.NewDecoder(bytes.NewReader(policy))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return err.Error()
	}
	var list []any
	for _, st := range listOf(doc["Statement"]) {
		one := map[string]any{}
		for name, value := range st.(map[string]any) {
			if empty := name == "Sid" && value == "" || name == "Condition" && len(value.(map[string]any)) == 0; !empty {
				one[name] = plainValue(value, blurred)
			}
		}
		list = append(list, one)
	}
	doc["Statement"] = list
	return string(compact(doc))
}

func listOf(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}

// plainValue is a value in which each string, number and bool is a list of one string.
func plainValue(value any, blurred bool) any {
	switch value := value.(type) {
	case map[string]any:
		o := map[string]any{}
		for key, inner := range value {
			v := plainValue(inner, blurred)
			if list, ok := v.([]any); ok && len(list) == 0 && blurred {
				continue
			}
			if inner, ok := v.(map[string]any); ok && len(inner) == 0 {
				continue // an operator without keys
			}
			if blurred {
				key = strings.Trim(key, " ")
			}
			o[key] = v
		}
		return o
	case []any:
		list := []any{}
		for _, one := range value {
			list = append(list, plainValue(one, blurred).([]any)...)
		}
		return list
	}
	s := fmt.Sprint(value)
	if blurred {
		s = strings.Trim(s, " ")
	}
	return []any{s}
}

// dice makes policies up. Odd ones have what only somebody who wants to deceive a reader would write.
type dice struct {
	*rand.Rand
	odd bool
}

func one[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// some is a value, or a list of a few.
func (d dice) some(next func() any) any {
	if d.IntN(2) == 0 {
		return next()
	}
	list := []any{}
	for range d.IntN(3) + 1 {
		list = append(list, next())
	}
	if d.odd && d.IntN(6) == 0 {
		return []any{}
	}
	return list
}

func (d dice) policy() object {
	var statements []any
	for range one(d, 1, 1, 1, 2, 3, 4) {
		statements = append(statements, d.statement())
	}
	p := object{{"Version", one(d, "2012-10-17", "2012-10-17", "2008-10-17")}, {"Statement", statements}}
	if len(statements) == 1 && d.IntN(3) == 0 {
		p[1].value = statements[0]
	}
	if d.IntN(8) == 0 {
		p = append(p, member{"Id", one(d, "mine", "2012-10-17")})
	}
	return p
}

func (d dice) statement() object {
	st := object{{"Effect", one(d, "Allow", "Allow", "Deny")}, {one(d, "Principal", "Principal", "Principal", "NotPrincipal"), d.principal()},
		{one(d, "Action", "Action", "Action", "NotAction"), d.some(func() any {
			return one(d, "sts:AssumeRole", "sts:TagSession", "sts:*", "*", "sts:AssumeRoleWithWebIdentity")
		})}}
	if d.IntN(2) == 0 {
		st = append(st, member{"Sid", one(d, "one", "Allow", "", "2", "Deny", "ACTION")})
	}
	if d.IntN(2) == 0 {
		return st
	}
	when := object{}
	for _, operator := range d.few("StringEquals", "StringLike", "Bool", "ForAnyValue:StringLike", "NumericLessThan") {
		keys := object{}
		for _, key := range d.few(d.keys()...) {
			keys = append(keys, member{key, d.some(d.value)})
		}
		when = append(when, member{operator, keys})
	}
	return append(st, member{"Condition", when})
}

// few are some of names, in any order.
func (d dice) few(names ...string) []string {
	d.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:min(len(names), d.IntN(3)+1)]
}

func (d dice) keys() []string {
	names := []string{"sts:ExternalId", "aws:PrincipalOrgID", "aws:PrincipalTag/team name", "aws:MultiFactorAuthAge", "aws:RequestTag/größe",
		"accounts.google.com:sub", "aws:PrincipalTag/a-key-that-makes-the-table-wider-than-the-terminal-of-most-people"}
	if d.odd {
		names = append(names, "a:|  b", " a:b", "a:b ", "a:\nSTATEMENT\tsts:AssumeRole\tAllow", "AWS", "PRINCIPAL", "a:\x1b[0m", "a:テーブル", "+---+")
	}
	return names
}

func (d dice) value() any {
	if d.odd && d.IntN(2) == 0 {
		return one[any](d, "", " a", "a ", "  a  ", "True", true, false, 5, 1.5, "[x]", "{'AWS': 'x'}", "a|b", "|  b  |", "テーブル", "ﾃ́", "+-----+",
			"a\nb", "a\n|  b  |", "\u00a0", "\t", "a\r", "a\nSTATEMENT\tsts:AssumeRole\tAllow\nPRINCIPAL\tarn:aws:iam::111122223333:root",
			"-----------------", "None", "None ", "\u202e", "😀")
	}
	return one[any](d, "rb-0123456789", "o-a1b2c3d4e5", "true", "3600", "repo:me/it:ref:refs/heads/*", "arn:aws:iam::111122223333:role/a/very/long/path/to/a/role",
		"Zürich", "a b", "*", "")
}

func (d dice) principal() any {
	if d.IntN(5) == 0 {
		return "*"
	}
	kinds := object{}
	for _, kind := range d.few("AWS", "Service", "Federated") {
		kinds = append(kinds, member{kind, d.some(func() any {
			return map[string]string{
				"AWS":     one(d, "arn:aws:iam::111122223333:root", "111122223333", "arn:aws-cn:iam::111122223333:role/ops/broker", "AROA3XFRBF535PLBIFPI4", "*"),
				"Service": one(d, "ec2.amazonaws.com", "lambda.amazonaws.com"),
				"Federated": one(d, "accounts.google.com", "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC",
					"arn:aws:iam::111122223333:saml-provider/corp"),
			}[kind]
		})})
	}
	if slices.ContainsFunc(kinds, func(m member) bool { return len(fmt.Sprint(m.value)) <= 2 && m.value != "*" }) {
		return "*" // IAM takes no principals that are none
	}
	return kinds
}

// answer is the answer to GetRole.
func (d dice) answer(policy []byte) []byte {
	role := object{{"Path", "/"}, {"RoleName", "Deployer"}, {"RoleId", "AROA3XFRBF535PLBIFPI4"},
		{"Arn", "arn:aws:iam::444455556666:role/Deployer"}, {"CreateDate", "2026-01-02T03:04:05+00:00"},
		{"AssumeRolePolicyDocument", json.RawMessage(policy)}, {"MaxSessionDuration", 3600}, {"RoleLastUsed", object{}}}
	if d.IntN(2) == 0 {
		role = append(role, member{"Tags", []any{object{{"Key", "team"}, {"Value", "ops"}}, object{{"Key", "a"}, {"Value", ""}}}})
	}
	if d.odd && d.IntN(2) == 0 {
		role = append(role, member{"Description", one(d, "für uns", "a\tb", "x\tDeployer\nASSUMEROLEPOLICYDOCUMENT\t2012-10-17\n"+
			"STATEMENT\tsts:AssumeRole\tAllow\nPRINCIPAL\tarn:aws:iam::999999999999:root\nTAGS\ta\tb", "[a]")})
	}
	return compact(object{{"Role", role}})
}

// damage reads a text in which something is missing or twice. It may be a policy, but no reason to panic.
func (d dice) damage(text string) {
	from := d.IntN(len(text))
	to := from + d.IntN(len(text)-from)
	_, _ = read(text[:from] + text[to:])
	_, _ = read(text[:to] + text[from:])
}
