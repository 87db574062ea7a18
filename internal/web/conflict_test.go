package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// The second of two people who edit one integration reads everything that
// saving would change in what the first one saved.
func TestTheConflictPageListsEveryDifference(t *testing.T) {
	s := newSite(t, false)
	b := s.as(s.admin)
	path := b.create("production")
	ctx := context.Background()
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	readonly := in.Roles[0]
	auditor := rolebroker.Role{Name: "auditor", ARN: readonly.ARN, Region: "eu-west-1", Enabled: true}
	in.SessionTags, in.SourceIdentity, in.DefaultRole = true, true, "auditor"
	in.Roles[0].SessionDuration = 2 * time.Hour
	in.Roles = append(in.Roles, auditor)
	if _, err := s.broker.UpdateIntegration(ctx, root, "production", *in, 1, rolebroker.ValidateSkip); err != nil {
		t.Fatal(err)
	}

	answer := b.post(path, "name", "prod", "description", "Mine", "version", "1", "saved", "production", "rows", "1",
		"default", "0", "role.0.id", string(readonly.ID), "role.0.name", "readonly", "role.0.arn", roleARN,
		"role.0.region", "us-east-1", "role.0.enabled", "on", "action", "save")
	if answer.Code != http.StatusConflict {
		t.Fatalf("the second answers %d: %s", answer.Code, answer.Body)
	}
	for _, difference := range []string{
		"changes the name from production to prod",
		"changes the description from none to “Mine”",
		"changes the session tags from on to off",
		"changes the source identity from on to off",
		"changes the default role from auditor to readonly",
		"changes the session duration of role readonly from 2h to 1h",
		"removes role auditor",
	} {
		if !strings.Contains(answer.Body.String(), difference) {
			t.Errorf("the page does not say %q:\n%s", difference, answer.Body)
		}
	}
}
