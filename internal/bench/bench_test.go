package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets this binary be one of the servers that are measured.
func TestMain(m *testing.M) {
	if isChild() {
		exit(child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// TestWhatIsMeasuredIsRight measures for a moment and checks what has to hold
// however slow the machine is: how often STS was asked, and that nobody got an
// error or expired credentials. Speed is no test.
func TestWhatIsMeasuredIsRight(t *testing.T) {
	lab, err := newLab(plan{connections: 8, warmUp: 50 * time.Millisecond, turns: 2, turn: 50 * time.Millisecond,
		crowd: 200, crowds: 2, renewing: 5 * time.Second, validated: 60, distinct: 40, appends: 1,
		appending: 50 * time.Millisecond, object: 4 << 20, transfers: 1}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer lab.close()
	checked := 0
	for _, number := range []int{1, 2, 4, 7, 8, 9, 11, 12} {
		r := rows[number-1]
		figures, err := r.measure(t.Context(), lab)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		for _, f := range figures {
			exact := f.Target == "exactly 1" || f.What == "expired credentials" ||
				strings.HasPrefix(f.What, "answers other than 200") ||
				strings.HasPrefix(f.What, "roles with another outcome")
			if !exact {
				continue
			}
			checked++
			if f.Verdict != ok {
				t.Errorf("%s: %s is %v, want %s", r.name, f.What, f.Measured.Value, f.Target)
			}
		}
	}
	if checked != 8 {
		t.Errorf("%d figures were checked, want 8", checked)
	}
}
