package rolebroker

import (
	"fmt"
	"log/slog"
)

// redacted is printed in place of a Secret.
const redacted = "[redacted]"

// Secret is a string that every way of printing shows as "[redacted]", so that it does not end up in a log, an error or
// JSON by accident. Only Reveal returns the value: a search for Reveal finds every use.
type Secret struct{ value string }

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value. The caller must give it to its owner only.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == "" }

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, redacted) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
