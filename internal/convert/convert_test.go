package convert_test

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

var now = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// full fails unless every field of the struct is set, apart from those named. A
// test that converts it then notices a field that is not converted.
func full(t *testing.T, noun any, apart ...string) {
	t.Helper()
	v := reflect.ValueOf(noun)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() != slices.Contains(apart, name) {
			t.Errorf("%s.%s is %v; set it, or name it as one that is not converted", v.Type(), name, v.Field(i))
		}
	}
}

// same fails unless a noun came back as it was.
func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(rolebroker.Secret{})); diff != "" {
		t.Errorf("it is not what was converted (-want +got):\n%s", diff)
	}
}

// travel is v after a way as JSON.
func travel[T any](t *testing.T, v T) (arrived T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &arrived); err != nil {
		t.Fatal(err)
	}
	return arrived
}

func integration(t *testing.T) rolebroker.Integration {
	t.Helper()
	arn, err := rolebroker.ParseRoleARN("arn:aws:iam::444455556666:role/team/ReadOnly")
	if err != nil {
		t.Fatal(err)
	}
	in := rolebroker.Integration{
		ID: "int_a", Name: "production", Description: "Production accounts", Enabled: true,
		AssumptionMode: rolebroker.ModeCluster,
		Runner:         "run_a", ExternalID: "rolebroker-x", NextExternalID: "rolebroker-y", SessionTags: true,
		SourceIdentity: true,
		DefaultRole:    "readonly", Version: 7, CreatedAt: now, UpdatedAt: now.Add(time.Hour),
		Roles: []rolebroker.Role{{ID: "rol_a", Name: "readonly", ARN: arn, Region: "us-east-1", Enabled: true,
			SessionDuration: 90 * time.Minute}},
	}
	full(t, in, "RunnerName", "EnabledOpen", "SourceIdentityOpen")
	full(t, in.Roles[0], "Validation", "Lending", "Generation", "KeyGeneration", "CutOff")
	return in
}

func TestAnIntegrationComesBackAsItWas(t *testing.T) {
	in := integration(t)
	shown := convert.Integration(&in)
	shown.Runner = string(in.Runner)
	back, err := convert.FromIntegration(travel(t, shown))
	if err != nil {
		t.Fatal(err)
	}
	same(t, in, back)
}

func TestWhatIsReadCanBeWrittenBack(t *testing.T) {
	in := integration(t)
	in.Enabled, in.Roles[0].Enabled = false, false
	in.Roles[0].Validation = &rolebroker.Validation{Status: rolebroker.StatusFailed,
		Hint: rolebroker.TextHint(strings.Repeat("long", 1000))}
	in.RunnerName = string(in.Runner)
	request := convert.Request(travel(t, convert.Integration(&in)))
	if request.ID != "int_a" || request.Roles[0].Validation != nil || request.Roles[0].State != nil ||
		request.State != nil {
		t.Errorf("the request is %+v", request)
	}
	back, wrong := convert.FromRequest(travel(t, request))
	if len(wrong) > 0 {
		t.Errorf("%v is wrong with it", wrong)
	}
	want := in
	want.ID, want.NextExternalID, want.Version, want.CreatedAt, want.UpdatedAt, want.RunnerName = "", "", 0, time.Time{}, time.Time{}, ""
	want.Roles = []rolebroker.Role{in.Roles[0]}
	want.Roles[0].Validation = nil
	same(t, want, back)
}

func TestAnAgentAndARunnerCanBeWrittenBack(t *testing.T) {
	agent := convert.AgentRequest(api.Agent{ID: "agt_a", Name: "scout", Description: "Looks around", Disabled: true,
		Connections: []api.Connection{{Integration: "production"}}, DefaultIntegration: "production", Version: 3})
	if agent.ID != "agt_a" || agent.Name != "scout" || agent.Description != "Looks around" || !agent.Disabled ||
		agent.Connections != nil || agent.DefaultIntegration != nil {
		t.Errorf("the request is %+v", agent)
	}
	same(t, api.RunnerRequest{Name: "eks", Description: "The cluster", Issuer: "https://oidc.example.com"},
		convert.RunnerRequest(api.Runner{ID: "run_a", Name: "eks", Description: "The cluster",
			Issuer: "https://oidc.example.com",
			Status: "away", Pending: 3}))
}

