package rolebroker

import (
	"fmt"
	"time"
)

// Role is one IAM role in an integration.
type Role struct {
	ID      RoleID
	Name    string // chosen by a person, unique in the integration; need not be the name in IAM
	ARN     RoleARN
	Region  Region // of the STS endpoint, and AWS_REGION of the agent's process
	Enabled bool   // a disabled role stays in the integration and is lent to nobody
	// SessionDuration is how long credentials last: 15 minutes to 12 hours in whole seconds; zero means
	// DefaultSessionDuration.
	SessionDuration time.Duration
	// Validation is the outcome of the last attempt to assume the role; nil if nobody tried since the role changed. It
	// is nil in Grants.
	Validation *Validation
	// Lending is what STS answered when the role was last lent; nil if nobody borrowed it since it changed. It is nil in
	// Grants.
	Lending *Lending
	// Generation is of the role in Grants; 0 elsewhere. It grows whenever lending of the role to this agent ends: when
	// either is disabled, or their connection, or a token of the agent is revoked, or a person ends sessions.
	// Credentials that were lent in an earlier generation are not handed out again.
	Generation int64
	// KeyGeneration is, in Grants, the Generation without what the end of tokens adds. A key for the gateway that was made
	// in an earlier one does not work again. It names its token, and does not end with another one.
	KeyGeneration int64
}

// The bounds of a session's duration.
//
// Source: STS API Reference, AssumeRole, DurationSeconds.
const (
	MinSessionDuration     = 15 * time.Minute
	MaxSessionDuration     = 12 * time.Hour
	DefaultSessionDuration = time.Hour
)

// Duration returns how long credentials of the role last.
func (r Role) Duration() time.Duration {
	if r.SessionDuration == 0 {
		return DefaultSessionDuration
	}
	return r.SessionDuration
}

// check adds the fields that are wrong, under path.
func (r Role) check(path string, p *problems) {
	p.check(path+".name", CheckName(r.Name))
	if r.ARN == (RoleARN{}) {
		_, err := ParseRoleARN("")
		p.check(path+".arn", err)
	}
	if r.ARN.IsCutOffRole() {
		p.add(path+".arn", "%q has the name of a role that changes the policies of others, which agents do not borrow",
			r.ARN.String())
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

// ParseSessionDuration parses how long credentials last, as in 1h or 90m. It returns zero, the default, for "" only. It
// does not check the bounds; Check does.
func ParseSessionDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a duration; expected one as in 1h or 90m", Quote(s))
	case d == 0:
		return 0, fmt.Errorf("%s is out of range; AWS allows 15m to 12h", s)
	}
	return d, nil
}
