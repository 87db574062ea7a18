package rolebroker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// A policy that denies a resource, or allows all but it, allows it by none of its names.
func TestAPolicyAndOtherNamesOfAResource(t *testing.T) {
	t.Parallel()
	const secret, object = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:", "arn:aws:s3:::reports/"
	const denies, silent, unclear, allows = rolebroker.PolicyDenies, rolebroker.PolicySilent, rolebroker.PolicyUnclear,
		rolebroker.PolicyAllowing
	for _, c := range []struct {
		resource            string // of the call
		pattern             string
		allow, deny, allBut rolebroker.PolicyVerdict
	}{
		{object + "a", object + "a", allows, denies, silent},
		{object + "a", object + "b", silent, allows, allows},
		// What the classification escapes is the character.
		{object + "payroll${$}/1", object + "payroll$/*", allows, denies, silent},
		{object + "a${?}b", object + "a?b", allows, denies, silent},
		{object + "a${?}b", object + "a??b", silent, allows, allows},
		{object + "a${*}b", object + "a?b", allows, denies, silent},
		{object + "a${*}b", object + "a${*}b", allows, denies, silent},
		{object + "aXb", object + "a${*}b", silent, allows, allows},
		{object + "a${$}{x}b", object + "a${aws:username}b", unclear, unclear, unclear},
		// A resource that stands for several.
		{object + "*", object + "*", allows, denies, silent},
		{object + "*", object + "a", unclear, unclear, unclear},
		{object + "*", "arn:aws:s3:::payroll/*", silent, allows, allows},
		{object + "a*c", object + "*d", silent, allows, allows},
		{object + "a*c", object + "?c", unclear, unclear, unclear},
		{object + "a*", object, silent, allows, allows},
		{"*", object + "*", unclear, unclear, unclear},
		{"*", "*", allows, denies, silent},
		{secret + "prod-??????", secret + "prod-AbCdEf", unclear, unclear, unclear},
		{secret + "prod-??????", secret + "prod-??????", allows, denies, silent},
		{secret + "prod-??????", secret + "prod-*", allows, denies, silent},
		{secret + "prod-??????", secret + "test-AbCdEf", silent, allows, allows},
		{secret + "prod-??????", secret + "prod-AbCdEfG", silent, allows, allows},
		// The ARN of a secret may be the beginning of another one's.
		{secret + "prod-AbCdEf", secret + "prod-AbCdEf", allows, denies, silent},
		{secret + "prod-config", secret + "prod-config-AbCdEf", unclear, unclear, unclear},
		{secret + "prod-config", secret + "prod-??????", unclear, unclear, unclear},
		{secret + "prod-config", secret + "prod-*", allows, denies, silent},
		{secret + "prod-config", secret + "test-*", silent, allows, allows},
	} {
		const action = "x:Y"
		judge := func(statements string) rolebroker.PolicyVerdict {
			p, err := rolebroker.ReadPolicy(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
			if err != nil {
				t.Fatal(err)
			}
			return p.Judge([]string{action}, []string{c.resource}, rolebroker.RoleARN{})
		}
		allow := judge(`{"Effect":"Allow","Action":"*","Resource":"` + c.pattern + `"}`)
		deny := judge(`{"Effect":"Allow","Action":"*","Resource":"*"},` +
			`{"Effect":"Deny","Action":"*","Resource":"` + c.pattern + `"}`)
		other := judge(`{"Effect":"Allow","Action":"*","NotResource":"` + c.pattern + `"}`)
		if allow != c.allow || deny != c.deny || other != c.allBut {
			t.Errorf("%s by %s:\n got %d to allow, %d to deny, %d to allow all but it, want %d, %d, %d", c.resource, c.pattern,
				allow, deny, other, c.allow, c.deny, c.allBut)
		}
	}
}

// An agent that names resources with many * or ? does not keep the gateway busy either.
func TestAPolicyIsJudgedInTimeForAnyName(t *testing.T) {
	t.Parallel()
	policy, err := rolebroker.ReadPolicy(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"` +
		strings.Repeat("*a?", 1500) + `"}}`)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan rolebroker.PolicyVerdict)
	go func() {
		done <- policy.Judge([]string{"x:Y"}, []string{strings.Repeat("a?${*}*", 500) + "b"}, rolebroker.RoleARN{})
	}()
	select {
	case got := <-done:
		if got == rolebroker.PolicyAllowing {
			t.Error("the name is not like the pattern")
		}
	case <-time.After(time.Minute):
		t.Fatal("it is not judged after a minute")
	}
}
