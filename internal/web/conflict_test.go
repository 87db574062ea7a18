package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// was is what a form of an integration of create was made from.
const was = `{"name": "production", "description": "", "mode": "platform", "runner": "", "session tags": "off", ` +
	`"source identity": "on", "default role": "ROLE", "ROLE name": "readonly", ` +
	`"ROLE ARN": "arn:aws:iam::444455556666:role/ReadOnly", "ROLE region": "us-east-1", ` +
	`"ROLE session duration": "", "ROLE state": "selected"}`

// Of two people who edit one integration, neither loses what the other one did not touch. What both changed is shown
// with both values, and saved by a button that says so.
func TestOnlyWhatBothChangedIsAConflict(t *testing.T) {
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
	in.Description, in.SessionTags, in.DefaultRole = "Theirs", true, "auditor"
	in.Roles[0].SessionDuration = 2 * time.Hour
	in.Roles = append(in.Roles, auditor)
	if _, err := s.broker.UpdateIntegration(ctx, root, "production", *in, 1, rolebroker.ValidateSkip.Saving()); err != nil {
		t.Fatal(err)
	}
	before := strings.ReplaceAll(was, "ROLE", string(readonly.ID))
	mine := []string{"name", "prod", "mode", "platform", "version", "1", "saved", "production", "was", before,
		"source_identity", "on", "role.0.id", string(readonly.ID)}

	// I changed the description too, and the name.
	answer := b.saves(path+"/edit", append(mine, "description", "Mine")...)
	b.answers(answer, http.StatusConflict, "somebody else saved production", ">Description<", ">Mine<", ">Theirs<",
		"Replace 1 Saved Value with Mine", "Keep What Is Saved", `value="prod"`, `value="2h"`, `>auditor<`)
	if strings.Contains(answer.Body.String(), ">Session tags<") {
		t.Error("what only the other person changed is a conflict")
	}

	// I changed the name only, and nothing is left to ask.
	b.answers(b.saves(path+"/edit", append(mine, "description", "")...), http.StatusSeeOther)
	now, err := s.broker.Integration(ctx, root, "prod")
	if err != nil || now.Description != "Theirs" || !now.SessionTags || now.DefaultRole != "auditor" ||
		len(now.Roles) != 2 || now.Roles[0].SessionDuration != 2*time.Hour {
		t.Errorf("after both the integration is %+v: %v", now, err)
	}

	// A form that does not say what it was made from replaces nothing without asking.
	answer = b.saves(path+"/edit", "name", "mine", "mode", "platform", "version", "1", "role.0.id", string(readonly.ID))
	b.answers(answer, http.StatusConflict, ">Name<", ">Description<", ">Default role<")
}

// A role that I removed and somebody else changed, and the other way round.
func TestARoleThatOneRemovesAndAnotherChanges(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	ctx := context.Background()
	in, _ := s.broker.Integration(ctx, root, "production")
	id := string(in.Roles[0].ID)
	in.Roles[0].Region = "eu-west-1"
	if _, err := s.broker.UpdateIntegration(ctx, root, "production", *in, 1, rolebroker.ValidateSkip.Saving()); err != nil {
		t.Fatal(err)
	}
	form := []string{"name", "production", "mode", "platform", "version", "1", "saved", "production",
		"source_identity", "on", "was", strings.ReplaceAll(was, "ROLE", id)}
	answer := b.saves(path+"/edit", form...) // with a new role in place of the one that changed
	b.answers(answer, http.StatusConflict, ">Role readonly<", ">removed<", ">changed<")
	kept := b.saves(path+"/edit", append(form, "conflict", id+" role", "action", "take-saved")...)
	b.answers(kept, http.StatusOK, `value="eu-west-1"`)
}

func TestAnAgentAndARunnerAreMerged(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	ctx := context.Background()
	b.post("/agents/new", "name", "scout")
	if _, err := s.broker.UpdateAgent(ctx, root, "scout", broker.AgentSpec{Name: "scout", Description: "Theirs"}, 1); err != nil {
		t.Fatal(err)
	}
	const before = `{"name": "scout", "description": ""}`
	b.answers(b.post("/agents/scout", "name", "scout", "description", "Mine", "version", "1", "was", before),
		http.StatusConflict, ">Mine<", ">Theirs<", "Replace 1 Saved Value with Mine")
	b.answers(b.post("/agents/scout", "name", "ranger", "description", "", "version", "1", "was", before),
		http.StatusSeeOther)
	if now, err := s.broker.Agent(ctx, root, "ranger"); err != nil || now.Description != "Theirs" {
		t.Errorf("the agent is %+v: %v", now, err)
	}

	b.runner("eks", "")
	if _, err := s.broker.UpdateRunner(ctx, root, "eks", broker.RunnerSpec{Name: "eks", Description: "Theirs"}, 1); err != nil {
		t.Fatal(err)
	}
	const runner = `{"name": "eks", "description": "", "issuer": ""}`
	b.answers(b.post("/runners/eks", "name", "eks", "description", "Mine", "version", "1", "was", runner),
		http.StatusConflict, ">Mine<", ">Theirs<")
	b.answers(b.post("/runners/eks", "name", "eks2", "description", "", "version", "1", "was", runner),
		http.StatusSeeOther)
	if now, err := s.broker.Runner(ctx, root, "eks2"); err != nil || now.Description != "Theirs" {
		t.Errorf("the runner is %+v: %v", now, err)
	}
}
