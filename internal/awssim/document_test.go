package awssim

import (
	"strings"
	"testing"
)

func TestPoliciesRefused(t *testing.T) {
	sim := New(Options{})
	sim.Account("111122223333").CreateUser("operator", "")
	const allow = `"Effect":"Allow"`
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":{` + s + `}}` }
	for _, test := range []struct {
		name, text, want string
		as               kind
	}{
		{"not JSON", `{"Version":`, "This policy contains invalid Json", identityPolicy},
		{"something after", statement(allow+`,"Action":"*","Resource":"*"`) + "}", "This policy contains invalid Json",
			identityPolicy},
		{"no statement", `{"Version":"2012-10-17"}`, "Syntax errors in policy.", identityPolicy},
		{"empty statements", `{"Statement":[]}`, "Syntax errors in policy.", identityPolicy},
		{"another version", `{"Version":"2026-01-01","Statement":{}}`, "The policy must contain a valid version string",
			identityPolicy},
		{"no effect", statement(`"Action":"*","Resource":"*"`), "Missing required field Effect", identityPolicy},
		{"effect in lower case", statement(`"Effect":"allow","Action":"*","Resource":"*"`), "Invalid effect: allow",
			identityPolicy},
		{"effect twice", statement(`"Effect":"Deny",` + allow + `,"Action":"*","Resource":"*"`),
			"Syntax errors in policy.", identityPolicy},
		{"no action", statement(allow + `,"Resource":"*"`), "Policy statement must contain actions.", identityPolicy},
		{"an action without a vendor", statement(allow + `,"Action":"AssumeRole","Resource":"*"`),
			"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", identityPolicy},
		{"action and its opposite", statement(allow + `,"Action":"*","NotAction":"*","Resource":"*"`),
			"Syntax errors in policy.", identityPolicy},
		{"no resource", statement(allow + `,"Action":"*"`), "Policy statement must contain resources.", identityPolicy},
		{"a resource that is no ARN", statement(allow + `,"Action":"*","Resource":"bucket"`),
			`Resource bucket must be in ARN format or "*".`, identityPolicy},
		{"a principal in an identity policy", statement(allow + `,"Action":"*","Resource":"*","Principal":"*"`),
			"Policy document should not specify a principal.", identityPolicy},
		{"an unknown operator", statement(allow + `,"Action":"*","Resource":"*","Condition":{"StringIs":{"a":"b"}}`),
			"Invalid Condition type : StringIs", identityPolicy},
		{"an unknown element", statement(allow + `,"Action":"*","Resource":"*","Actions":"*"`),
			"Syntax errors in policy.", identityPolicy},
		{"no principal in a trust policy", statement(allow + `,"Action":"sts:AssumeRole"`),
			"Missing required field Principal", trustPolicy},
		{"a resource in a trust policy", statement(allow + `,"Principal":"*","Action":"sts:AssumeRole","Resource":"*"`),
			"Has prohibited field Resource", trustPolicy},
		{"another action in a trust policy", statement(allow + `,"Principal":"*","Action":"s3:GetObject"`),
			"AssumeRole policy may only specify STS AssumeRole actions.", trustPolicy},
		{"a user that does not exist", statement(allow +
			`,"Principal":{"AWS":"arn:aws:iam::111122223333:user/none"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/none"`, trustPolicy},
		{"a user of another path",
			statement(allow +
				`,"Principal":{"AWS":"arn:aws:iam::111122223333:user/a/operator"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/a/operator"`, trustPolicy},
		{"part of a name",
			statement(allow + `,"Principal":{"AWS":"arn:aws:iam::111122223333:user/*"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/*"`, trustPolicy},
		{"a group",
			statement(allow + `,"Principal":{"AWS":"arn:aws:iam::111122223333:group/x"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:group/x"`, trustPolicy},
		{"another partition",
			statement(allow + `,"Principal":{"AWS":"arn:aws-cn:iam::111122223333:root"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "AWS":"arn:aws-cn:iam::111122223333:root"`, trustPolicy},
		{"a unique id nobody has",
			statement(allow + `,"Principal":{"AWS":"AROAAAAAAAAAAAAAAAAAA"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "AWS":"AROAAAAAAAAAAAAAAAAAA"`, trustPolicy},
	} {
		got := ""
		if err := parseAs(sim, test.as, test.text); err != nil {
			got = err.(*Error).Message
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func parseAs(sim *AWS, as kind, text string) error {
	var err error
	if as == identityPolicy {
		_, err = parseIdentityPolicy(text)
	} else {
		_, err = sim.parseTrustPolicy(sim.accounts["111122223333"], text)
	}
	return err
}

func TestPrincipalsOfAccountsNotSimulated(t *testing.T) {
	sim := New(Options{})
	sim.Account("111122223333")
	for _, principal := range []string{"999999999999", "arn:aws:iam::999999999999:role/any/path/x",
		"arn:aws:iam::999999999999:user/x", "arn:aws:sts::999999999999:assumed-role/x/y"} {
		document := `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}}`
		if err := parseAs(sim, trustPolicy, document); err != nil {
			t.Errorf("%s: %v", principal, err)
		}
	}
}

func TestPatterns(t *testing.T) {
	match := func(p, s string) {
		t.Helper()
		if !wildcards(p).match(s) {
			t.Errorf("%q should match %q", p, s)
		}
	}
	refuse := func(p, s string) {
		t.Helper()
		if wildcards(p).match(s) {
			t.Errorf("%q should not match %q", p, s)
		}
	}
	match("", "")
	match("*", "")
	match("a*b*c", "a--b--b--c")
	match("?é?", "xéy")
	match("*/*:*", "a/b:c")
	refuse("", "a")
	refuse("?", "")
	refuse("a*b", "a*bc")
	refuse("A", "a")
	refuse(strings.Repeat("a*", 200)+"b", strings.Repeat("a", 2000)) // and soon

	known := facts{"k": {"*"}, "two": {"a", "b"}}
	for text, want := range map[string]string{
		"${k}x": "*x", "${K}": "*", "${*}": "*", "${?}${$}": "?$", "a${": "a${", "${none,'d'}": "d", "${ k }": "*",
	} {
		p, ok := expand(text, known, true)
		if !ok || p.literal() != want {
			t.Errorf("%q expands to %q, %v, want %q", text, p.literal(), ok, want)
		}
	}
	for _, text := range []string{"${none}", "${two}", "${}"} {
		if p, ok := expand(text, known, true); ok {
			t.Errorf("%q expands to %q, want nothing", text, p.literal())
		}
	}
	if p, _ := expand("${k}", known, true); p.match("x") {
		t.Error("a star from a variable is a wildcard")
	}
}

func TestResources(t *testing.T) {
	for _, test := range []struct {
		pattern, arn string
		want         bool
	}{
		{"*", "arn:aws:iam::1:role/x", true},
		{"*", "*", true},
		{"arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", true},
		{"arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", true},
		{"arn:aws:iam::?:role/a:b", "arn:aws:iam::1:role/a:b", true},
		{"arn:aws:iam:*:role/x", "arn:aws:iam::1:role/x", false},
		{"arn:aws:*", "arn:aws:iam::1:role/x", true},
		{"arn:aws:iam::1:role", "arn:aws:iam::1:role/x", false},
		{"arn:*:role/x", "arn:aws:iam::1:role/x", false},
		{"arn:aws:iam::1:role/X", "arn:aws:iam::1:role/x", false},
	} {
		if got := wildcards(test.pattern).matchARN(test.arn); got != test.want {
			t.Errorf("%s matches %s: %v, want %v", test.pattern, test.arn, got, test.want)
		}
	}
}

// TestConditions reads: this operator, on these values of the request, with
// these of the policy.
func TestConditions(t *testing.T) {
	holds := func(operator, have, policy string) {
		t.Helper()
		if !condition1(t, operator, have, policy) {
			t.Errorf("%s of %q with %s should hold", operator, have, policy)
		}
	}
	fails := func(operator, have, policy string) {
		t.Helper()
		if condition1(t, operator, have, policy) {
			t.Errorf("%s of %q with %s should fail", operator, have, policy)
		}
	}
	holds("StringEquals", "a*", `"a*"`)
	fails("StringEquals", "ab", `"a*"`)
	holds("StringEqualsIgnoreCase", "AbC", `"aBc"`)
	fails("StringNotEqualsIgnoreCase", "AbC", `["x","aBc"]`)
	holds("StringNotLike", "b", `"a*"`)
	fails("StringLike", "", `"*"`)
	holds("StringNotLike", "", `"*"`)
	holds("StringLikeIfExists", "", `"a"`)
	holds("NumericEquals", "10", `10.0`)
	holds("NumericLessThan", "9", `"10"`)
	fails("NumericLessThan", "10", `"10"`)
	holds("NumericLessThanEquals", "10", `"10"`)
	holds("NumericGreaterThanEquals", "10", `"10"`)
	fails("NumericGreaterThan", "ten", `"1"`)
	holds("NumericNotEquals", "11", `["10","12"]`)
	holds("DateLessThan", "2026-11-23T00:00:00Z", `"2026-11-23T00:00:01Z"`)
	holds("DateGreaterThan", "2026-11-23T00:00:00Z", `"2026-11-22"`)
	holds("DateEquals", "2026-11-23T00:00:00Z", `"1795392000"`)
	fails("DateEquals", "2026-11-23T00:00:00Z", `"soon"`)
	fails("DateNotEquals", "2026-11-23T00:00:00Z", `"2026-11-23T01:00:00+01:00"`)
	holds("Bool", "true", `true`)
	holds("Bool", "true", `"True"`)
	fails("Bool", "", `"false"`)
	holds("BinaryEquals", "QmluYXJ5", `"QmluYXJ5"`)
	holds("IpAddress", "203.0.113.7", `"203.0.113.0/24"`)
	holds("IpAddress", "203.0.113.7", `"203.0.113.7"`)
	holds("IpAddress", "2001:db8::1", `["203.0.113.0/24","2001:db8::/32"]`)
	fails("NotIpAddress", "203.0.113.7", `["203.0.113.0/24"]`)
	fails("IpAddress", "nowhere", `"0.0.0.0/0"`)
	holds("ArnEquals", "arn:aws:iam::1:role/a", `"arn:*:iam::?:role/*"`)
	holds("ArnNotLike", "arn:aws:iam::1:user/a", `"arn:aws:iam::1:role/*"`)
	holds("Null", "", `"true"`)
	fails("Null", "a", `"true"`)
	holds("Null", "a", `false`)
	holds("ForAllValues:StringLike", "ab,ac", `"a*"`)
	fails("ForAllValues:StringLike", "ab,bc", `"a*"`)
	holds("ForAllValues:StringNotLike", "b,c", `"a*"`)
	fails("ForAllValues:StringNotLike", "b,ac", `"a*"`)
	holds("ForAllValues:StringLike", "", `"a*"`)
	holds("ForAnyValue:StringLike", "ab,bc", `"a*"`)
	fails("ForAnyValue:StringLike", "", `"*"`)
	holds("ForAnyValue:StringNotLike", "ab,bc", `"a*"`)
	fails("ForAnyValue:StringNotLike", "ab,ac", `"a*"`)
	fails("ForAnyValue:StringNotLike", "", `"a*"`)
}

func condition1(t *testing.T, operator, have, policy string) bool {
	t.Helper()
	all, err := parseConditions([]byte(`{"` + operator + `":{"Some:Key":` + policy + `}}`))
	if err != nil {
		t.Fatalf("%s: %v", operator, err)
	}
	known := facts{}
	if have != "" {
		known.set("some:key", strings.Split(have, ",")...)
	}
	return all[0].holds(known, true)
}

// FuzzPolicy holds that no document makes the parser or the evaluation panic,
// and that a document that was taken is taken again as it is shown.
func FuzzPolicy(f *testing.F) {
	f.Add(AllowAll)
	f.Add(
		`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"a","Effect":"Allow",` +
			`"Principal":{"AWS":["111122223333","*"],"Service":"a.b","Federated":"c"},"Action":["sts:AssumeRole",` +
			`"sts:*"],"Condition":{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["${aws:username}",1,true]},` +
			`"Null":{"k":"true"}}}]}`)
	f.Add(
		`{"Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":"sts:TagSession",` +
			`"Condition":{"IpAddress":{"aws:SourceIp":"::/0"},"DateLessThan":{"aws:CurrentTime":"2026"}}}}`)
	f.Add(`{"Statement":{"Effect":"Deny","NotResource":["arn:${k}:*","${"],"Action":"*:*"}}`)
	sim := New(Options{})
	sim.Account("111122223333").CreateUser("operator", "")
	known := facts{"aws:tagkeys": {"a", "b"}, "aws:username": {"*"}, "aws:sourceip": {"127.0.0.1"},
		"aws:currenttime": {"2026-11-23T00:00:00Z"}, "k": {"v"}}
	who := &caller{partition: "aws", account: "111122223333", arn: "arn:aws:iam::111122223333:user/operator",
		uniqueID: "AIDA"}
	f.Fuzz(func(t *testing.T, text string) {
		r := ask(who, "sts:AssumeRole", "arn:aws:iam::111122223333:role/x", known)
		if p, err := parseIdentityPolicy(text); err == nil {
			p.denies(r)
			p.allows(r)
		}
		in := sim.accounts["111122223333"]
		p, err := sim.parseTrustPolicy(in, text)
		if err != nil {
			return
		}
		granted, denied := p.trust(r)
		shown := p.render(sim.ids)
		again, err := sim.parseTrustPolicy(in, shown)
		if err != nil {
			t.Fatalf("%s\nis shown as\n%s\nwhich is refused: %v", text, shown, err)
		}
		if g, d := again.trust(r); g != granted || d != denied {
			t.Fatalf("%s\nis shown as\n%s\nwhich means something else", text, shown)
		}
	})
}
