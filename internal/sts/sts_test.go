package sts_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/sts"
)

const (
	platform = "111122223333"
	customer = "444455556666"
)

var readOnly = rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/", Name: "ReadOnly"}

// assumption is one that the role of the simulation allows.
func assumption() rolebroker.Assumption {
	return rolebroker.Assumption{ARN: readOnly, Region: "us-east-1", SessionName: "scout", ExternalID: "rolebroker-x",
		Duration: time.Hour}
}

func simulate() (*awssim.AWS, awssim.User) {
	aws := awssim.New(awssim.Options{})
	aws.Account(customer).CreateRole(awssim.Role{Name: "ReadOnly", TrustPolicy: trust(platform)})
	return aws, aws.Account(platform).CreateUser("rolebroker", awssim.AllowAll)
}

func trust(account string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + account +
		`"},"Action":"sts:AssumeRole"}}`
}

func newClient(aws *awssim.AWS, key awssim.Credentials) *sts.Client {
	return sts.New(sts.Options{Endpoint: "http://sts.simulated", HTTPClient: aws.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)})
}

func TestAssumeSendsItsParametersAndReturnsCredentials(t *testing.T) {
	aws, operator := simulate()
	assumed, err := newClient(aws, operator.Key).Assume(t.Context(), assumption())
	if err != nil {
		t.Fatal(err)
	}
	call := aws.Assumed()[0]
	if call.SessionName != "scout" || call.ExternalID != "rolebroker-x" || call.Duration != time.Hour ||
		call.Region != "us-east-1" {
		t.Errorf("AWS saw %+v", call)
	}
	c := assumed.Credentials
	if c.AccessKeyID != call.AccessKeyID || !c.Expires.Equal(call.Expires) || assumed.RequestID != call.RequestID ||
		c.SessionToken.IsZero() || c.SecretAccessKey.IsZero() {
		t.Errorf("we were given %+v", assumed)
	}
}

// attempt is a call to STS before it is made.
type attempt struct {
	aws  *awssim.AWS
	key  awssim.Credentials
	call rolebroker.Assumption
}

func TestRefusalsHaveTheirKind(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*attempt)
		kind    rolebroker.RefusalKind
	}{
		"a role that does not trust us": {func(a *attempt) {
			a.aws.Account(customer).SetTrustPolicy("ReadOnly", trust("999999999999"))
		}, rolebroker.RefusedDenied},
		"a role that is not there": {func(a *attempt) { a.call.ARN.Name = "Other" }, rolebroker.RefusedDenied},
		"our own policy": {func(a *attempt) {
			for _, policy := range []string{"", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:*","Resource":"*"}}`} {
				a.aws.Account(platform).SetUserPolicy("rolebroker", "denying", policy)
			}
		}, rolebroker.RefusedDenied},
		"throttling":          {func(a *attempt) { a.aws.Inject(awssim.Throttle()) }, rolebroker.RefusedThrottled},
		"an STS that is down": {func(a *attempt) { a.aws.Inject(awssim.Fail(503)) }, rolebroker.RefusedUnreachable},
		"a broken connection": {func(a *attempt) { a.aws.Inject(awssim.Drop()) }, rolebroker.RefusedUnreachable},
		"a region that is off": {func(a *attempt) {
			a.aws.Account(customer).DisableRegion("us-east-1")
		}, rolebroker.RefusedRegion},
		"a session longer than the role allows": {func(a *attempt) {
			a.call.Duration = 2 * time.Hour
		}, rolebroker.RefusedDuration},
		"a key that is not known": {func(a *attempt) {
			a.key.AccessKeyID = "AKIAIOSFODNN7EXAMPLE"
		}, rolebroker.RefusedIdentity},
		"a wrong secret": {func(a *attempt) { a.key.SecretAccessKey += "x" }, rolebroker.RefusedIdentity},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // retries wait
				aws, operator := simulate()
				a := attempt{aws, operator.Key, assumption()}
				c.arrange(&a)
				_, err := newClient(aws, a.key).Assume(t.Context(), a.call)
				var refusal *rolebroker.Refusal
				if !errors.As(err, &refusal) || refusal.Kind != c.kind {
					t.Errorf("%v is not of the kind %s", err, c.kind)
				}
			})
		})
	}
}

