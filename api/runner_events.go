package api

import "time"

// EventsType is the media type of the stream of events.
const EventsType = "application/x-ndjson"

// Heartbeat is the longest time between two lines of the stream of events. A
// runner that gets none for three heartbeats is not connected.
const Heartbeat = 5 * time.Second

// RunnerEvent is one line of the stream of events. The zero value is a heartbeat.
type RunnerEvent struct {
	Hello  *Hello  `json:"hello,omitempty"`  // the first line: the runner forgets what it remembered before
	Change *Change `json:"change,omitempty"` // a change was committed
	// the runner is asked to try roles: see [ValidationRequest]
	Validate bool `json:"validate,omitempty"`
}

// Hello begins the stream of events.
type Hello struct {
	Runner string `json:"runner"` // ID
	Name   string `json:"name"`
}

// Change names what may have changed, by ID; the zero value means anything.
type Change struct {
	Agent       string `json:"agent,omitempty"`
	Integration string `json:"integration,omitempty"`
	Role        string `json:"role,omitempty"`
	Ended       bool   `json:"ended,omitempty"` // what was lent before is not handed out again
}
