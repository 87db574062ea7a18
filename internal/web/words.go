package web

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rolebroker/rolebroker"
)

// accountOf is the account in an ARN.
func accountOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}

// sentence makes a message a sentence.
func sentence(message string) string {
	if message == "" {
		return ""
	}
	word, _, _ := strings.Cut(message, " ")
	if !strings.ContainsAny(strings.TrimRight(word, ".,:"), ":/_=.") { // else it is an ARN or the like
		first, size := utf8.DecodeRuneInString(message)
		message = string(unicode.ToUpper(first)) + message[size:]
	}
	if !strings.ContainsAny(message[len(message)-1:], ".!?:") {
		message += "."
	}
	return message
}

// headline splits a message into what happened and the words of AWS, which follow
// a colon.
func headline(message string) [2]string {
	what, words, found := strings.Cut(message, ": ")
	if !found {
		return [2]string{sentence(message)}
	}
	return [2]string{sentence(what), words}
}

// plural is a number with the noun that it counts.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// moment is a time in words.
type moment struct {
	Ago     string // relative to now, as in "2 hours ago"
	Exact   string // for people
	Machine string // RFC 3339
	Never   bool   // it is the zero time
}

// when says in words when t is.
func when(t, now time.Time) moment {
	if t.IsZero() {
		return moment{Ago: "never", Never: true}
	}
	return moment{
		Ago:     rolebroker.RelativeTime(t, now),
		Exact:   t.UTC().Format("Monday, 2 January 2006, 15:04:05 UTC"),
		Machine: t.UTC().Format(time.RFC3339),
	}
}

// tone is the colour of a state: good, warn, bad or off.
func tone(status rolebroker.ValidationStatus) string {
	switch status {
	case rolebroker.StatusAssumable:
		return "good"
	case rolebroker.StatusWarning:
		return "warn"
	case rolebroker.StatusFailed:
		return "bad"
	}
	return "off"
}

// word says the state of a validation.
func word(v rolebroker.Validation) string {
	switch {
	case v.Code == rolebroker.ValidExternalIDOpen && v.Status == rolebroker.StatusWarning:
		return "works, not locked"
	case v.Status == rolebroker.StatusWarning:
		return "works, warning"
	case v.Code == rolebroker.ValidClusterMode:
		return "by the cluster"
	}
	return string(v.Status)
}

// evidence says what the state of a role was found out from, as in "refused to scout".
func evidence(s rolebroker.RoleState) string {
	switch s.From {
	case rolebroker.FromLoan:
		return "lent to " + s.Agent
	case rolebroker.FromRefusal:
		return "AWS refused it to " + s.Agent
	}
	return "checked"
}

// addressOf is an address with a query of the pairs that have a value.
func addressOf(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// query is an address with a query, for templates.
func query(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + values.Encode()
}