func TestOurOwnExpiredIdentityHasAKindOfItsOwn(t *testing.T) {
	now := time.Now()
	aws := awssim.New(awssim.Options{Now: func() time.Time { return now }})
	aws.Account(customer).CreateRole(awssim.Role{Name: "ReadOnly", TrustPolicy: trust(platform)})
	aws.Account(platform).CreateRole(awssim.Role{Name: "instance",
		TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`,
		Policies:    map[string]string{"all": awssim.AllowAll}})
	aws.SetLifetime(time.Minute)
	key, err := aws.Account(platform).ServiceSession(awssim.ServiceSession{Service: "ec2.amazonaws.com",
		Role: "instance", SessionName: "i-0abc"})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(aws, key)
	if _, err := client.Assume(t.Context(), assumption()); err != nil {
		t.Fatal(err)
	}
	long := assumption()
	long.Duration = 2 * time.Hour
	if kind := kindOf(client.Assume(t.Context(), long)); kind != rolebroker.RefusedDuration {
		t.Errorf("two hours by role chaining are refused as %s", kind)
	}
	now = now.Add(2 * time.Minute)
	if kind := kindOf(client.Assume(t.Context(), assumption())); kind != rolebroker.RefusedIdentityExpired {
		t.Errorf("with an expired identity the refusal is %s", kind)
	}
}

func kindOf(_ *rolebroker.Assumed, err error) rolebroker.RefusalKind {
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		return refusal.Kind
	}
	return ""
}

// hosts records the hosts of requests, and sends none.
type hosts []string

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	*h = append(*h, r.URL.Scheme+"://"+r.URL.Host)
	return nil, errors.New("nothing is sent")
}

func TestARoleIsAssumedInItsRegionAndPartition(t *testing.T) {
	forgetAWS(t)
	for region, want := range map[rolebroker.Region]string{
		"us-east-1":      "https://sts.us-east-1.amazonaws.com",
		"eu-west-1":      "https://sts.eu-west-1.amazonaws.com",
		"ap-south-9":     "https://sts.ap-south-9.amazonaws.com", // not open yet
		"cn-north-1":     "https://sts.cn-north-1.amazonaws.com.cn",
		"us-gov-west-1":  "https://sts.us-gov-west-1.amazonaws.com",
		"us-iso-east-1":  "https://sts.us-iso-east-1.c2s.ic.gov",
		"eusc-de-east-1": "https://sts.eusc-de-east-1.amazonaws.eu",
	} {
		synctest.Test(t, func(t *testing.T) { // retries wait
			var asked hosts
			client := sts.New(sts.Options{HTTPClient: &http.Client{Transport: &asked},
				Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "x", "")})
			a := assumption()
			a.Region = region
			if kind := kindOf(client.Assume(t.Context(), a)); kind != rolebroker.RefusedUnreachable {
				t.Errorf("%s: without an answer the refusal is %q", region, kind)
			}
			if len(asked) == 0 || asked[0] != want {
				t.Errorf("%s: asked %v, want %s", region, asked, want)
			}
		})
	}
}

// forgetAWS clears everything in the environment that the SDK's chain reads.
func forgetAWS(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestTheIdentityIsThatOfTheSDKsChain(t *testing.T) {
	file := func(t *testing.T, name, content string) string {
		t.Helper()
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for name, arrange := range map[string]func(*testing.T, awssim.Credentials){
		"the environment": func(t *testing.T, key awssim.Credentials) {
			t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
		},
		"a profile": func(t *testing.T, key awssim.Credentials) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE",
				file(t, "credentials", fmt.Sprintf("[broker]\naws_access_key_id=%s\naws_secret_access_key=%s\n",
					key.AccessKeyID, key.SecretAccessKey)))
			t.Setenv("AWS_PROFILE", "broker")
		},
		"a credential process": func(t *testing.T, key awssim.Credentials) {
			answer := file(t, "answer.json", fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":%q}`,
				key.AccessKeyID, key.SecretAccessKey))
			t.Setenv("AWS_CONFIG_FILE", file(t, "config", "[default]\ncredential_process=cat "+answer+"\n"))
		},
		"a container": func(t *testing.T, key awssim.Credentials) {
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q}`, key.AccessKeyID, key.SecretAccessKey)
			}))
			t.Cleanup(endpoint.Close)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.URL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			aws, operator := simulate()
			simulator, err := awssim.Start(aws)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(simulator.Close)
			forgetAWS(t)
			t.Setenv("AWS_ENDPOINT_URL_STS", simulator.URL)
			client := sts.New(sts.Options{})
			if kind := kindOf(client.Assume(t.Context(), assumption())); kind != rolebroker.RefusedNoIdentity {
				t.Errorf("with nothing there the refusal is %q", kind)
			}
			arrange(t, operator.Key)
			client = sts.New(sts.Options{})
			if _, err := client.Assume(t.Context(), assumption()); err != nil {
				t.Errorf("assuming: %v", err)
			}
			identity, err := client.Identity(t.Context())
			if err != nil || identity.ARN != operator.ARN || identity.Account != platform {
				t.Errorf("we are %+v, %v", identity, err)
			}
		})
	}
}
