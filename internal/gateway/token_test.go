package gateway_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/gateway"
)

// tokenWorld is a gateway that signs AWS tokens for the agent scout, which has one role.
type tokenWorld struct {
	*testing.T
	gateway    *gateway.Gateway
	ledger     ledger
	connection rolebroker.Connection
	expires    time.Time // of loans
	denial     error
	requests   []rolebroker.OpenRequest
	approval   rolebroker.AccessRequestID
	unapproved error
	asked      []string // what people were asked
	meanwhile  func()   // what happens while they think; nil: nothing
	role       rolebroker.Role
	endpoint   string
}

func newTokenWorld(t *testing.T) *tokenWorld {
	w := &tokenWorld{T: t, expires: now.Add(time.Hour), connection: rolebroker.Connection{Integration: "int_p",
		IntegrationName: "production", Access: rolebroker.AccessFull, Keys: rolebroker.KeysWithheld,
		Approval: rolebroker.ApprovalWrite}, role: tokenRole}
	w.gateway = gateway.New(gateway.Options{Lender: w, Approver: w, Records: &w.ledger, URLLifetime: time.Hour,
		Now: func() time.Time { return now }, Endpoint: func(endpoint.Service) string { return w.endpoint }})
	return w
}

var tokenRole = rolebroker.Role{ID: "rol_d", Name: "deployer", Region: "eu-west-1", Enabled: true,
	ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/", Name: "Deployer"}}

func (w *tokenWorld) Lend(_ context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	if !req.Signing {
		w.Error("the gateway asks for keys to lend")
	}
	narrowed, _, err := w.connection.Narrow(req.Access)
	if w.denial != nil || err != nil {
		return nil, errors.Join(w.denial, err)
	}
	return &rolebroker.Loan{Session: "ses_1", Role: w.role, Access: narrowed.Access,
		Credentials: rolebroker.Credentials{AccessKeyID: "ASIAREAL",
			SecretAccessKey: rolebroker.NewSecret("real secret"), SessionToken: rolebroker.NewSecret("real token"),
			Expires: w.expires}}, nil
}

func (w *tokenWorld) May(context.Context, rolebroker.Caller, rolebroker.Request) error {
	return w.denial
}

func (w *tokenWorld) Holds(context.Context, rolebroker.Caller, rolebroker.Request, *rolebroker.Loan) error {
	return nil
}

func (w *tokenWorld) Grants(context.Context, rolebroker.AgentID) (*rolebroker.Grants, error) {
	in := rolebroker.Integration{ID: "int_p", Name: "production", Enabled: true, DefaultRole: "rol_d",
		AssumptionMode: rolebroker.ModePlatform, Roles: []rolebroker.Role{w.role}}
	return &rolebroker.Grants{Agent: rolebroker.Agent{ID: "agt_scout", Name: "scout", DefaultIntegration: "int_p",
		Connections: []rolebroker.Connection{w.connection}}, Integrations: []rolebroker.Integration{in},
		Requests: w.requests}, nil
}

func (w *tokenWorld) MayCall(_ context.Context, _ rolebroker.Caller, _ rolebroker.Request, call *rolebroker.AskedCall,
	_ time.Duration) (rolebroker.AccessRequestID, error) {
	w.asked = append(w.asked, call.String())
	if w.meanwhile != nil {
		w.meanwhile()
	}
	return w.approval, w.unapproved
}

// token asks for a token.
func (w *tokenWorld) token(ask rolebroker.AWSTokenRequest) (*rolebroker.AWSToken, error) {
	ask.Role = "deployer"
	return w.gateway.Token(w.Context(), rolebroker.Caller{Agent: "agt_scout", Token: "tok_scout"}, ask)
}

// made is a token that there has to be.
func (w *tokenWorld) made(ask rolebroker.AWSTokenRequest) *rolebroker.AWSToken {
	w.Helper()
	made, err := w.token(ask)
	if err != nil {
		w.Fatal(err)
	}
	return made
}

const (
	dbHost  = "orders.c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com"
	gitHost = "git-codecommit.eu-west-1.amazonaws.com"
)

// Requests of each kind.
var (
	askEKS = rolebroker.AWSTokenRequest{Kind: "eks", Cluster: "production"}
	askRDS = rolebroker.AWSTokenRequest{Kind: "rds", Host: dbHost, Port: 5432, User: "app@x"}
	askGit = rolebroker.AWSTokenRequest{Kind: "codecommit", Host: gitHost, Path: "v1/repos/orders"}
	askGet = rolebroker.AWSTokenRequest{Kind: "s3", Bucket: "reports", Key: "2026/march +ü%.csv",
		Lifetime: 5 * time.Minute}
	askPut = rolebroker.AWSTokenRequest{Kind: "s3", Bucket: "reports", Key: "a//b", Method: "PUT",
		Lifetime: 5 * time.Minute}
)

// TestTokensAreThoseOfTheAWSCLI compares them with what the AWS CLI and botocore make of the same keys at that time.
func TestTokensAreThoseOfTheAWSCLI(t *testing.T) {
	w := newTokenWorld(t)
	theirs := map[string]string{}
	file, err := os.Open("testdata/tokens.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, token, _ := strings.Cut(lines.Text(), " ")
		theirs[name] = token
	}
	for name, ask := range map[string]rolebroker.AWSTokenRequest{"eks": askEKS, "rds": askRDS, "codecommit": askGit,
		"get_object": askGet, "put_object": askPut} {
		ours := w.made(ask).Token.Reveal()
		if name == "eks" {
			encoded, ok := strings.CutPrefix(ours, "k8s-aws-v1.")
			decoded, err := base64.RawURLEncoding.DecodeString(encoded)
			if ours = string(decoded); !ok || err != nil {
				t.Errorf("the token of eks is %q, %v", encoded, err)
			}
		}
		if diff := cmp.Diff(parts(t, theirs[name]), parts(t, ours)); diff != "" {
			t.Errorf("%s (-AWS CLI +rolebroker):\n%s", name, diff)
		}
	}
	if git := w.made(askGit).Username.Reveal(); git != "ASIAREAL%real token" {
		t.Errorf("Git's user is %q", git)
	}
}

// parts are the address and the parameters of a URL, which have no order.
func parts(t *testing.T, text string) []string {
	address, query, _ := strings.Cut(text, "?")
	all := []string{address}
	for part := range strings.SplitSeq(query, "&") {
		all = append(all, part)
	}
	slices.Sort(all[1:])
	if len(all[0]) < 50 && query == "" {
		t.Errorf("%q is no token", text)
	}
	return all
}

func TestTheRecordOfATokenIsThereBeforeTheToken(t *testing.T) {
	for _, c := range []struct {
		ask       rolebroker.AWSTokenRequest
		operation string
		actions   string
		resources string
		level     rolebroker.CallLevel
		lasts     time.Duration
	}{
		{askEKS, "eks GetToken", "eks:GetToken", "arn:aws:eks:eu-west-1:444455556666:cluster/production", "write",
			15 * time.Minute},
		{askRDS, "rds GenerateDBAuthToken", "rds-db:connect", "arn:aws:rds-db:eu-west-1:444455556666:dbuser:*/app@x " +
			"arn:aws:rds:eu-west-1:444455556666:db:orders", "permissions", 15 * time.Minute},
		{askGit, "codecommit GitCredentials", "codecommit:GitPull codecommit:GitPush",
			"arn:aws:codecommit:eu-west-1:444455556666:orders", "write", 15 * time.Minute},
		{askGet, "s3 GetObject", "s3:GetObject", "arn:aws:s3:::reports/2026/march +ü%.csv", "read", 5 * time.Minute},
		{askPut, "s3 PutObject", "s3:PutObject", "arn:aws:s3:::reports/a//b", "write", 5 * time.Minute},
	} {
		w := newTokenWorld(t)
		made := w.made(c.ask)
		call, ok := w.ledger.calls[made.Call]
		if !ok {
			t.Errorf("%s has no record", c.operation)
		}
		want := rolebroker.Call{ID: made.Call, EndedAt: now, Agent: "agt_scout", AgentName: "scout", Token: "tok_scout",
			Integration: "int_p", IntegrationName: "production", Role: "rol_d", RoleName: "deployer",
			ARN: tokenRole.ARN, Session: "ses_1", Region: "eu-west-1", Actions: strings.Fields(c.actions),
			Resources: call.Resources,
			Level:     c.level, Decision: "allowed", Times: 1, ValidUntil: now.Add(c.lasts)}
		want.Service, want.Operation, _ = strings.Cut(c.operation, " ")
		if diff := cmp.Diff(want, call); diff != "" || strings.Join(call.Resources, " ") != c.resources {
			t.Errorf("%s is recorded on %q (-want +got):\n%s", c.operation, call.Resources, diff)
		}
		if call.Outcome() != rolebroker.OutcomeHandedOut || !made.Expires.Equal(call.ValidUntil) {
			t.Errorf("%s: the outcome is %s; it ends at %s", c.operation, call.Outcome(), made.Expires)
		}
		w.ledger.fails(errors.New("disk full"))
		if made, err := w.token(c.ask); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable || made != nil {
			t.Errorf("without a record %s is handed out: %v", c.operation, err)
		}
	}
}

// TestAnAgentChoosesNoRequestOfItsOwn has what a hostile agent could want to be signed. Each refusal names the field.
func TestAnAgentChoosesNoRequestOfItsOwn(t *testing.T) {
	eks := func(cluster string) rolebroker.AWSTokenRequest {
		return rolebroker.AWSTokenRequest{Kind: "eks", Cluster: cluster}
	}
	rds := func(host string, port int, user string) rolebroker.AWSTokenRequest {
		return rolebroker.AWSTokenRequest{Kind: "rds", Host: host, Port: port, User: user}
	}
	git := func(host, path string) rolebroker.AWSTokenRequest {
		return rolebroker.AWSTokenRequest{Kind: "codecommit", Host: host, Path: path}
	}
	s3 := func(bucket, key, method string, life time.Duration) rolebroker.AWSTokenRequest {
		return rolebroker.AWSTokenRequest{Kind: "s3", Bucket: bucket, Key: key, Method: method, Lifetime: life}
	}
	regionOf := func(r rolebroker.AWSTokenRequest, region rolebroker.Region) rolebroker.AWSTokenRequest {
		r.Region = region
		return r
	}
	for name, c := range map[string]struct {
		ask   rolebroker.AWSTokenRequest
		field string
	}{
		"no kind":                 {rolebroker.AWSTokenRequest{}, "kind"},
		"a header in the cluster": {eks("production\r\nX-Evil: 1"), "cluster_name"},
		"no cluster":              {eks(""), "cluster_name"},
		"a region of nowhere":     {regionOf(askEKS, "evil.example/"), "region"},
		"a region of China":       {regionOf(askEKS, "cn-north-1"), "region"},
		"a bucket for a cluster":  {rolebroker.AWSTokenRequest{Kind: "eks", Cluster: "c", Bucket: "b"}, "bucket"},
		"a life for a cluster":    {rolebroker.AWSTokenRequest{Kind: "eks", Cluster: "c", Lifetime: 1e9}, "expires_in"},
		"a foreign database":      {rds("db.evil.example", 5432, "app"), "hostname"},
		"a foreign suffix":        {rds(dbHost+".evil.example", 5432, "app"), "hostname"},
		"STS as a database":       {rds("sts.eu-west-1.amazonaws.com", 443, "app"), "hostname"},
		"no database":             {rds("eu-west-1.rds.amazonaws.com", 5432, "app"), "hostname"},
		"a database in China":     {rds("orders.c1.rds.cn-north-1.amazonaws.com.cn", 5432, "app"), "hostname"},
		"a path in the host":      {rds(dbHost+"/?Action=x&", 5432, "app"), "hostname"},
		"a port in the host":      {rds(dbHost+":1", 5432, "app"), "hostname"},
		"capitals in the host":    {rds(strings.ToUpper(dbHost), 5432, "app"), "hostname"},
		"no port":                 {rds(dbHost, 0, "app"), "port"},
		"a large port":            {rds(dbHost, 65536, "app"), "port"},
		"a parameter in the user": {rds(dbHost, 5432, "app&Action=GetCallerIdentity"), "username"},
		"a line in the user":      {rds(dbHost, 5432, "app\nadmin"), "username"},
		"another region":          {regionOf(askRDS, "us-east-1"), "region"},
		"a foreign Git":           {git("git-codecommit.eu-west-1.evil.example", "v1/repos/orders"), "hostname"},
		"S3 as Git":               {git("s3.eu-west-1.amazonaws.com", "v1/repos/orders"), "hostname"},
		"a host before Git":       {git("evil.git-codecommit.eu-west-1.amazonaws.com", "v1/repos/orders"), "hostname"},
		"a path that is no Git":   {git(gitHost, "orders"), "path"},
		"a path that goes up":     {git(gitHost, "v1/repos/.."), "path"},
		"a line in the path":      {git(gitHost, "v1/repos/orders\nhost:evil"), "path"},
		"a query in the path":     {git(gitHost, "v1/repos/orders?x"), "path"},
		"another host as bucket":  {s3("evil.example/", "k", "", 0), "bucket"},
		"an account as bucket":    {s3("b@evil.example", "k", "", 0), "bucket"},
		"an IP as bucket":         {s3("192.0.2.1", "k", "", 0), "bucket"},
		"a directory bucket":      {s3("b--use1-az4--x-s3", "k", "", 0), "bucket"},
		"no key":                  {s3("reports", "", "", 0), "key"},
		"a key that goes up":      {s3("reports", "a/../../other/k", "", 0), "key"},
		"a line in the key":       {s3("reports", "k\r\nHost: evil", "", 0), "key"},
		"bytes in the key":        {s3("reports", "k\xff", "", 0), "key"},
		"a long key":              {s3("reports", strings.Repeat("k", 1025), "", 0), "key"},
		"another method":          {s3("reports", "k", "POST", 0), "method"},
		"a method in small":       {s3("reports", "k", "put", 0), "method"},
		"a huge lifetime":         {s3("reports", "k", "", 61*time.Minute), "expires_in"},
		"no lifetime":             {s3("reports", "k", "", -time.Second), "expires_in"},
		"a part of a second":      {s3("reports", "k", "", 1500*time.Millisecond), "expires_in"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokenWorld(t)
			made, err := w.token(c.ask)
			e := rolebroker.AsError(err)
			if err == nil || e.Code != rolebroker.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Path != c.field {
				t.Errorf("it is answered with %v, %v %+v", made, err, e.Fields)
			}
			if len(w.ledger.calls) > 0 || len(w.asked) > 0 {
				t.Errorf("there is a record, or people are asked %q", w.asked)
			}
		})
	}
}

