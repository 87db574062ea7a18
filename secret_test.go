package rolebroker_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestASecretIsNotPrintedByAccident(t *testing.T) {
	secret := rolebroker.NewSecret("hunter2")
	holder := struct {
		Secret  rolebroker.Secret
		Pointer *rolebroker.Secret
	}{secret, &secret}
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", secret, "b", holder, "c", &secret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "a", secret, "b", holder, "c", &secret)
	for how, printed := range map[string]string{
		"%v": fmt.Sprintf("%v %v", secret, holder), "%+v": fmt.Sprintf("%+v", holder),
		"%#v": fmt.Sprintf("%#v", holder),
		"%s":  fmt.Sprintf("%s", secret), "%q": fmt.Sprintf("%q", secret), "%x": fmt.Sprintf("%x", secret),
		"%d":   fmt.Sprintf("%d", holder),
		"json": string(text), "slog": log.String(), "error": fmt.Errorf("with %v", secret).Error(),
	} {
		if strings.Contains(printed, "hunter2") || strings.Contains(printed, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s prints the secret: %s", how, printed)
		}
	}
	if secret.Reveal() != "hunter2" {
		t.Error("Reveal does not reveal")
	}
}

func TestAnErrorKeepsItsCauseToItself(t *testing.T) {
	cause := errors.New("password=hunter2")
	err := rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", cause)
	if err.Error() != "the database cannot be used now" || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if told := rolebroker.AsError(cause); told.Code != rolebroker.CodeInternal ||
		strings.Contains(told.Error()+told.Hint.String(), "hunter2") {
		t.Errorf("a stranger's error is told as %v", told)
	}
}
