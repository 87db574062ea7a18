package rolebroker

import "time"

// clockError is how wrong the clock of a machine may be that takes credentials from
// another one.
const clockError = time.Hour

// CheckExpiry checks when credentials of a role expire by the clock of this machine.
// They are refused if they have expired, and if AWS lets no session of a role last that
// long: nobody then knows when they end. Codes: unavailable (they have expired),
// internal.
//
// Source: STS API Reference, AssumeRole, DurationSeconds.
func CheckExpiry(expires, now time.Time) error {
	clocks := TextHint("the clock of this machine says " + now.UTC().Format(time.RFC3339) +
		" and the credentials end at " + expires.UTC().Format(time.RFC3339) + "; set the clock of whichever machine is wrong")
	switch {
	case !now.Before(expires):
		return &Error{Code: CodeUnavailable, Hint: clocks,
			Message: "the server lent credentials that have expired by this machine's clock"}
	case expires.After(now.Add(MaxSessionDuration + clockError)):
		return &Error{Code: CodeInternal, Hint: clocks,
			Message: "the server lent credentials that last longer than AWS lets a session of a role last"}
	}
	return nil
}