// Requests accept every field that an answer has.
func TestRequestsHaveTheFieldsOfAnswers(t *testing.T) {
	for answer, request := range map[reflect.Type]reflect.Type{
		reflect.TypeFor[api.Integration](): reflect.TypeFor[api.IntegrationRequest](),
		reflect.TypeFor[api.Role]():        reflect.TypeFor[api.RoleRequest](),
		reflect.TypeFor[api.Agent]():       reflect.TypeFor[api.AgentRequest](),
		reflect.TypeFor[api.Connection]():  reflect.TypeFor[api.ConnectionRequest](),

		reflect.TypeFor[api.ApprovalRule](): reflect.TypeFor[api.ApprovalRuleRequest](),
	} {
		known := map[string]bool{}
		for i := range request.NumField() {
			known[name(request.Field(i))] = true
		}
		for i := range answer.NumField() {
			if field := name(answer.Field(i)); !known[field] {
				t.Errorf("%s has no %s, as %s has", request, field, answer)
			}
		}
	}
}

func name(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func TestARequestSaysWhatItLeavesOut(t *testing.T) {
	in, wrong := convert.FromRequest(api.IntegrationRequest{Roles: []api.RoleRequest{{ARN: "arn:aws:iam::444455556666:role/X"}}})
	if len(wrong) > 0 || in.AssumptionMode != rolebroker.ModePlatform || !in.Roles[0].Enabled ||
		in.Roles[0].Duration() != time.Hour {
		t.Errorf("it is %+v, and %v is wrong", in, wrong)
	}
	off := false
	in, wrong = convert.FromRequest(api.IntegrationRequest{Roles: []api.RoleRequest{
		{ARN: "arn:aws:iam::444455556666:role/X", Enabled: &off}, {ARN: "nonsense", SessionDuration: "soon"}}})
	var paths []string
	for _, f := range wrong {
		paths = append(paths, f.Path)
	}
	same(t, []string{"roles[1].arn", "roles[1].session_duration"}, paths)
	if in.Roles[0].Enabled {
		t.Error("the role is enabled")
	}
}

func TestARunnerIsToldWhatItNeeds(t *testing.T) {
	in := integration(t)
	in.RunnerName = "eks"
	in.Roles[0].Validation = &rolebroker.Validation{Status: rolebroker.StatusFailed}
	in.Roles[0].Lending = &rolebroker.Lending{Agent: "somebody else", At: now}
	in.Roles[0].Generation, in.Roles[0].KeyGeneration = 5, 4
	grants := &rolebroker.Grants{
		Agent: rolebroker.Agent{ID: "agt_a", Name: "scout", Description: "Looks around", Disabled: true,
			DefaultIntegration: "int_a",
			Connections: []rolebroker.Connection{{Integration: "int_a", IntegrationName: "production",
				ConnectedAt: now, Access: rolebroker.AccessPolicy, SessionPolicy: `{"Version":"2012-10-17"}`,
				Roles: []rolebroker.ConnectionRole{{ID: in.Roles[0].ID, Name: in.Roles[0].Name}},
				Keys:  rolebroker.KeysWithheld, ExemptPolicy: `{"Version":"2012-10-17"}`, AllowedActions: []string{"sts:GetSessionToken"},
				Approval: rolebroker.ApprovalBorrow}}, Version: 3, CreatedAt: now, UpdatedAt: now},
		Integrations: []rolebroker.Integration{in},
		Requests: []rolebroker.OpenRequest{{ID: "req_a", Integration: "int_a", Role: "rol_a", Task: "deploy",
			ARN: in.Roles[0].ARN, PolicyHash: "abc", About: rolebroker.ApprovalBorrow,
			Access: rolebroker.AccessFull, Approved: true, Until: now}},
	}
	asked := grants.Requests[0]
	asked.ID, asked.About = "req_w", rolebroker.ApprovalWrite // a question of the gateway's, which is no leave to borrow
	grants.Requests = append(grants.Requests, asked)
	full(t, grants.Requests[0], "Narrowed", "Call")
	full(t, grants.Agent, "Owner", "OwnerName", "CutOff")
	back, err := convert.FromGrants(travel(t, convert.Grants(grants)))
	if err != nil {
		t.Fatal(err)
	}
	want := integration(t)
	want.Description, want.CreatedAt, want.UpdatedAt = "", time.Time{}, time.Time{}
	want.Roles[0].Generation, want.Roles[0].KeyGeneration = 5, 4
	same(t, &rolebroker.Grants{
		Agent: rolebroker.Agent{ID: "agt_a", Name: "scout", Disabled: true, DefaultIntegration: "int_a",
			Connections: []rolebroker.Connection{{Integration: "int_a", IntegrationName: want.Name,
				Access: rolebroker.AccessPolicy, SessionPolicy: `{"Version":"2012-10-17"}`,
				Roles: []rolebroker.ConnectionRole{{ID: in.Roles[0].ID, Name: in.Roles[0].Name}},
				Keys:  rolebroker.KeysWithheld, ExemptPolicy: `{"Version":"2012-10-17"}`, AllowedActions: []string{"sts:GetSessionToken"},
				Approval: rolebroker.ApprovalBorrow}}},
		Integrations: []rolebroker.Integration{want},
		Requests:     grants.Requests[:1],
	}, back)
	sent := convert.Grants(grants)
	if told := sent.Integrations[0]; told.State != (api.IntegrationState{}) || told.Roles[0].State.Agent != "" {
		t.Errorf("a runner is told states: %+v", told)
	}
	sent.KeyGenerations = nil // of a server of an earlier version: no key for the gateway counts
	back, err = convert.FromGrants(sent)
	if err != nil || back.Integrations[0].Roles[0].KeyGeneration != math.MaxInt64 {
		t.Errorf("without the generations of keys: %+v, %v", back, err)
	}
	sent.Integrations[0].Roles[0].ARN = "of a future form"
	if _, err := convert.FromGrants(sent); rolebroker.CodeOf(err) != rolebroker.CodeInternal ||
		!strings.Contains(err.Error(), "roles[0].arn") {
		t.Errorf("the error is %v", err)
	}
}

func TestWhatARunnerTriesComesBackAsItWas(t *testing.T) {
	tried := rolebroker.Tried{Agents: []string{"scout"}, Connected: true, Policies: []rolebroker.TriedPolicy{
		{Access: rolebroker.AccessPolicy, SessionPolicy: "{}", Ends: true, Roles: []rolebroker.RoleID{"rol_a"},
			Agents: []string{"scout"}, Count: 1}}}
	full(t, tried)
	full(t, tried.Policies[0])
	same(t, tried, convert.FromTried(travel(t, convert.Tried(tried))))
	request := convert.ValidationRequest(&rolebroker.ValidationRequest{Integration: integration(t), Tried: tried})
	same(t, tried, convert.FromTried(travel(t, request).Tried))
	same(t, tried, convert.FromTried(travel(t, api.RunnerIntegration{Integration: request.Integration,
		Tried: request.Tried}).Tried))
}

func TestWhatARunnerTellsComesBackAsItWas(t *testing.T) {
	report := rolebroker.RunnerReport{Program: "1.0.0", Method: rolebroker.MethodAssumeRole, IdentityError: "none",
		Issuer: "https://oidc.example.com", Pending: 3,
		Identity: rolebroker.Identity{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/x", UserID: "AIDA"}}
	full(t, report)
	same(t, report, convert.FromRunnerReport(travel(t, convert.RunnerReport(report))))

	change := rolebroker.Change{Agent: "agt_a", Integration: "int_a", Role: "rol_a", Ended: true}
	full(t, change, "Validate")
	same(t, change, convert.FromChange(travel(t, convert.Change(change))))

	account := rolebroker.ServiceAccount{Issuer: "https://oidc.example.com", Namespace: "agents", Name: "scout"}
	full(t, account)
	same(t, account, convert.FromServiceAccount(travel(t, convert.ServiceAccount(account))))

	for _, token := range []rolebroker.Token{
		{ID: "tok_a", Agent: "agt_a", CreatedAt: now, ExpiresAt: now.Add(time.Hour), RevokedAt: now.Add(time.Minute)},
		{ID: "bnd_a", Agent: "agt_a", CreatedAt: now},
	} {
		same(t, &token, convert.FromTokenRecord(travel(t, convert.TokenRecord(&token))))
	}

	session := rolebroker.Session{ID: "ses_a", Agent: "agt_a", AgentName: "scout", Integration: "int_a",
		IntegrationName: "production", Role: "rol_a", RoleName: "readonly",
		ARN: integration(t).Roles[0].ARN, Region: "us-east-1", Task: "deploy", SessionName: "scout@deploy",
		Workload: rolebroker.Workload{Namespace: "agents", ServiceAccount: "scout", Pod: "scout-0"},
		Token:    "tok_a", Address: "192.0.2.7", AccessRequest: "req_a",
		Access: rolebroker.AccessPolicy, PolicyHash: "f00", Narrowed: true, Keys: rolebroker.KeysWithheld,
		RequestedAt: now, ExpiresAt: now.Add(time.Hour)}
	full(t, session, "State", "Runner", "RunnerID", "AccessKeyID", "RequestID", "Failure", "Refused", "Fetches",
		"FetchedAt", "EndedAt", "EndedBy", "Request")
	back, err := convert.FromRunnerSession(travel(t, convert.RunnerSession(&session)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, session, back)

	call := rolebroker.Call{ID: "cal_a", EndedAt: now, Agent: "agt_a", Token: "tok_a", Address: "192.0.2.7",
		Integration: "int_a", Role: "rol_a", Task: "deploy", Session: "ses_a", AccessRequest: "req_a",
		Service: "dynamodb", Operation: "PutItem", Actions: []string{"dynamodb:PutItem"}, Region: "us-east-1",
		Resources: []string{"*"},
		Level:     rolebroker.CallWrite, Decision: rolebroker.CallAllowed, Code: "denied", Reason: "no", Times: 2,
		Status: 200, RequestID: "r-1", BytesIn: 3, BytesOut: 4}
	full(t, call, "AgentName", "IntegrationName", "RoleName", "ARN", "ValidUntil")
	same(t, call, convert.FromRunnerCall(travel(t, convert.RunnerCall(&call))))

	key := rolebroker.GatewayKey{Agent: "agt_a", Token: "tok_a", Integration: "int_a", Role: "rol_a", Task: "deploy",
		Access: rolebroker.AccessReadOnly, Generation: 7, Expires: now}
	full(t, key)
	opened := travel(t, convert.OpenedKey(key, rolebroker.NewSecret("secret")))
	same(t, key, convert.FromOpenedKey(opened))
	same(t, "secret", opened.Secret.Reveal())

	outcome := rolebroker.Session{ID: "ses_a", State: rolebroker.SessionFailed, ExpiresAt: now, AccessKeyID: "ASIA",
		RequestID: "r-1", Failure: "no", Refused: rolebroker.RefusedDenied}
	same(t, outcome, convert.FromSessionOutcome("ses_a", travel(t, convert.SessionOutcome(&outcome))))

	finding := rolebroker.Finding{Code: rolebroker.ValidTagSessionDenied, Method: rolebroker.MethodAssumeRole,
		Identity: rolebroker.Identity{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/eks"},
		Account: rolebroker.ServiceAccount{Issuer: "https://oidc.example.com", Namespace: "rolebroker",
			Name: "runner"},
		Probe: rolebroker.ProbeSourceIdentity, Unclear: true, NoTags: true, NoSourceIdentity: true, RequestID: "r-2",
		SessionName: "scout@deploy", RefusedAgent: "reader", Inherited: true, OwnSide: rolebroker.OwnSideDenies,
		TooLarge: []string{"scout"},
		Refusal: &rolebroker.Refusal{Kind: rolebroker.RefusedDenied, Code: "AccessDenied", Message: "no",
			RequestID: "r-2",
			DeniedBy:  rolebroker.DeniedByTrust, Chained: true, Action: rolebroker.ActionTagSession,
			Lack: rolebroker.LackLogin},
		CheckedAt: now.Add(time.Millisecond)}
	full(t, finding, "ExternalID") // which a runner does not know
	full(t, finding.Identity, "UserID", "RoleARN")
	full(t, *finding.Refusal, "Cause", "Profile") // a profile of the runner, which nobody else has
	sent := convert.Outcome(&rolebroker.RoleValidation{Role: rolebroker.Role{ID: "rol_a"}, Finding: finding,
		Validation: rolebroker.Validation{Code: finding.Code, RequestID: "r-2", CheckedAt: finding.CheckedAt,
			Message: "no", Hint: rolebroker.TextHint("do it")}})
	if sent.Hint != "" || sent.Message != "no" {
		t.Errorf("a runner sends the hint %q and the message %q", sent.Hint, sent.Message)
	}
	same(t, map[rolebroker.RoleID]rolebroker.Finding{"rol_a": finding},
		convert.FromOutcomes(travel(t, []api.IdentifiedOutcome{sent})))
}

func TestAnOfferComesBackAsItWas(t *testing.T) {
	offer := rolebroker.Offer{Reference: "production/readonly", Integration: "production", Name: "readonly",
		ARN: integration(t).Roles[0].ARN, Region: "us-east-1", Access: rolebroker.AccessReadOnly,
		Keys: rolebroker.KeysWithheld, Default: true, NeedsApproval: true,
		ChangesNeedApproval: true, CallsNeedApproval: true}
	full(t, offer)
	back, err := convert.FromOffer(travel(t, convert.Offer(&offer)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, offer, back)
	for field, change := range map[string]func(*api.Offer){
		"arn": func(o *api.Offer) { o.ARN = "x" }, "region": func(o *api.Offer) { o.Region = "$(id)" },
		"integration": func(o *api.Offer) {
			o.Integration = "a\nb"
		}, "name": func(o *api.Offer) { o.Name = "]" }, "reference": func(o *api.Offer) { o.Reference = "other" },
	} {
		shown := convert.Offer(&offer)
		change(&shown)
		if _, err := convert.FromOffer(shown); err == nil || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("a bad %s: %v", field, err)
		}
	}
}

// The AWS SDKs parse these names, and some of them only this form of the time.
func TestCredentialsAreWhatTheSDKsRead(t *testing.T) {
	loan := &rolebroker.Loan{Role: integration(t).Roles[0], Credentials: rolebroker.Credentials{AccessKeyID: "ASIA",
		SecretAccessKey: rolebroker.NewSecret("s"), SessionToken: rolebroker.NewSecret("t"),
		Expires: now.Add(time.Millisecond).In(time.FixedZone("", 3600))}}
	text, err := json.Marshal(convert.Credentials(loan))
	const want = `{"AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2026-03-14T09:26:53Z",` +
		`"RoleArn":"arn:aws:iam::444455556666:role/team/ReadOnly","AccountId":"444455556666"}`
	if err != nil || string(text) != want {
		t.Errorf("the credentials are %s (%v), want %s", text, err, want)
	}
}

// A list in an answer is [] rather than null.
func TestEmptyListsAreNotNull(t *testing.T) {
	for _, v := range []any{
		convert.Integration(&rolebroker.Integration{}), convert.Agent(&rolebroker.Agent{}),
		convert.Validations(nil, ""),
		convert.Setup(&rolebroker.Setup{}), convert.Grants(&rolebroker.Grants{}),
	} {
		if text, err := json.Marshal(v); err != nil || strings.Contains(string(text), "null") {
			t.Errorf("%T is %s (%v)", v, text, err)
		}
	}
}

func TestStatuses(t *testing.T) {
	for want, token := range map[string]rolebroker.Token{
		"active": {ExpiresAt: now.Add(1)}, "expired": {ExpiresAt: now}, "revoked": {ExpiresAt: now, RevokedAt: now},
	} {
		if got := convert.Token(&token, now).Status; got != want {
			t.Errorf("a token is %s, want %s", got, want)
		}
	}
	if got := convert.Token(&rolebroker.Token{}, now); got.Status != "active" || got.ExpiresAt != nil ||
		got.UsedAt != nil {
		t.Errorf("a token that does not expire is %+v", got)
	}
	if got := convert.APIKey(&rolebroker.APIKey{ExpiresAt: now}, now).Status; got != "expired" {
		t.Errorf("a key is %s", got)
	}
	for want, runner := range map[string]rolebroker.Runner{
		"waiting": {}, "connected": {JoinedAt: now, SeenAt: now},
		"away": {JoinedAt: now, SeenAt: now.Add(-time.Minute)},
	} {
		if got := convert.Runner(&runner, now).Status; got != want {
			t.Errorf("a runner is %s, want %s", got, want)
		}
	}
}

func TestAnIntegrationShowsItsState(t *testing.T) {
	in := integration(t)
	in.Roles[0].Lending = &rolebroker.Lending{Refused: rolebroker.RefusedDenied, Message: "no", RequestID: "r-1",
		Agent: "scout", By: "eks", At: now.Add(time.Second / 2), Since: now.Add(-time.Hour)}
	full(t, *in.Roles[0].Lending)
	shown := travel(t, convert.Integration(&in))
	since := now.Add(-time.Hour)
	same(t, api.RoleState{Status: "failed", Code: "denied", Message: "no", RequestID: "r-1", From: "refusal",
		Hint:  "find out what to change: rolebroker integration validate production",
		Agent: "scout", CheckedAt: &now, CheckedBy: "eks", Since: &since,
		HintSteps: shown.Roles[0].State.HintSteps}, shown.Roles[0].State)
	same(t, api.IntegrationState{Status: "failed", Enabled: 1, Failed: 1, CheckedAt: &now, CheckedBy: "eks"}, shown.State)
}
