package action

import (
	"os"
	"strings"
	"testing"
)

// Whatever answers a member that may be a credential is refused, or a person has said why not. A newer botocore makes the
// generator write members that nobody has judged.
func TestAnswersThatMayHaveCredentialsAreJudged(t *testing.T) {
	refused := map[string]bool{}
	for _, op := range everyOperation() {
		refused[op.service.name+" "+op.name] = op.credentials
	}
	allowed, used := readAllowed(t), map[string]bool{}
	candidates := 0
	for _, line := range lines(t, "answers.txt") {
		f := strings.Fields(line)
		candidates++
		rule := allowed.rule(f[0], f[2])
		is, known := refused[f[0]+" "+f[1]]
		if !is {
			used[rule] = true
		}
		switch {
		case !known:
			t.Errorf("there is no operation %s.%s: run make actions", f[0], f[1])
		case !is && rule == "":
			t.Errorf("%s.%s answers %s: put it on the list in credentials.go, or say in answers-allowed.txt why not",
				f[0], f[1], f[2])
		}
	}
	if candidates < 100 {
		t.Errorf("answers.txt has %d members", candidates)
	}
	for rule := range allowed {
		if !used[rule] {
			t.Errorf("answers-allowed.txt: nothing is %q", rule)
		}
	}
}

// allowedAnswers are the rules of answers-allowed.txt.
type allowedAnswers map[string]bool

func readAllowed(t *testing.T) allowedAnswers {
	t.Helper()
	all := allowedAnswers{}
	for _, line := range lines(t, "answers-allowed.txt") {
		rule, reason, _ := strings.Cut(line, "#")
		if len(strings.Fields(rule)) != 2 || strings.TrimSpace(reason) == "" {
			t.Errorf("answers-allowed.txt: %q is no service, member, # and reason", line)
		}
		all[strings.TrimSpace(rule)] = true
	}
	return all
}

// rule is the one that allows a member of a service; empty: none does.
func (a allowedAnswers) rule(service, path string) string {
	for rule := range a {
		if of, end, _ := strings.Cut(rule, " "); of == service && strings.HasSuffix("."+path, "."+end) {
			return rule
		}
	}
	return ""
}

// lines are the lines of a file that are no comments.
func lines(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}
