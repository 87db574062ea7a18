// Package action says what a request to AWS does before it is sent there: which operation of which service it is,
// which IAM actions the operation needs, on which resources, how much they may change, and whether the answer has
// credentials.
//
//	call, err := action.Classify(&action.Request{
//		Service: "dynamodb", Region: "eu-west-1", Account: "111122223333",
//		Method: "POST", Host: "dynamodb.eu-west-1.amazonaws.com", Path: "/",
//		Header: http.Header{"X-Amz-Target": {"DynamoDB_20120810.GetItem"}}, Body: []byte(`{"TableName":"orders"}`),
//	})
//	// call.Actions is [dynamodb:GetItem], call.Level is Read,
//	// call.Resources is [arn:aws:dynamodb:eu-west-1:111122223333:table/orders]
//
// What it says of a request is for deciding whether to forward it; only AWS decides what the role may do. So it errs
// in one direction. An operation that the data does not know has the highest level, and so has a request that it
// cannot read. A request that could be read in two ways is refused with an error that wraps [ErrAmbiguous]: two
// operations named in one request, a path that means another one when decoded again, a host of another service than
// the one that signed. It never guesses the milder reading.
//
// It trusts nothing that the sender could leave out or repeat, but it does not check signatures, regions or whether a
// host may be called at all: the caller does. It reads no network, keeps no request, and never changes one.
//
// The tables are generated from published data; SOURCES.md says which, of when, and how to renew them.
package action

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// Level is how much an action may change. A higher level includes the harm of the lower ones.
type Level int

// The access levels of the Service Authorization Reference, in the order of the harm that they can do. Tags decide
// access in many accounts, so a tag is worse than a read.
const (
	List        Level = 1 + iota // names of things
	Read                         // their content
	Tagging                      // their tags
	Write                        // their content or existence
	Permissions                  // who may do what; also everything that is not known
)

var levelNames = [...]string{List: "list", Read: "read", Tagging: "tagging", Write: "write",
	Permissions: "permissions management"}

// String is the level as AWS writes it, in lower case.
func (l Level) String() string {
	if l < List || l > Permissions {
		return fmt.Sprintf("level %d", int(l))
	}
	return levelNames[l]
}

// ErrAmbiguous is wrapped by the errors of requests that could mean two things. Do not forward such a request.
var ErrAmbiguous = errors.New("the request is ambiguous")

func ambiguous(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrAmbiguous, fmt.Sprintf(format, args...))
}

// Request is a request as AWS will receive it.
type Request struct {
	// Service and Region are those of the credential scope that the request is signed with.
	Service, Region string

	// Account is the account of the role, and Partition its partition; empty is aws. They are part of the ARNs.
	Account, Partition string

	// Model is the service model as boto3 and the AWS CLI call it, such as bedrock-runtime, if the address that the
	// client called says so; else empty. It tells services that sign with one name apart where Host does not.
	Model string

	// Host is the host of AWS that the request goes to. Empty: it is in path style and the host says nothing. The host of
	// something that is not AWS must not be here, because its first label could be a bucket or could not.
	Host string

	Method string
	Path   string // as it stands in the request line: encoded, without the query
	Query  string // as it stands in the request line: encoded, without the question mark
	Header http.Header

	// Body is the body or the beginning of it, and Truncated says that more follows. Only services that name the
	// operation in the body need all of it, see NeedsBody; of others it names resources.
	Body      []byte
	Truncated bool
}

// Call is what a request does.
type Call struct {
	Service   string // the service model, as boto3 and the AWS CLI call it; empty if it is not known
	Operation string // the operation in the model, such as GetObject; empty if it is not known

	// Actions are the IAM actions that the operation needs, empty if they are not known. They belong to the table: do not
	// change them.
	Actions []string

	// Resources are the ARNs that the request names. A "*" among them says that there are more, or that they are not
	// known. They are patterns as IAM has them: a * or ? stands for what is not known, and what the sender wrote has ${*},
	// ${?} and ${$} for these characters.
	Resources []string

	Level       Level
	Credentials bool // the answer has credentials, a token or a private key, or may have
	PassesRole  bool // the request hands a role to a service, or may: it needs iam:PassRole too

	// Unknown says why the operation or its actions are not known; empty if they are.
	Unknown string
}

