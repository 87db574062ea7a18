package api

import (
	"fmt"
	"log/slog"
)

// Secret is a string that is encoded in JSON as it is, and printed everywhere else
// as "[redacted]": an answer with a token can be sent, but not logged by accident.
type Secret string

// Reveal is the value.
func (s Secret) Reveal() string { return string(s) }

const redacted = "[redacted]"

func (Secret) String() string             { return redacted }
func (Secret) GoString() string           { return redacted }
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }
func (Secret) LogValue() slog.Value       { return slog.StringValue(redacted) }