// TestNoURLsWhereTheOperatorPermitsNone also asks for the limit.
func TestNoURLsWhereTheOperatorPermitsNone(t *testing.T) {
	w := newTokenWorld(t)
	w.gateway.URLLifetime = 0
	if _, err := w.token(askGet); rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
		t.Errorf("a URL is answered with %v", err)
	}
	w.gateway.URLLifetime = time.Minute
	short := askGet
	short.Lifetime = 0
	if made := w.made(short); !made.Expires.Equal(now.Add(time.Minute)) {
		t.Errorf("a URL lasts until %s", made.Expires)
	}
	w.made(askEKS)
}

func TestWhereURLsGo(t *testing.T) {
	for _, c := range []struct{ endpoint, bucket, region, want string }{
		{"", "reports", "", "https://reports.s3.eu-west-1.amazonaws.com/k"},
		{"", "reports", "us-east-1", "https://reports.s3.us-east-1.amazonaws.com/k"},
		{"", "reports.example.com", "", "https://s3.eu-west-1.amazonaws.com/reports.example.com/k"},
		{"http://minio:9000/", "reports", "", "http://minio:9000/reports/k"},
		{"https://proxy/s3", "reports", "", "https://proxy/s3/reports/k"},
	} {
		w := newTokenWorld(t)
		w.endpoint = c.endpoint
		made := w.made(rolebroker.AWSTokenRequest{Kind: "s3", Bucket: c.bucket, Key: "k",
			Region: rolebroker.Region(c.region)})
		if address, _, _ := strings.Cut(made.Token.Reveal(), "?"); address != c.want {
			t.Errorf("%+v goes to %s", c, address)
		}
	}
}

