package awssim

import (
	"bytes"
	"encoding/json"
)

// plainJSON returns v as JSON without HTML escapes.
func plainJSON(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings and lists of strings always encode
	return bytes.TrimSpace(b.Bytes())
}

func compactJSON(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
