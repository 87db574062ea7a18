package awssim

import (
	"slices"
	"time"
)

// AssumeRoleCall records one AssumeRole or AssumeRoleWithWebIdentity call, as
// CloudTrail would: the request as it was sent, and its outcome.
type AssumeRoleCall struct {
	Time      time.Time
	Action    string // "AssumeRole" or "AssumeRoleWithWebIdentity"
	RequestID string
	Region    string // of the signature's scope

	CallerARN         string // empty if the caller is not authenticated
	CallerAccessKeyID string

	RoleARN           string
	SessionName       string
	ExternalID        string // empty when absent; AWS accepts none shorter than two
	SourceIdentity    string
	Tags              map[string]string
	TransitiveTagKeys []string
	Policy            string
	PolicyARNs        []string
	Duration          time.Duration // zero when absent or not a number

	Code        string // "" for success, else the error code; "Dropped" or "Canceled" if no response was sent
	Message     string
	AccessKeyID string // issued
	Expires     time.Time
}

// Calls returns the number of calls of an action so far, whatever their outcome,
// or of all actions if action is empty.
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

// Assumed returns the AssumeRole and AssumeRoleWithWebIdentity calls so far, in
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