func TestHostsOfDatabasesAndRepositories(t *testing.T) {
	for host, resource := range map[string]string{
		"orders.c1.eu-west-1.rds.amazonaws.com":                "rds:eu-west-1:444455556666:db:orders",
		"orders.cluster-c1.us-east-2.rds.amazonaws.com":        "rds:us-east-2:444455556666:cluster:orders",
		"orders.cluster-ro-c1.eu-west-1.rds.amazonaws.com":     "rds:eu-west-1:444455556666:cluster:orders",
		"orders.cluster-custom-c1.eu-west-1.rds.amazonaws.com": "rds:eu-west-1:444455556666:cluster-endpoint:orders",
		"orders.proxy-c1.eu-west-1.rds.amazonaws.com":          "rds:eu-west-1:444455556666:db-proxy:orders",
		"reader.endpoint.proxy-c1.eu-west-1.rds.amazonaws.com": "rds:eu-west-1:444455556666:db-proxy-endpoint:reader",
	} {
		w := newTokenWorld(t)
		made := w.made(rolebroker.AWSTokenRequest{Kind: "rds", Host: host, Port: 3306, User: "app"})
		if got := w.ledger.calls[made.Call].Resources; len(got) != 2 || got[1] != "arn:aws:"+resource {
			t.Errorf("%s is of %q", host, got)
		}
		if got := made.Token.Reveal(); !strings.HasPrefix(got, host+":3306/?Action=connect") ||
			!strings.Contains(got, url.QueryEscape("/"+string(made.Region)+"/rds-db/aws4_request")) {
			t.Errorf("%s has the token %q", host, got)
		}
	}
	for _, host := range []string{"git-codecommit.us-east-1.amazonaws.com",
		"git-codecommit-fips.us-east-1.amazonaws.com", "vpce-0a1b.git-codecommit.us-east-1.vpce.amazonaws.com"} {
		w := newTokenWorld(t)
		made := w.made(rolebroker.AWSTokenRequest{Kind: "codecommit", Host: host, Path: "v1/repos/o"})
		if made.Region != "us-east-1" {
			t.Errorf("%s is in %s", host, made.Region)
		}
	}
}

