package rest

import (
	"context"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// sessions is the method of the broker that lists sessions.
type sessions interface {
	Sessions(ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter, page rolebroker.Page) (
		[]rolebroker.Session, error)
}

type listSessions struct {
	Paging
	Agent       string `query:"agent" doc:"Only sessions of the agent with this ID, or with this name at the time." example:"scout"`
	Integration string `query:"integration" doc:"Only sessions for the integration with this ID, or with this name at the time." example:"production"`
	Role        string `query:"role" doc:"Only sessions for the role with this ID or ARN, or with this name at the time." example:"readonly"`
	Live        bool   `query:"live" doc:"true: only sessions whose credentials may still work."`
}

func (s *server) listSessions(ctx context.Context, who rolebroker.Caller, in *listSessions) (
	*listAnswer[api.Session], error) {
	newestFirst := order[rolebroker.Session]{rolebroker.SessionCursor, isSessionCursor}
	show := func(x *rolebroker.Session) api.Session { return convert.Session(x, s.Now()) }
	return list(in.Paging, newestFirst, show, func(page rolebroker.Page) ([]rolebroker.Session, error) {
		filter := rolebroker.SessionFilter{Agent: in.Agent, Integration: in.Integration, Role: in.Role}
		if in.Live {
			filter.LiveAt = s.Now()
		}
		return s.Broker.Sessions(ctx, who, filter, page)
	})
}

// isSessionCursor says whether a text has the form of rolebroker.SessionCursor.
func isSessionCursor(cursor string) bool {
	millis, id, _ := strings.Cut(cursor, ".")
	_, err := strconv.ParseInt(millis, 10, 64)
	return err == nil && strings.HasPrefix(id, "ses_")
}
