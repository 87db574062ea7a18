package convert

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// roleState is the state of a role as the management API answers it, with times in
// whole seconds.
func roleState(s rolebroker.RoleState) api.RoleState {
	return api.RoleState{
		Status:    string(s.Status),
		Code:      string(s.Code),
		Message:   s.Message,
		Hint:      s.Hint.String(),
		HintSteps: HintSteps(s.Hint),
		RequestID: s.RequestID,
		From:      string(s.From),
		Agent:     s.Agent,
		CheckedAt: Time(s.CheckedAt.Truncate(time.Second)),
		CheckedBy: s.CheckedBy,
		Since:     Time(s.Since.Truncate(time.Second)),
	}
}

func state(s rolebroker.IntegrationState) api.IntegrationState {
	return api.IntegrationState{
		Status:    string(s.Status),
		Enabled:   int64(s.Roles),
		Assumable: int64(s.Assumable),
		Warning:   int64(s.Warned),
		Failed:    int64(s.Failed),
		Unknown:   int64(s.Unknown),
		CheckedAt: Time(s.Newest.CheckedAt.Truncate(time.Second)),
		CheckedBy: s.Newest.CheckedBy,
	}
}
