package main

import (
	"context"
	"time"
)

// row is one target, or a few that are measured together.
type row struct {
	number  int
	name    string
	measure func(context.Context, *lab) ([]figure, error)
}

// rows are in the order of their numbers.
var rows = []row{
	{1, "warm GET /v1/credentials over keep-alive connections", measureWarm},
	{2, "a crowd that asks cold, at once", measureCold},
	{3, "many rolebroker exec at once", measureFleet},
	{4, "short-lived credentials renewed under pollers", measureRenewal},
	{5, "rolebroker exec -- true and credentials", measureExec},
	{6, "a server that has just started", measureIdle},
	{7, "validating an integration of many roles", measureValidate},
	{8, "many agents that borrow for the first time", measureDistinct},
	{9, "audit events appended", measureAppend},
	{10, "pages of a long audit trail", measureListing},
	{11, "signed calls through the gateway", measureCalls},
	{12, "objects through the gateway", measureObjects},
}

// plan is the extent of a measurement.
type plan struct {
	connections int           // rows 1, 4 and 11: keep-alive connections
	warmUp      time.Duration // rows 1 and 11: before the first turn
	turns       int           // rows 1 and 11: of each side
	turn        time.Duration // rows 1 and 11: of one turn
	crowd       int           // row 2: concurrent clients
	crowds      int           // row 2: repetitions
	fleet       int           // row 3: concurrent exec
	fleets      int           // row 3: repetitions
	renewing    time.Duration // row 4
	runs        int           // row 5: of each program
	starts      int           // row 6: of each server
	validated   int           // row 7: roles of the integration
	distinct    int           // row 8: agents
	appends     int           // row 9: turns of each side
	appending   time.Duration // row 9: of one turn
	events      int           // row 10: of the trail
	pages       int           // row 10: repetitions of each list
	object      int64         // row 12: the size in bytes
	transfers   int           // row 12: turns of each side
}

var (
	thorough = plan{
		connections: 64, warmUp: 3 * time.Second, turns: 60, turn: 250 * time.Millisecond,
		crowd: 1000, crowds: 9,
		fleet: 64, fleets: 3,
		renewing:  20 * time.Second,
		runs:      80,
		starts:    7,
		validated: 1000,
		distinct:  4000,
		appends:   5, appending: 2 * time.Second,
		events: 10_000_000, pages: 200,
		object: 1 << 30, transfers: 5,
	}
	quickly = plan{
		connections: 64, warmUp: time.Second, turns: 12, turn: 250 * time.Millisecond,
		crowd: 1000, crowds: 3,
		fleet: 64, fleets: 1,
		renewing:  8 * time.Second,
		runs:      20,
		starts:    3,
		validated: 200,
		distinct:  1000,
		appends:   3, appending: 500 * time.Millisecond,
		events: 1_000_000, pages: 50,
		object: 128 << 20, transfers: 3,
	}
)
