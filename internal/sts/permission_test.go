package sts_test

import (
	"maps"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
)

func TestIAMSaysWhatOurOwnPoliciesAllow(t *testing.T) {
	role := rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/", Name: "target"}
	const ask = `{"Effect":"Allow","Action":"iam:SimulatePrincipalPolicy","Resource":"*"}`
	policy := func(statements string) string {
		return `{"Version":"2012-10-17","Statement":[` + ask + statements + `]}`
	}
	for name, c := range map[string]struct {
		policy string
		want   map[string]bool // nil: it fails
	}{
		"nothing": {policy(""), map[string]bool{"sts:AssumeRole": false, "sts:TagSession": false}},
		"one of two": {policy(`,{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`),
			map[string]bool{"sts:AssumeRole": true, "sts:TagSession": false}},
		"another role": {policy(`,{"Effect":"Allow","Action":"sts:*","Resource":"arn:aws:iam::444455556666:role/x"}`),
			map[string]bool{"sts:AssumeRole": false, "sts:TagSession": false}},
		"denied": {policy(`,{"Effect":"Allow","Action":"sts:*","Resource":"*"},{"Effect":"Deny","Action":` +
			`"sts:TagSession","Resource":"*"}`), map[string]bool{"sts:AssumeRole": true, "sts:TagSession": false}},
		"under a condition that IAM cannot know": {policy(`,{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*",` +
			`"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}`), map[string]bool{"sts:TagSession": false}},
		"not allowed to ask": {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}`,
			nil},
	} {
		aws := awssim.New(awssim.Options{})
		client := newClient(aws, aws.Account(platform).CreateUser("broker", c.policy).Key)
		who, err := client.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.Permits(t.Context(), *who, role, "sts:AssumeRole", "sts:TagSession")
		if (err != nil) != (c.want == nil) || !maps.Equal(got, c.want) {
			t.Errorf("%s: it is %v, want %v: %v", name, got, c.want, err)
		}
	}
}
