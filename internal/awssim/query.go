package awssim

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// The AWS Query protocol has parameters in a form or a query string, and XML
// responses.

// maxBody bounds the request bodies that the simulator reads.
const maxBody = 1 << 20

const (
	stsVersion = "2011-06-15"
	iamVersion = "2010-05-08"
	ec2Version = "2016-11-15"
)

// service is an API that speaks the Query protocol.
type service struct {
	name, version, namespace string
	dialect                  // how it writes results and errors
}

var (
	stsAPI = &service{"sts", stsVersion, "https://sts.amazonaws.com/doc/2011-06-15/", queryXML{}}
	iamAPI = &service{"iam", iamVersion, "https://iam.amazonaws.com/doc/2010-05-08/", queryXML{}}
	ec2API = &service{"ec2", ec2Version, "http://ec2.amazonaws.com/doc/2016-11-15/", ec2XML{}}

	noAPI = &service{namespace: "http://webservices.amazon.com/AWSFault/2005-15-09", dialect: queryXML{}}
)

// call is one request while it is processed.
type call struct {
	aws    *AWS
	http   *http.Request
	body   []byte
	query  url.Values
	params params
	now    time.Time
	id     string
	signed sigv4.Form
	seed   *sigv4.Signature // the verified signature
	secret string           // the key of seed
	region string
	fault  Fault
	caller *caller
	trail  AssumeRoleCall
}

// operation is an action of a service. It returns the members of its result. If it
// is bare, the response has no result element.
type operation struct {
	*service
	action string
	bare   bool
	run    func(*call) ([]node, error)
}

// params are the parameters of a call. The first of repeated ones counts, and
// unknown ones are ignored.
type params url.Values

func (p params) has(name string) bool { return len(p[name]) > 0 }

func (p params) get(name string) string { return url.Values(p).Get(name) }

// structs returns the fields of Name.member.1, Name.member.2 and so on, up to
// the first number without any.
func (p params) structs(name string, fields ...string) []params {
	var found []params
	for i := 1; i <= 1000; i++ {
		one, prefix := params{}, name+".member."+strconv.Itoa(i)+"."
		for _, f := range fields {
			if v := p[prefix+f]; len(v) > 0 {
				one[f] = v
			}
		}
		if len(one) == 0 {
			break
		}
		found = append(found, one)
	}
	return found
}

// list returns Name.member.1, Name.member.2 and so on.
func (p params) list(name string) []string {
	var found []string
	for i := 1; i <= 1000; i++ {
		key := name + ".member." + strconv.Itoa(i)
		if !p.has(key) {
			break
		}
		found = append(found, p.get(key))
	}
	return found
}

// ServeHTTP serves all APIs for all accounts. The service in the scope of the signature
// determines the API; Version and Action determine it for APIs of the Query protocol.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{aws: a, http: r, id: newRequestID(), now: a.now()}
	c.trail = AssumeRoleCall{Time: c.now, RequestID: c.id}
	w.Header().Set("Date", c.now.UTC().Format(http.TimeFormat))
	w.Header().Set("X-Amzn-Requestid", c.id)
	service := "" // of a request that has no signature, or one that is not well formed
	if signature, err := sigv4.Read(r); err == nil {
		service = signature.Service
	}
	switch service {
	case "s3":
		c.serveS3(w)
	case "dynamodb":
		c.serveDynamoDB(w)
	default:
		c.serveQuery(w)
	}
}

func (c *call) serveQuery(w http.ResponseWriter) {
	if err := c.readForm(w); err != nil {
		stsAPI.writeError(w, c.id, stsAPI.namespace, err)
		return
	}
	if !c.params.has("Action") {
		w.Header().Set("Location", "https://aws.amazon.com/iam")
		w.WriteHeader(http.StatusFound)
		return
	}
	op, err := c.operation()
	if err != nil {
		noAPI.writeError(w, c.id, noAPI.namespace, err)
		return
	}
	if op.service == stsAPI {
		w.Header().Set("X-Amz-Sts-Extended-Request-Id", newToken()[:60])
	}
	result, err := c.perform(op)
	if err != nil {
		op.writeError(w, c.id, op.namespace, err)
		return
	}
	op.writeAnswer(w, c.id, op, result)
}

// readBody reads at most limit bytes of the body, and the query.
func (c *call) readBody(w http.ResponseWriter, limit int64) (err error) {
	c.body, err = io.ReadAll(http.MaxBytesReader(w, c.http.Body, limit))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			"Request body is too large or incomplete")
	}
	c.query, err = url.ParseQuery(c.http.URL.RawQuery)
	if err != nil {
		return refuse(http.StatusBadRequest, "MalformedQueryString", "The query string contains a syntax error.")
	}
	return nil
}

// readForm reads the parameters from the form and the query.
func (c *call) readForm(w http.ResponseWriter) error {
	if err := c.readBody(w, maxBody); err != nil {
		return err
	}
	c.signed = sigv4.Plain(c.http, sigv4.Hash(c.body))
	c.params = params{}
	if c.http.Method == http.MethodPost {
		kind, _, _ := mime.ParseMediaType(c.http.Header.Get("Content-Type"))
		if kind != "application/x-www-form-urlencoded" {
			return nil
		}
		form, err := url.ParseQuery(string(c.body))
		if err != nil {
			return refuse(http.StatusBadRequest, "MalformedInput", "The request body could not be read as a form.")
		}
		c.params = params(form)
	}
	for name, values := range c.query {
		c.params[name] = append(c.params[name], values...)
	}
	return nil
}