// Classify says what a request does. The error wraps ErrAmbiguous and says in one sentence what contradicts what.
func Classify(r *Request) (Call, error) {
	if err := r.check(); err != nil {
		return Call{}, err
	}
	g := groupOf(r.Service)
	if g == nil {
		if call, ok := r.dataPlane(); ok {
			return call, nil
		}
		return unknown("no service signs with this name"), nil
	}
	if call, ok := r.dataPlane(); ok {
		return call, nil
	}
	services, err := g.candidates(r)
	if err != nil {
		return Call{}, err
	}
	op, where, err := r.find(services)
	if err != nil {
		return Call{}, err
	}
	if op == nil {
		return unknown(where.why), nil
	}
	return r.call(op, where)
}

// unknown is the call of a request that cannot be read: it may be anything.
func unknown(why string) Call {
	return Call{Level: Permissions, Credentials: true, PassesRole: true, Resources: anything, Unknown: why}
}

// anything is the list of resources that are not known. Nobody changes it.
var anything = []string{"*"}

// overrides are headers by which some servers take another method than the one of the request line.
var overrideHeaders = [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// check refuses what no SDK sends and servers read differently.
func (r *Request) check() error {
	for _, name := range overrideHeaders {
		if len(r.Header[name]) > 0 {
			return ambiguous("the header %s names another method", name)
		}
	}
	for _, name := range []string{"X-Amz-Target", "Content-Type"} {
		if len(r.Header[name]) > 1 {
			return ambiguous("the header %s is there twice", name)
		}
	}
	if r.Query != "" {
		query, err := url.QueryUnescape(r.Query)
		if err != nil || strings.Contains(strings.ToLower(query), "x-amz-target") {
			return ambiguous("the query cannot be read, or has X-Amz-Target")
		}
	}
	if r.Path != "" && r.Path[0] != '/' {
		return ambiguous("the path does not begin with /")
	}
	if strings.ContainsAny(r.Path, "?#") || strings.ContainsRune(r.Query, '#') {
		return ambiguous("the path or the query has a ? or # of its own")
	}
	for _, s := range []string{r.Path, r.Query} {
		for i := range len(s) {
			if s[i] <= ' ' || s[i] >= 0x7f {
				return ambiguous("the path or the query has a character that is not encoded")
			}
		}
	}
	return nil
}

// call describes an operation that was found.
func (r *Request) call(op *operation, w where) (Call, error) {
	c := Call{Service: op.service.name, Operation: op.name, Actions: op.actions, Level: op.level,
		Credentials: op.credentials}
	if op.service.s3 {
		return r.s3Call(c, w.s3)
	}
	if op.service.s3control && r.Service != "s3" {
		c.Actions = inPrefix(r.Service, c.Actions, "")
	}
	if len(op.actions) == 0 {
		c.Unknown = "the data does not say which IAM actions the operation needs"
	}
	if op.passesRole && r.mayName("role", "profile") {
		c.PassesRole = true
	}
	if op.grants != "" && r.mayName(op.grants) {
		c.Level = Permissions
	}
	if op.decrypts {
		c.Credentials = r.decrypts()
	}
	if op.statement && r.selects(w) {
		c.Actions, c.Level = op.actions[:1], LevelOf(op.actions[0])
	}
	resources, err := r.resources(op, w)
	c.Resources = resources
	return c, err
}

// Model is a service as the SDKs know it.
type Model struct {
	Name     string   // as boto3 and the AWS CLI call it, such as bedrock-runtime
	ID       string   // as AWS_ENDPOINT_URL_ has it, there in upper case with _ for spaces: Bedrock Runtime
	Signing  []string // the names in the credential scope; several services may have the same
	BasePath string   // what paths at AWS begin with that a client leaves out when it is given another endpoint
}

// Models are all service models, in the order of their names. They belong to the table: do not change them.
func Models() []Model { return loadIndex().models }

// NeedsBody says whether a request that is signed with this name needs its whole body to be classified: a service that
// takes forms names the operation there.
func NeedsBody(service string) bool {
	g := groupOf(service)
	if g == nil {
		return true
	}
	for _, s := range g.services {
		if s.query {
			return true
		}
	}
	return false
}

// LevelOf is the access level of an IAM action such as s3:GetObject, in any case: Permissions if it is not known.
func LevelOf(action string) Level {
	prefix, name, _ := strings.Cut(strings.ToLower(action), ":")
	if l, ok := actionLevels(prefix)[name]; ok {
		return l
	}
	return Permissions
}

// ReturnsCredentials is [rolebroker.ReturnsCredentials].
func ReturnsCredentials(action string) bool { return rolebroker.ReturnsCredentials(action) }
