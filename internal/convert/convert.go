// Package convert converts nouns to the JSON types of the API, and back. The doors,
// the client and the runner share it, so that a new field of a noun is converted
// once.
//
//	shown := convert.Integration(stored)                 // a noun, for an answer
//	noun, wrong := convert.FromRequest(request)          // what a client sent
//	request := convert.Request(shown)                    // to read, edit and write back
//	noun, err := convert.FromIntegration(shown)          // what a server answered
//
// A function with the name of a noun makes the JSON; one with From makes the noun.
//
// The package does not validate: the Check of a noun does. It reports only fields
// that cannot be parsed, such as an ARN.
package convert

import (
	"encoding/json"
	"time"
)

// All converts each item. It is never nil, since a list in an answer is not null.
func All[N, J any](items []N, one func(*N) J) []J {
	all := make([]J, len(items))
	for i := range items {
		all[i] = one(&items[i])
	}
	return all
}

// unchanged is the request of type R with the fields of an answer, by their names
// in JSON. Requests accept every field of an answer.
func unchanged[R any](answer any) (req R) {
	text, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(text, &req)
	}
	if err != nil {
		panic("convert: an answer is no request: " + err.Error()) // the types of the fields are the same
	}
	return req
}

// Time is t in UTC; nil for the zero time, which stands for never.
func Time(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// FromTime is the time that t points to, in UTC; zero for nil.
func FromTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// passed says whether a time of expiry has come; a zero one never does.
func passed(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