// operation returns the operation that Action and Version name.
func (c *call) operation() (*operation, error) {
	action, version := c.params.get("Action"), c.params.get("Version")
	if op := operations()[version][action]; op != nil {
		return op, nil
	}
	if !c.params.has("Version") {
		version = "NO_VERSION_SPECIFIED"
	}
	return nil, refuse(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", action,
		version)
}

// perform runs an operation with the injected faults that match it, and writes the
// journal.
func (c *call) perform(op *operation) (result []node, err error) {
	if strings.HasPrefix(op.action, "AssumeRole") {
		c.trail.note(op.action, c.params)
		defer func() { c.finish(err) }()
	}
	c.begin(op.action)
	return op.run(c)
}

// begin counts a call of an action, and applies the injected faults that match it. The
// fault's error is [call.authenticate]'s.
func (c *call) begin(action string) {
	c.aws.count(action)
	c.fault = c.aws.meet(action, c.params.get("RoleArn"))
	if err := pause(c.http.Context(), c.fault.Delay); err != nil {
		c.abort("Canceled")
	}
	if c.fault.Drop {
		c.abort("Dropped")
	}
	c.now = c.aws.now()
}

// abort closes the connection without a response. It does not return.
func (c *call) abort(code string) {
	c.trail.Code = code
	panic(http.ErrAbortHandler)
}

// authenticate verifies the signature for a service and sets the caller. A fault that responds with an error does so
// here, when the caller is known for the journal.
func (c *call) authenticate(service string) error {
	who, err := c.aws.identify(c, service)
	c.trail.Region = c.region
	if err != nil {
		return err
	}
	c.caller = who
	c.trail.CallerARN, c.trail.CallerAccessKeyID = who.arn, who.keyID
	return c.fault.error()
}

// note records the request. It truncates values that are longer than any valid
// one.
func (t *AssumeRoleCall) note(action string, p params) {
	t.Action, t.RoleARN, t.SessionName = action, clip(p.get("RoleArn")), clip(p.get("RoleSessionName"))
	t.ExternalID, t.SourceIdentity, t.Policy = clip(p.get("ExternalId")), clip(p.get("SourceIdentity")),
		clip(p.get("Policy"))
	for _, key := range few(p.list("TransitiveTagKeys")) {
		t.TransitiveTagKeys = append(t.TransitiveTagKeys, clip(key))
	}
	for _, tag := range few(p.structs("Tags", "Key", "Value")) {
		if t.Tags == nil {
			t.Tags = map[string]string{}
		}
		t.Tags[clip(tag.get("Key"))] = clip(tag.get("Value"))
	}
	for _, one := range few(p.structs("PolicyArns", "arn")) {
		t.PolicyARNs = append(t.PolicyARNs, clip(one.get("arn")))
	}
	if n, err := strconv.ParseInt(p.get("DurationSeconds"), 10, 32); err == nil {
		t.Duration = time.Duration(n) * time.Second
	}
}

func clip(s string) string {
	if len(s) <= 2048 {
		return s
	}
	return strings.Clone(s[:2048])
}

func few[T any](list []T) []T { return list[:min(len(list), 50)] }

func (c *call) finish(err error) {
	if refusal, ok := err.(*Error); ok {
		c.trail.Code, c.trail.Message = refusal.Code, clip(refusal.Message)
	}
	c.aws.record(c.trail)
}

// facts returns the condition keys that every request has.
func (c *call) facts() facts {
	f := facts{}
	f.set("aws:CurrentTime", c.now.UTC().Format(time.RFC3339))
	f.set("aws:EpochTime", strconv.FormatInt(c.now.Unix(), 10))
	f.set("aws:SourceIp", sourceIP(c.http.RemoteAddr))
	f.set("aws:UserAgent", c.http.UserAgent())
	f.set("aws:RequestedRegion", c.region)
	f.set("aws:SecureTransport", "true") // AWS's endpoints take nothing else; loopback stands for one
	if c.caller != nil {
		c.caller.describe(f, c.now)
	}
	return f
}

// describe sets the condition keys of the caller.
func (c *caller) describe(f facts, now time.Time) {
	f.set("aws:PrincipalArn", c.principalARN)
	f.set("aws:PrincipalAccount", c.account)
	f.set("aws:PrincipalOrgID", c.organization)
	f.set("aws:PrincipalType", c.kind())
	f.set("aws:userid", c.userID)
	f.set("aws:username", c.userName)
	f.setTags("aws:PrincipalTag", c.tags)
	if c.session != nil {
		f.set("aws:SourceIdentity", c.session.sourceIdentity)
		f.set("aws:TokenIssueTime", c.issued.UTC().Format(time.RFC3339))
		f.set("aws:MultiFactorAuthPresent", "false")
	}
}

func (c *caller) kind() string {
	switch {
	case c.root:
		return "Account"
	case c.roleName != "":
		return "AssumedRole"
	case c.userName != "":
		return "User"
	}
	return ""
}

func sourceIP(remote string) string {
	if i := strings.LastIndexByte(remote, ':'); i >= 0 {
		return strings.Trim(remote[:i], "[]")
	}
	return remote
}
