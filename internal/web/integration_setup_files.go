package web

import (
	archive "archive/zip"
	"bytes"
	"io"
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// setupFiles are the files with the setup of an integration, or of one role of it.
var setupFiles = map[string]func(*rolebroker.Setup) (string, error){
	"commands.sh":   func(s *rolebroker.Setup) (string, error) { return s.AWSCLI, nil },
	"roles.tf":      func(s *rolebroker.Setup) (string, error) { return s.Terraform, nil },
	"template.json": func(s *rolebroker.Setup) (string, error) { return s.CloudFormation, nil },
	"templates.zip": func(s *rolebroker.Setup) (string, error) { return zipOf(templatesOf(s)) },
	"stack-set.zip": func(s *rolebroker.Setup) (string, error) { return zipOf(stackSetsOf(s)) },
}

// downloadSetup answers with one of setupFiles.
func (s *server) downloadSetup(w http.ResponseWriter, r *http.Request, v *visit) error {
	write, known := setupFiles[r.PathValue("file")]
	if !known {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no such file")
	}
	made, err := s.Broker.Setup(r.Context(), v.who, r.PathValue("integration"),
		rolebroker.SetupRequest{Role: r.FormValue("role")})
	if err != nil {
		return err
	}
	content, err := write(made)
	if err != nil {
		return err
	}
	name := "rolebroker-" + made.Integration + "-" + r.PathValue("file")
	if len(made.Roles) == 1 {
		name = "rolebroker-" + made.Integration + "-" + made.Roles[0].Role.Name + "-" + r.PathValue("file")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	io.WriteString(w, content) // the client may be gone
	return nil
}

// setupFile is a file in an archive.
type setupFile struct{ name, content string }

func templatesOf(s *rolebroker.Setup) (all []setupFile) {
	for _, one := range s.Stacks {
		all = append(all, setupFile{one.Name + ".json", one.Template})
	}
	return all
}

func stackSetsOf(s *rolebroker.Setup) (all []setupFile) {
	var commands []string
	for _, one := range s.StackSets {
		all = append(all, setupFile{one.Name + ".json", one.Template})
		commands = append(commands, one.Commands)
	}
	return append(all, setupFile{"commands.sh", strings.Join(commands, "\n\n") + "\n"})
}

// zipOf is an archive of the files.
func zipOf(files []setupFile) (string, error) {
	var b bytes.Buffer
	out := archive.NewWriter(&b)
	for _, f := range files {
		w, err := out.Create(f.name)
		if err != nil {
			return "", err
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			return "", err
		}
	}
	err := out.Close()
	return b.String(), err
}
