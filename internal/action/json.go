package action

import (
	"encoding/json"
	"strconv"
	"strings"
)

// jsonMember is a member of the outermost object of a text, as it stands there, and how often it is there. Not ok: the
// text is no object, or one that a lenient reader would read in another way.
func jsonMember(text []byte, name string) (value string, n int, ok bool) {
	s := jsonScanner{text: text}
	if s.space(); !s.take('{') {
		return "", 0, false
	}
	for s.space(); !s.take('}'); s.space() {
		if s.first {
			if !s.take(',') {
				return "", 0, false
			}
			s.space()
		}
		s.first = true
		key, found := s.str()
		if !found {
			return "", 0, false
		}
		if s.space(); !s.take(':') {
			return "", 0, false
		}
		s.space()
		from := s.at
		if !s.value() {
			return "", 0, false
		}
		if matched, readable := keyIs(key, name); !readable {
			return "", 0, false
		} else if matched {
			value = string(text[from:s.at])
			n++
		}
	}
	s.space()
	return value, n, s.at == len(text)
}

// keyIs says whether a key between quotes is a name.
func keyIs(key []byte, name string) (matched, readable bool) {
	if len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
		return true, true
	}
	if !strings.Contains(string(key), `\`) {
		return false, true
	}
	s, ok := jsonString(string(key))
	return s == name, ok
}

// jsonString is the text of a JSON string.
func jsonString(quoted string) (string, bool) {
	if inner := quoted[1 : len(quoted)-1]; !strings.ContainsAny(inner, `\`) {
		return inner, true
	}
	var s string
	err := json.Unmarshal([]byte(quoted), &s)
	return s, err == nil
}

// jsonScanner steps over values without building them.
type jsonScanner struct {
	text  []byte
	at    int
	first bool
}

func (s *jsonScanner) space() {
	for s.at < len(s.text) && strings.IndexByte(" \n\r\t", s.text[s.at]) >= 0 {
		s.at++
	}
}

func (s *jsonScanner) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// str steps over a string and returns it with its quotes.
func (s *jsonScanner) str() ([]byte, bool) {
	from := s.at
	if !s.take('"') {
		return nil, false
	}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[from:s.at], true
		case c == '\\':
			s.at += 2
		case c < ' ':
			return nil, false
		default:
			s.at++
		}
	}
	return nil, false
}

// value steps over a value. Of objects and lists it checks only that brackets and strings close.
func (s *jsonScanner) value() bool {
	if s.at >= len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '"':
		_, ok := s.str()
		return ok
	case '{', '[':
		return s.nested()
	}
	from := s.at
	for s.at < len(s.text) && strings.IndexByte(",}] \n\r\t", s.text[s.at]) < 0 {
		s.at++
	}
	return isScalar(string(s.text[from:s.at]))
}

func isScalar(v string) bool {
	if v == "true" || v == "false" || v == "null" {
		return true
	}
	_, err := strconv.ParseFloat(v, 64)
	return err == nil && v[0] != '+' && !strings.ContainsAny(v, "_xXnN")
}

// nested steps over an object or a list.
func (s *jsonScanner) nested() bool {
	var open []byte
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '"':
			if _, ok := s.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			open = append(open, c)
		case '}', ']':
			if open[len(open)-1] != c-2 {
				return false
			}
			open = open[:len(open)-1]
		}
		s.at++
		if len(open) == 0 {
			return true
		}
	}
	return false
}
