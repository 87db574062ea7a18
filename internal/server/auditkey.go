package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// openAuditKey returns the key that signs the audit trail; nil if checkpoints are not signed. It makes a key beside a
// new SQLite database only: several servers that each made one would sign with different keys.
func openAuditKey(cfg *config.Server, log *slog.Logger) (*trail.Key, error) {
	path := cfg.AuditKeyFile()
	if path == "" {
		log.Warn("no key signs the audit trail, so who can write to the database can alter it unnoticed",
			"hint", "make a key with rolebroker audit key --create --audit-key FILE, and start every replica with it")
		return nil, nil
	}
	if cfg.Database.IsPostgres() {
		key, err := trail.ReadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "--audit-key (ROLEBROKER_AUDIT_KEY): there is no file %s",
				path).WithSteps(rolebroker.Step{Text: "make a key, and give every replica the same file",
				Command: "rolebroker audit key --create --audit-key " + rolebroker.ShellQuote(path)})
		}
		return key, keyError(err)
	}
	key, made, err := trail.OpenKey(path)
	if made {
		log.Info("made the key that signs the audit trail", "file", path, "public_key", key.Public())
	}
	return key, keyError(err)
}

func keyError(err error) error {
	if err != nil {
		err = fmt.Errorf("opening the audit key: %w", err)
	}
	return err
}

// warnOfOtherKey warns of a newest checkpoint that another key signed.
func (s *Server) warnOfOtherKey(ctx context.Context) {
	others, err := s.broker.OthersSign(ctx)
	if err != nil || !others {
		return
	}
	s.log.Warn("another key signed the newest checkpoint of the audit trail",
		"hint", "give every replica the same --audit-key; if the key was lost, keep the public key of the old one")
}
