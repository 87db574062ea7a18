package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheDatabasePasswordHasOneSource(t *testing.T) {
	const postgres = "--database=postgres://u@h/d"
	file, inFile := outside("hunter2\n"), "--database-password-file=settings.yaml"
	says := func(o Outside, args []string, reasons ...string) {
		t.Helper()
		_, err := load(t, o, args...)
		refused(t, err, reasons...)
	}
	says(file, []string{inFile}, "--database-password-file: is for PostgreSQL")
	says(outside("", "ROLEBROKER_DATABASE_PASSWORD=hunter2"), nil, "ROLEBROKER_DATABASE_PASSWORD: is for PostgreSQL")
	says(outside("hunter2", "ROLEBROKER_DATABASE_PASSWORD=hunter2"), []string{postgres, inFile},
		"is set and so is ROLEBROKER_DATABASE_PASSWORD")
	says(file, []string{"--database=postgres://u:p@h/d", inFile}, "remove the password from the URL")
	says(outside("\n"), []string{postgres, inFile}, "settings.yaml is empty")
	says(outside(""), []string{postgres, "--database-password-file=nowhere"},
		"--database-password-file (ROLEBROKER_DATABASE_PASSWORD_FILE): ")
	says(outside("database: postgres://u@h/d\ndatabase_password: hunter2\n"), []string{"--config=settings.yaml"},
		"settings.yaml, line 2: the password does not belong in this file")

	c, err := load(t, outside("", "ROLEBROKER_DATABASE_PASSWORD=hunter2"), postgres)
	if err != nil {
		t.Fatal(err)
	}
	if password, err := c.ReadDatabasePassword(); err != nil || password.Reveal() != "hunter2" {
		t.Errorf("the password is %q, %v", password.Reveal(), err)
	}
	if shown := fmt.Sprintf("%+v %#v", c, c); strings.Contains(shown, "hunter2") {
		t.Errorf("the settings show the password: %s", shown)
	}
}

func TestTheDatabasePasswordFileIsReadAnew(t *testing.T) {
	c := DefaultServer()
	c.DatabasePasswordFile = filepath.Join(t.TempDir(), "password")
	for _, text := range []string{"first", "second\n", "third \r\n"} {
		if err := os.WriteFile(c.DatabasePasswordFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		password, err := c.ReadDatabasePassword()
		if want := map[string]string{"first": "first", "second\n": "second",
			"third \r\n": "third "}[text]; err != nil ||
			password.Reveal() != want {
			t.Errorf("the password is %q, want %q: %v", password.Reveal(), want, err)
		}
	}
}