// TestAccessOfTokens has the tokens that each access lets an agent have: + for one, - for none.
func TestAccessOfTokens(t *testing.T) {
	asks := map[string]rolebroker.AWSTokenRequest{"eks": askEKS, "rds": askRDS, "git": askGit, "get": askGet,
		"put": askPut}
	for _, c := range []struct {
		access  rolebroker.Access
		ask     rolebroker.Access
		allowed []string
		want    string
	}{
		{rolebroker.AccessFull, "", nil, "eks+ get+ git+ put+ rds+"},
		{rolebroker.AccessFull, rolebroker.AccessReadOnly, nil, "eks- get+ git+ put- rds-"},
		{rolebroker.AccessReadOnly, "", nil, "eks- get+ git+ put- rds-"},
		{rolebroker.AccessReadOnly, "", []string{"eks:GetToken"}, "eks+ get+ git+ put- rds-"},
		{rolebroker.AccessReadOnly, rolebroker.AccessReadOnly, []string{"eks:GetToken"}, "eks- get+ git+ put- rds-"},
		{rolebroker.AccessViewOnly, "", nil, "eks- get- git- put- rds-"},
		{rolebroker.AccessPolicy, "", nil, "eks- get+ git+ put+ rds+"},
		{rolebroker.AccessPolicy, "", []string{"eks:gettoken"}, "eks+ get+ git+ put+ rds+"},
	} {
		w := newTokenWorld(t)
		w.connection.Access, w.connection.AllowedActions = c.access, c.allowed
		var got []string
		for name, ask := range asks {
			ask.Access = c.ask
			switch made, err := w.token(ask); {
			case err == nil:
				got = append(got, name+"+")
				if call := w.ledger.calls[made.Call]; name == "git" && c.access == rolebroker.AccessReadOnly &&
					!slices.Equal(call.Actions, []string{"codecommit:GitPull"}) {
					t.Errorf("a token that only reads is for %q", call.Actions)
				}
			case rolebroker.CodeOf(err) == rolebroker.CodeDenied && len(rolebroker.AsError(err).Hint) > 0:
				got = append(got, name+"-")
			default:
				t.Errorf("%s: %v", name, err)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("access %s, asking for %q, with %q: %q", c.access, c.ask, c.allowed, got)
		}
	}
}

// TestATokenThatNeedsAnApprovalIsApproved has the server ask people about these, and about no others.
func TestATokenThatNeedsAnApprovalIsApproved(t *testing.T) {
	w := newTokenWorld(t)
	w.unapproved = rolebroker.Errorf(rolebroker.CodeApproval, "a person has to approve it")
	for _, ask := range []rolebroker.AWSTokenRequest{askEKS, askRDS, askGit, askPut} {
		if made, err := w.token(ask); rolebroker.CodeOf(err) != rolebroker.CodeApproval || made != nil {
			t.Errorf("%s is handed out: %v", ask.Kind, err)
		}
	}
	w.made(askGet)
	const token = ", by a token that works for whoever has it"
	want := []string{"eks:GetToken on arn:aws:eks:eu-west-1:444455556666:cluster/production" + token,
		"rds-db:connect on arn:aws:rds-db:eu-west-1:444455556666:dbuser:*/app@x and " +
			"arn:aws:rds:eu-west-1:444455556666:db:orders" + token,
		"codecommit:GitPull and codecommit:GitPush on arn:aws:codecommit:eu-west-1:444455556666:orders" + token,
		"s3:PutObject on arn:aws:s3:::reports/a//b, by a URL that works for whoever has it"}
	if diff := cmp.Diff(want, w.asked); diff != "" {
		t.Errorf("people are asked (-want +got):\n%s", diff)
	}
	_ = w.gateway.Flush(t.Context(), true)
	if got := w.ledger.all(); len(got) != 5 {
		t.Errorf("the records are %q", got)
	}
}

// TestAWaitChangesNothing has access taken away, and roles replaced, while people think about what an agent asks.
func TestAWaitChangesNothing(t *testing.T) {
	for _, approval := range []rolebroker.AccessRequestID{"req_1", ""} {
		for name, c := range map[string]struct {
			ask       rolebroker.AWSTokenRequest
			allowed   []string
			access    rolebroker.Access
			meanwhile func(*tokenWorld)
			want      rolebroker.Code
		}{
			"eks, less access": {askEKS, nil, rolebroker.AccessFull,
				func(w *tokenWorld) { w.connection.Access = rolebroker.AccessReadOnly }, rolebroker.CodeDenied},
			"put, less access": {askPut, nil, rolebroker.AccessFull,
				func(w *tokenWorld) { w.connection.Access = rolebroker.AccessReadOnly }, rolebroker.CodeDenied},
			"eks, no leave": {askEKS, []string{"eks:GetToken"}, rolebroker.AccessPolicy,
				func(w *tokenWorld) { w.connection.AllowedActions = nil }, rolebroker.CodeDenied},
			"get, no leave": {askGet, nil, rolebroker.AccessFull,
				func(w *tokenWorld) { w.denial = errors.New("no role any more") }, rolebroker.CodeInternal},
			"another role": {askRDS, nil, rolebroker.AccessFull,
				func(w *tokenWorld) { w.role.ARN.Account = "111122223333" }, rolebroker.CodeConflict},
			"no role": {askRDS, nil, rolebroker.AccessFull,
				func(w *tokenWorld) { w.role.Enabled = false }, rolebroker.CodeDenied},
		} {
			w := newTokenWorld(t)
			w.connection.Access, w.connection.AllowedActions, w.approval = c.access, c.allowed, approval
			w.connection.Approval = rolebroker.ApprovalCall
			w.requests = []rolebroker.OpenRequest{{ID: "req_1", Approved: true, Until: now.Add(time.Hour)}}
			w.meanwhile = func() { c.meanwhile(w) }
			made, err := w.token(c.ask)
			if rolebroker.CodeOf(err) != c.want || made != nil {
				t.Errorf("%s, under %q: it is answered with %v", name, approval, err)
			}
			_ = w.gateway.Flush(t.Context(), true)
			if got := w.ledger.all(); len(got) != 1 || !strings.Contains(got[0], "refused") {
				t.Errorf("%s: the records are %q", name, got)
			}
		}
	}
}

// TestNoTokenOutlivesWhatItIsUnder has tokens end with the approval, or with the session.
func TestNoTokenOutlivesWhatItIsUnder(t *testing.T) {
	const day = "X-Amz-Date=20260314T09"
	for _, c := range []struct {
		name              string
		session, approval time.Duration
		ask               rolebroker.AWSTokenRequest
		lasts             time.Duration
		has               string
	}{
		{"long enough", time.Hour, time.Hour, askRDS, 15 * time.Minute, day + "2653Z"},
		{"the approval ends", time.Hour, 4 * time.Minute, askRDS, 4 * time.Minute, day + "1553Z"},
		{"the session ends", 6 * time.Minute, time.Hour, askRDS, 6 * time.Minute, day + "1753Z"},
		{"the approval of a URL ends", time.Hour, 4 * time.Minute, askPut, 4 * time.Minute,
			day + "2653Z&X-Amz-Expires=240"},
		{"the session of a URL ends", 90 * time.Second, time.Hour, askPut, 90 * time.Second,
			day + "2653Z&X-Amz-Expires=90"},
	} {
		w := newTokenWorld(t)
		w.expires, w.approval = now.Add(c.session), "req_1"
		w.requests = []rolebroker.OpenRequest{{ID: "req_other", Approved: true, Until: now.Add(time.Minute)},
			{ID: "req_1", Approved: true, Until: now.Add(c.approval)}}
		made := w.made(c.ask)
		if !made.Expires.Equal(now.Add(c.lasts)) || !strings.Contains(made.Token.Reveal(), c.has) {
			t.Errorf("%s: it lasts until %s, as %s", c.name, made.Expires, made.Token.Reveal())
		}
		if call := w.ledger.calls[made.Call]; call.AccessRequest != "req_1" || !call.ValidUntil.Equal(made.Expires) {
			t.Errorf("%s: the record is %+v", c.name, call)
		}
	}
	w := newTokenWorld(t)
	w.approval = "req_ended"
	if _, err := w.token(askPut); rolebroker.CodeOf(err) != rolebroker.CodeApproval {
		t.Errorf("an approval that ended is answered with %v", err)
	}
	w.approval, w.expires = "", now.Add(500*time.Millisecond)
	if _, err := w.token(askPut); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("a session that ends is answered with %v", err)
	}
}

// TestARefusedTokenIsRecorded has the refusal of the function that lends in the records.
func TestARefusedTokenIsRecorded(t *testing.T) {
	w := newTokenWorld(t)
	w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "agent scout is disabled")
	if _, err := w.token(askEKS); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Fatal(err)
	}
	if err := w.gateway.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GetToken write refused not_sent"}, w.ledger.all()); diff != "" {
		t.Error(diff)
	}
}
