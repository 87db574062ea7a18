package api

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Policy is an IAM policy document as the text of a JSON object. It is encoded in JSON as that object; empty as null.
type Policy string

// MarshalJSON returns the object. It fails if the text is not JSON.
func (p Policy) MarshalJSON() ([]byte, error) {
	if p == "" {
		return []byte("null"), nil
	}
	if !json.Valid([]byte(p)) {
		return nil, fmt.Errorf("the policy is not JSON")
	}
	return []byte(p), nil
}

// UnmarshalYAML takes the policy as YAML.
func (p *Policy) UnmarshalYAML(decode func(any) error) error {
	var value any
	if err := decode(&value); err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return p.UnmarshalJSON(text)
}

// UnmarshalJSON keeps the text of any value but null, without white space.
func (p *Policy) UnmarshalJSON(text []byte) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return err
	}
	if *p = Policy(compact.String()); *p == "null" {
		*p = ""
	}
	return nil
}
