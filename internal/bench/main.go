// Bench measures the speed and size of rolebroker, and prints each target beside
// the result.
//
//	go run ./internal/bench                 everything, some half an hour
//	go run ./internal/bench -rows 1,4       those rows only
//	go run ./internal/bench -quick          a first impression
//	go run ./internal/bench -json           for machines
//
// The rows are:
//
//	1  warm GET /v1/credentials over 64 connections
//	2  1,000 cold requests of one agent at once
//	3  64 rolebroker exec at once
//	4  short-lived credentials renewed under 64 pollers
//	5  rolebroker exec -- true and rolebroker credentials
//	6  a server that has just started
//	7  validating an integration of 1,000 roles
//	8  4,000 agents that borrow for the first time
//	9  audit events appended, each in its transaction, on both databases
//	10 a page of 10,000,000 audit events, on both databases
//	11 signed calls through the gateway over 64 connections, and over one
//	12 an object of 1 GiB read and written through the gateway
//
// Results are never compared with those of another day or machine. Each row has a
// reference, such as a bare net/http handler that serves the same bytes. It is
// measured in the same run, in turns with the program, so that other load on the
// machine affects both. The table has the medians of the turns and of their ratios.
//
// The servers are separate processes, so that their CPU time does not include that
// of the load generator: the command starts itself again. AWS is simulated in the
// measuring process. CPU time and memory are measured on Linux only.
//
// The command is not a test. A missed target is printed as MISSED and is no
// failure, because it may be due to other load on the machine; with -strict it is
// a failure.
//
//	what                       measured    reference                ratio  target
//	1  requests per second     21,394 /s   23,011 /s bare net/http  0.93   ≥ 0.92  ok
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
)

func main() {
	if isChild() {
		exit(child(os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, os.Args[1:]))
}

func exit(err error) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

var (
	errUsage  = errors.New("wrong usage")
	errMissed = errors.New("not every target was met")
)

// settings are the command line.
type settings struct {
	rows     []row
	json     bool
	strict   bool
	plan     plan
	profiles string // a directory for CPU profiles of the servers; empty: none
}

func parse(args []string) (settings, error) {
	s := settings{plan: thorough}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	chosen := f.String("rows", "", "comma-separated `numbers` of the rows to measure; empty: all")
	quick := f.Bool("quick", false, "measure for a short time only")
	f.BoolVar(&s.json, "json", false, "write JSON instead of a table")
	f.BoolVar(&s.strict, "strict", false, "exit with 1 when a target is missed")
	f.StringVar(&s.profiles, "profiles", "", "write CPU profiles of the servers to this `directory`")
	if err := f.Parse(args); err != nil {
		return s, errors.Join(errUsage, err)
	}
	if *quick {
		s.plan = quickly
	}
	var err error
	s.rows, err = choose(*chosen)
	return s, err
}

// choose returns the rows of a comma-separated list of numbers.
func choose(list string) ([]row, error) {
	if list == "" {
		return rows, nil
	}
	var chosen []row
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 || n > len(rows) {
			return nil, fmt.Errorf("%w: %q is not a row; they are 1 to %d", errUsage, field, len(rows))
		}
		chosen = append(chosen, rows[n-1])
	}
	return chosen, nil
}

// run measures the rows that args name and prints them. If a row cannot be
// measured, the others still are.
func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	lab, err := newLab(s.plan, s.profiles)
	if err != nil {
		return err
	}
	defer lab.close()
	report := newReport()
	var failed []error
	for _, r := range s.rows {
		fmt.Fprintf(os.Stderr, "%d  %s …\n", r.number, r.name)
		figures, err := r.measure(ctx, lab)
		if err != nil {
			failed = append(failed, fmt.Errorf("row %d, %s: %w", r.number, r.name, err))
		}
		report.add(r, figures)
	}
	if err := report.write(os.Stdout, s.json); err != nil {
		return err
	}
	if s.strict && report.missed() {
		failed = append(failed, errMissed)
	}
	return errors.Join(failed...)
}
