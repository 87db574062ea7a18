package rolebroker

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Role is one IAM role in an integration.
type Role struct {
	ID      RoleID
	Name    string // of the user's choosing, unique in its integration; need not be IAM's name
	ARN     RoleARN
	Region  Region // where STS is asked, and what the agent's process finds as its region
	Enabled bool   // a disabled role stays in the integration and is lent to nobody
	// SessionDuration is how long credentials last: 15 minutes to 12 hours in
	// whole seconds; zero means DefaultSessionDuration.
	SessionDuration time.Duration
	// Validation is what came of trying to assume the role as it is; nil when
	// that was not tried since it last changed. Grants have none.
	Validation *Validation
}

// The bounds of a session's duration.
//
// Source: STS API Reference, AssumeRole, DurationSeconds.
const (
	MinSessionDuration     = 15 * time.Minute
	MaxSessionDuration     = 12 * time.Hour
	DefaultSessionDuration = time.Hour
)

// Duration is how long credentials of the role last.
func (r Role) Duration() time.Duration {
	if r.SessionDuration == 0 {
		return DefaultSessionDuration
	}
	return r.SessionDuration
}

// check adds what is wrong with the role, under path.
func (r Role) check(path string, p *problems) {
	p.check(path+".name", CheckName(r.Name))
	if r.ARN == (RoleARN{}) {
		_, err := ParseRoleARN("")
		p.check(path+".arn", err)
	}
	p.check(path+".region", CheckRegion(r.Region, r.ARN.Partition))
	p.check(path+".session_duration", checkDuration(r.SessionDuration))
}

func checkDuration(d time.Duration) error {
	switch {
	case d == 0:
		return nil
	case d < MinSessionDuration || d > MaxSessionDuration:
		return fmt.Errorf("%s is out of range; AWS allows 15m to 12h", d)
	case d%time.Second != 0:
		return fmt.Errorf("%s is not in whole seconds", d)
	}
	return nil
}

// ShortDuration writes a duration in whole seconds as a person would: 1h, 1h30m, 15m.
func ShortDuration(d time.Duration) string {
	text := ""
	for _, unit := range []struct {
		length time.Duration
		symbol string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			text += strconv.FormatInt(int64(n), 10) + unit.symbol
		}
		d %= unit.length
	}
	return text
}

// ParseSessionDuration reads how long credentials last, as in 1h or 90m; zero,
// the default, for "" only. Whether AWS allows so much is for Check to say.
func ParseSessionDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a duration; expected one as in 1h or 90m", clipQuoted(s))
	case d == 0:
		return 0, fmt.Errorf("%s is out of range; AWS allows 15m to 12h", s)
	}
	return d, nil
}

// clipQuoted is what a stranger wrote, fit for a message.
func clipQuoted(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
