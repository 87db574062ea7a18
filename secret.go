package rolebroker

import (
	"fmt"
	"log/slog"
)

// redacted stands wherever a Secret would otherwise be printed.
const redacted = "[redacted]"

// Secret is a string that does not end up in logs, errors or JSON by
// accident: every way of printing it gives "[redacted]". Reveal is the only
// way to its value, so a search for Reveal finds every place that uses one.
type Secret struct{ value string }

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal is the value. The caller sees to it that it goes to its owner only.
func (s Secret) Reveal() string { return s.value }

// IsZero says that there is no secret.
func (s Secret) IsZero() bool { return s.value == "" }

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, redacted) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
