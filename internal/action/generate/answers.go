package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// credentialMember matches the names of members of answers that may be credentials, a token or a private key.
var credentialMember = regexp.MustCompile(`(?i)^(secret_?access_?key|session_?token|.*credentials?|token_?value|` +
	`.*auth_?token|access_?token|private_?key)$`)

// maxAnswerDepth bounds how deep in an answer the members are looked at.
const maxAnswerDepth = 8

// writeAnswers writes the members of answers that may be credentials, for a person to judge: a test fails until each
// operation is on the reviewed list or in answers-allowed.txt.
func writeAnswers(models []model, out string) error {
	lines := []string{"# Members of answers whose names say that they may be credentials. Generated."}
	for i := range models {
		m := &models[i]
		for name, op := range m.Operations {
			found := map[string]bool{}
			m.findCredentials(op.Output.Shape, nil, nil, found)
			for path := range found {
				lines = append(lines, m.name+" "+name+" "+path)
			}
		}
	}
	slices.Sort(lines)
	fmt.Printf("%d members of answers may be credentials\n", len(lines)-1)
	return os.WriteFile(filepath.Join(out, "answers.txt"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// findCredentials adds the paths of such members of a shape.
func (m *model) findCredentials(shape string, path, above []string, found map[string]bool) {
	s, ok := m.Shapes[shape]
	if !ok || slices.Contains(above, shape) || len(path) > maxAnswerDepth {
		return
	}
	above = append(slices.Clone(above), shape)
	for _, part := range []*member{s.Member, s.Value} {
		if part != nil {
			m.findCredentials(part.Shape, path, above, found)
		}
	}
	for name, part := range s.Members {
		at := append(slices.Clone(path), name)
		kind := m.Shapes[part.Shape].Type
		if credentialMember.MatchString(name) && (kind == "string" || kind == "structure" || kind == "blob") {
			found[strings.Join(at, ".")] = true
			continue
		}
		m.findCredentials(part.Shape, at, above, found)
	}
}
