package learn_test

import (
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/learn"
)

// A judge says what limits would have done with calls.
func TestAJudge(t *testing.T) {
	t.Parallel()
	const reads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*",` +
		`"Resource":"arn:aws:s3:::b/*"},` +
		`{"Effect":"Deny","NotAction":["s3:*"],"Resource":"*"},` +
		`{"Effect":"Deny","Action":"S3:GetObject","Resource":"arn:aws:s3:::b/secret?"}]}`
	const conditional = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject",` +
		`"Resource":"*",` +
		`"Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`
	const notResource = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*",` +
		`"NotResource":"arn:aws:s3:::b/*"}}`
	full := rolebroker.Connection{Access: rolebroker.AccessFull, Keys: rolebroker.KeysWithheld}
	with := func(access rolebroker.Access, approval rolebroker.Approval, policy string) rolebroker.Connection {
		c := full
		c.Access, c.Approval, c.SessionPolicy = access, approval, policy
		return c
	}
	policy := func(text string) rolebroker.Connection { return with(rolebroker.AccessPolicy, "", text) }
	limited, allowed, lent := full, full, full
	limited.Roles = []rolebroker.ConnectionRole{{ID: "rol_other"}}
	allowed.AllowedActions = []string{"secretsmanager:GetSecretValue"}
	lent.Keys = rolebroker.KeysLent
	const write, borrow = rolebroker.ApprovalWrite, rolebroker.ApprovalBorrow
	for name, c := range map[string]struct {
		by               rolebroker.Connection
		action, resource string
		want             string
	}{
		"full sends a change":             {full, "s3:PutObject", "", "sent"},
		"another role":                    {limited, "s3:GetObject", "", "refused"},
		"credentials, withheld":           {full, "secretsmanager:GetSecretValue", "", "refused"},
		"credentials, allowed":            {allowed, "secretsmanager:GetSecretValue", "", "sent"},
		"credentials, lent":               {lent, "secretsmanager:GetSecretValue", "", "sent"},
		"read-only reads":                 {with(rolebroker.AccessReadOnly, "", ""), "s3:GetObject", "", "sent"},
		"read-only changes":               {with(rolebroker.AccessReadOnly, "", ""), "s3:PutObject", "", "refused"},
		"read-only changes, after a yes":  {with(rolebroker.AccessReadOnly, write, ""), "s3:PutObject", "", "refused"},
		"read-only, not known":            {with(rolebroker.AccessReadOnly, "", ""), "", "", "unsure"},
		"view-only lists":                 {with(rolebroker.AccessViewOnly, "", ""), "s3:ListAllMyBuckets", "", "sent"},
		"view-only reads":                 {with(rolebroker.AccessViewOnly, "", ""), "s3:GetObject", "", "unsure"},
		"view-only changes":               {with(rolebroker.AccessViewOnly, "", ""), "s3:PutObject", "", "refused"},
		"a change asks":                   {with(rolebroker.AccessFull, write, ""), "s3:PutObject", "", "waited"},
		"a read does not":                 {with(rolebroker.AccessFull, write, ""), "s3:GetObject", "", "sent"},
		"what is not known asks":          {with(rolebroker.AccessFull, write, ""), "", "", "waited"},
		"borrowing asks":                  {with(rolebroker.AccessFull, borrow, ""), "s3:GetObject", "", "waited"},
		"a policy allows":                 {policy(reads), "s3:GetObject", "arn:aws:s3:::b/a", "sent"},
		"a policy does not allow":         {policy(reads), "s3:PutObject", "arn:aws:s3:::b/a", "refused"},
		"a policy for another resource":   {policy(reads), "s3:GetObject", "arn:aws:s3:::c/a", "refused"},
		"a policy denies":                 {policy(reads), "s3:GetObject", "arn:aws:s3:::b/secret1", "refused"},
		"? is one character":              {policy(reads), "s3:GetObject", "arn:aws:s3:::b/secret12", "sent"},
		"a policy and an unnamed object":  {policy(reads), "s3:GetObject", "", "unsure"},
		"a policy with a condition":       {policy(conditional), "s3:GetObject", "arn:aws:s3:::b/a", "unsure"},
		"a condition of another action":   {policy(conditional), "s3:PutObject", "arn:aws:s3:::b/a", "refused"},
		"a NotResource that has it":       {policy(notResource), "s3:GetObject", "arn:aws:s3:::b/a", "refused"},
		"a NotResource that has it not":   {policy(notResource), "s3:GetObject", "arn:aws:s3:::c/a", "sent"},
		"a NotAction denies all the rest": {policy(reads), "sqs:SendMessage", "arn:aws:sqs:eu-west-1:1:q", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			kind := rolebroker.CallKind{Service: "x", Operation: "Y", Role: "rol_1", Calls: 3}
			if c.action != "" {
				kind.Actions = []string{c.action}
			}
			if c.resource != "" {
				kind.Resources = []string{c.resource}
			}
			judge, err := learn.NewJudge(&c.by)
			if err != nil {
				t.Fatal(err)
			}
			judge.Add(kind)
			judge.Add(kind)
			j := judge.Judgement()
			got := "sent"
			for word, kinds := range map[string][]rolebroker.RefusedKind{
				"refused": j.Refused, "waited": j.Waited, "unsure": j.Unsure} {
				if len(kinds) > 0 {
					got = word
				}
				if len(kinds) > 0 && (len(kinds) != 1 || kinds[0].Calls != 6 || kinds[0].Reason == "") {
					t.Errorf("%s: %+v", word, kinds)
				}
			}
			if got != c.want || j.Calls != 6 {
				t.Errorf("it is %s of %d calls, want %s", got, j.Calls, c.want)
			}
		})
	}
}
