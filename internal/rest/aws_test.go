package rest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/sts"
)

// The accounts of the simulated AWS.
const (
	platformAccount = "111122223333" // whose user rolebroker is the server's identity
	customerAccount = "444455556666"
)

// awsWorld is a world on a simulated AWS. The customer's roles Good and Better trust
// the platform with the external ID of the world, Open trusts it without one, and
// Closed does not trust it.
type awsWorld struct {
	*world
	aws        *awssim.AWS
	gate       *gate
	externalID string // reserved
}

func newAWSWorld(t testing.TB) *awsWorld {
	t.Helper()
	w := &awsWorld{aws: awssim.New(awssim.Options{})}
	w.gate = &gate{through: w.aws.HTTPClient().Transport}
	key := w.aws.Account(platformAccount).CreateUser("rolebroker", awssim.AllowAll).Key
	w.world = newWorld(t, func(o *broker.Options) {
		o.STS = sts.New(sts.Options{Endpoint: "http://sts.simulated", HTTPClient: &http.Client{Transport: w.gate},
			Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")})
	})
	w.externalID = w.reserve()
	for name, trust := range map[string]string{"Good": requiring(w.externalID), "Better": requiring(w.externalID),
		"Open": trusting(platformAccount), "Closed": trusting("999999999999")} {
		w.aws.Account(customerAccount).CreateRole(awssim.Role{Name: name, TrustPolicy: trust})
	}
	return w
}

func trusting(account string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + account +
		`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}`
}

// requiring is a trust policy that trusts the platform with the external IDs.
func requiring(externalIDs ...string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + platformAccount +
		`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],` +
		`"Condition":{"StringEquals":{"sts:ExternalId":["` + strings.Join(externalIDs, `","`) + `"]}}}}`
}

// reserve reserves an external ID.
func (w *world) reserve() string {
	w.Helper()
	return read[api.ExternalID](w.as(w.admin, "POST", "/api/v1/external-ids", "").want(201)).ExternalID
}

// draft is an integration with the external ID of the world and the customer's
// roles of these names. In the integration their names are in lower case.
func (w *awsWorld) draft(name string, iamNames ...string) string {
	var roles []string
	for _, iamName := range iamNames {
		roles = append(roles, `{"name": "`+strings.ToLower(iamName)+`", "arn": "arn:aws:iam::`+customerAccount+`:role/`+
			iamName+`", "region": "us-east-1"}`)
	}
	return `{"name": "` + name + `", "external_id": "` + w.externalID + `", "default_role": "` +
		strings.ToLower(iamNames[0]) + `", "roles": [` + strings.Join(roles, ", ") + `]}`
}

// saved saves the draft without validating it.
func (w *awsWorld) saved(name string, iamNames ...string) api.Integration {
	w.Helper()
	return read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations?validate=skip",
		w.draft(name, iamNames...)).want(201))
}

// assumes checks how often AssumeRole is called.
func (w *awsWorld) assumes(want int) {
	w.Helper()
	if n := w.aws.Calls("AssumeRole"); n != want {
		w.Errorf("AssumeRole was called %d times, want %d", n, want)
	}
}

// down makes STS fail, except for GetCallerIdentity.
func (w *awsWorld) down() (up func()) {
	fault := awssim.Fail(503)
	fault.Action = "AssumeRole"
	return w.aws.Inject(fault)
}

// gate delays the requests that name a role, until it is opened.
type gate struct {
	through http.RoundTripper
	role    string        // its ARN; empty: none is held up
	open    chan struct{} // to be closed
}

// hold delays the requests that name the customer's role.
func (g *gate) hold(iamName string) (open func()) {
	g.role, g.open = "arn:aws:iam::"+customerAccount+":role/"+iamName, make(chan struct{})
	return func() { close(g.open) }
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	if g.role != "" && bytes.Contains(body, []byte(url.QueryEscape(g.role))) {
		select {
		case <-g.open:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return g.through.RoundTrip(r)
}

// later advances the clock.
func (w *world) later() { w.now = w.now.Add(time.Minute) }
