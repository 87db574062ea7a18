package web_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// The second of two people who edit one integration reads everything that
// saving would change in what the first one saved.
func TestTheConflictPageListsEveryDifference(t *testing.T) {
	s := newSite(t, true)
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
	if _, err := s.broker.UpdateIntegration(ctx, root, "production", *in, 1, rolebroker.ValidateSkip.Saving()); err != nil {
		t.Fatal(err)
	}

	answer := b.saves(path, "name", "prod", "description", "Mine", "version", "1", "saved", "production",
		"role.0.id", string(readonly.ID))
	b.answers(answer, http.StatusConflict,
		"changes the name from production to prod",
		"changes the description from none to “Mine”",
		"changes the session tags from on to off",
		"changes the source identity from on to off",
		"changes the default role from auditor to readonly",
		"changes the session duration of role readonly from 2h to 1h",
		"removes role auditor",
	)
}
