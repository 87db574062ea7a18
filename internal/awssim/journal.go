package awssim

import (
	"slices"
	"time"
)

// AssumeRoleCall is one AssumeRole or AssumeRoleWithWebIdentity seen, as a
// trail would record it: what was asked, as it was asked, and what came of it.
type AssumeRoleCall struct {
	Time      time.Time
	Action    string // "AssumeRole" or "AssumeRoleWithWebIdentity"
	RequestID string
	Region    string // of the signature's scope

	CallerARN         string // empty when the caller did not prove to be anyone
	CallerAccessKeyID string

	RoleARN           string
	SessionName       string
	ExternalID        string // empty when absent: AWS takes none shorter than two
	SourceIdentity    string
	Tags              map[string]string
	TransitiveTagKeys []string
	Policy            string
	PolicyARNs        []string
	Duration          time.Duration // zero when absent or not a number

	Code        string // "" for success, else the error code; "Dropped" or "Canceled" when no answer was sent
	Message     string
	AccessKeyID string // issued
	Expires     time.Time
}

// Calls returns how many calls of an action have arrived, whatever came of
// them; with an empty action, of all that it knows.
func (a *AWS) Calls(action string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if action != "" {
		return a.calls[action]
	}
	sum := 0
	for _, n := range a.calls {
		sum += n
	}
	return sum
}

// Assumed returns the AssumeRole and AssumeRoleWithWebIdentity calls seen, in
// the order in which they ended.
func (a *AWS) Assumed() []AssumeRoleCall {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.assumed)
}

func (a *AWS) count(action string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[action]++
}

func (a *AWS) record(c AssumeRoleCall) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.assumed = keep(a.assumed, c)
}
