package web_test

import (
	archive "archive/zip"
	"bytes"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/internal/web"
)

// Pasting the trust policy of a role shows what to change in it. Nothing of it is in the log.
func TestAPastedPolicyIsMerged(t *testing.T) {
	s := newSite(t, true)
	var log bytes.Buffer
	s.options.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.handler = web.New(s.options)
	b := s.as(s.admin)
	path := b.create("production")
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	const ours = `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}`
	policy := func(statements string) string { return `{"Version":"2012-10-17","Statement":[` + statements + `]}` }
	locked := `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":["sts:AssumeRole","sts:TagSession",` +
		`"sts:SetSourceIdentity"],"Condition":{"StringEquals":{"sts:ExternalId":"` + in.ExternalID + `"}}}`
	paste := func(text string, status int, want ...string) {
		t.Helper()
		b.answers(b.post(path+"/setup", "role", in.Roles[0].Name, "policy", text), status, want...)
	}
	paste(policy(ours), http.StatusOK, "Replace the statement that trusts 111122223333 with this:", "<del>- ", "<ins>+ ",
		"The whole new policy", "aws iam update-assume-role-policy")
	paste(policy(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`),
		http.StatusOK, "Add this statement:", "<ins>+ ")
	paste(policy(`{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"},`+ours), http.StatusOK,
		"denies sts:AssumeRole to everyone", "Replace the statement")
	paste(policy(locked), http.StatusOK, "right as it is", "Nothing has to change")
	paste("", http.StatusUnprocessableEntity, "Paste the trust policy that the role has now.", `aria-invalid="true"`)
	paste(`{"Marker7cf3": [`, http.StatusUnprocessableEntity, "The policy is not JSON", "Marker7cf3",
		`aria-describedby="policy-problem"`)
	if strings.Contains(log.String(), "Marker7cf3") {
		t.Errorf("the log has what was pasted:\n%s", &log)
	}
}

// With 300 roles the page shows one of them, first one that fails, and has files with all.
func TestSetupOfManyRoles(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.admin)
	path := strings.TrimSuffix(b.crowdedThings().Replace("/integrations/{integration}"), "/") + "/setup"
	began, page := time.Now(), b.get(path)
	took := time.Since(began)
	if n := page.Body.Len(); page.Code != http.StatusOK || n > 100_000 {
		t.Errorf("it answers %d with %d bytes", page.Code, n)
	}
	t.Logf("%d bytes in %s", page.Body.Len(), took)
	b.shows(path+"?role=role-123", `<option value="role-123" selected`, "role/teams/Role-123", "stack-set.zip",
		"15 accounts")
	b.answers(b.get(path+"?role=nobody"), http.StatusNotFound, "has no role nobody")
	for name, want := range map[string]int{"templates.zip": 15, "stack-set.zip": 31} {
		answer := b.get(path + "/" + name)
		files, err := archive.NewReader(bytes.NewReader(answer.Body.Bytes()), int64(answer.Body.Len()))
		if err != nil || len(files.File) != want {
			t.Errorf("%s: %d files, %v", name, len(files.File), err)
			continue
		}
		if !strings.HasPrefix(answer.Header().Get("Content-Disposition"), "attachment; ") {
			t.Errorf("%s is not a file: %v", name, answer.Header())
		}
		named := func(f *archive.File) bool { return f.Name == "commands.sh" }
		if slices.ContainsFunc(files.File, named) != (name == "stack-set.zip") {
			t.Errorf("%s has %v", name, files.File)
		}
	}
	b.shows(path+"/commands.sh", "aws iam create-role --role-name Role-299")
	b.shows(path+"/template.json?role=role-007", `"RoleName": "Role-007"`)
	b.answers(b.get(path+"/passwd"), http.StatusNotFound)
}
