package rest

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/learn"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// calls are the methods of the broker for calls through the gateway.
type calls interface {
	Call(ctx context.Context, who rolebroker.Caller, id rolebroker.CallID) (*rolebroker.Call, error)
	Calls(ctx context.Context, who rolebroker.Caller, selected broker.CallSelection, page rolebroker.Page) (
		[]rolebroker.Call, error)
	ExportCalls(ctx context.Context, who rolebroker.Caller, from, until time.Time) (func(io.Writer) error, error)
	LearnedPolicy(ctx context.Context, who rolebroker.Caller, from broker.Learning) (*broker.Learned, error)
}

type listCalls struct {
	Paging
	Agent     string    `query:"agent" doc:"Only calls of the agent with this name or ID." example:"scout"`
	Role      string    `query:"role" doc:"Only calls with the role that this names: integration/role, a name, an ARN or an ID." example:"production/deployer"`
	Session   string    `query:"session" doc:"Only calls that the credentials of the session with this ID signed." example:"ses_3mzq7k4vprb5xw2tdn6hjc8ysa"`
	Request   string    `query:"request" doc:"Only calls under the approval of the access request with this ID." example:"req_6mzq7k4vprb2xw3tdn5hjc8ysa"`
	Service   string    `query:"service" doc:"Only calls of this service, as the AWS CLI calls it." example:"dynamodb"`
	Operation string    `query:"operation" doc:"Only calls of this operation." example:"PutItem"`
	Level     string    `query:"level" enum:"list,read,tagging,write,permissions" doc:"Only calls of this access level."`
	Decision  string    `query:"decision" enum:"allowed,refused" doc:"Only calls with this decision."`
	Since     time.Time `query:"since" doc:"Only calls at this time or later." example:"2026-03-14T09:26:53Z"`
	Until     time.Time `query:"until" doc:"Only calls before this time." example:"2026-03-15T00:00:00Z"`
}

func (s *server) listCalls(ctx context.Context, who rolebroker.Caller, in *listCalls) (
	*listAnswer[api.Call], error) {
	newestFirst := byID("cal_", func(c *rolebroker.Call) string { return string(c.ID) })
	return list(in.Paging, newestFirst, trail.Call, func(page rolebroker.Page) ([]rolebroker.Call, error) {
		return s.Broker.Calls(ctx, who, broker.CallSelection{Agent: in.Agent, Role: in.Role,
			CallFilter: rolebroker.CallFilter{Session: rolebroker.SessionID(in.Session),
				Request: rolebroker.AccessRequestID(in.Request), Service: in.Service, Operation: in.Operation,
				Level: rolebroker.CallLevel(in.Level), Decision: rolebroker.CallDecision(in.Decision), Since: in.Since,
				Until: in.Until}}, page)
	})
}

type (
	getCall struct {
		ID string `path:"call" doc:"The call's ID." example:"cal_23u7vbcmq5xw3tdn6hjc8ysamk"`
	}
	callAnswer struct {
		Body api.Call
	}
	exportCalls struct {
		Since time.Time `query:"since" doc:"Begin with the first call of this time or later." example:"2026-03-14T09:00:00Z"`
		Until time.Time `query:"until" doc:"Only calls before this time; left out: until now." example:"2026-03-14T10:00:00Z"`
	}
)

func (s *server) getCall(ctx context.Context, who rolebroker.Caller, in *getCall) (*callAnswer, error) {
	found, err := s.Broker.Call(ctx, who, rolebroker.CallID(in.ID))
	if err != nil {
		return nil, err
	}
	return &callAnswer{trail.Call(found)}, nil
}

func (s *server) exportCalls(ctx context.Context, who rolebroker.Caller, in *exportCalls) (*exported, error) {
	write, err := s.Broker.ExportCalls(ctx, who, in.Since, in.Until)
	if err != nil {
		return nil, err
	}
	return &exported{api.CallExportType, func(out huma.Context) {
		if err := write(out.BodyWriter()); err != nil {
			s.logCause(ctx, "export-calls", err)
			panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
		}
	}}, nil
}

type (
	getLearnedPolicy struct {
		InAgent
		Integration string    `query:"integration" doc:"The integration, by name or ID; left out: the only one that the agent is connected to." example:"production"`
		Role        string    `query:"role" doc:"Only calls with this role of the integration, by name or ID." example:"deployer"`
		Since       time.Time `query:"since" doc:"Only calls of this time or later; left out: the last 30 days." example:"2026-02-14T09:26:53Z"`
		Session     bool      `query:"session" doc:"Make the policy wider until it fits into a session policy."`
		Include     []string  `query:"include" enum:"permissions,pass-role,credentials" doc:"What the policy may have besides: actions that manage permissions, iam:PassRole for any role of the account, and actions that return credentials."`
	}
	learnedPolicyAnswer struct {
		Body api.LearnedPolicy
	}
)

func (s *server) getLearnedPolicy(ctx context.Context, who rolebroker.Caller, in *getLearnedPolicy) (
	*learnedPolicyAnswer, error) {
	made, err := s.Broker.LearnedPolicy(ctx, who, broker.Learning{Agent: in.Agent, Integration: in.Integration,
		Role: in.Role, Since: in.Since, Session: in.Session, Options: learn.Include(in.Include)})
	if err != nil {
		return nil, err
	}
	shown := convert.LearnedPolicy(&made.LearnedPolicy)
	shown.Agent, shown.AgentID = made.Agent.Name, string(made.Agent.ID)
	shown.Integration, shown.IntegrationID = made.Integration.Name, string(made.Integration.ID)
	if made.Role != nil {
		shown.Role, shown.RoleID = made.Role.Name, string(made.Role.ID)
	}
	return &learnedPolicyAnswer{shown}, nil
}
