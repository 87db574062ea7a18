package awssim_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// cli runs the real AWS command line against a simulator.
type cli struct {
	t   *testing.T
	url string
}

// as runs a command with an access key and returns what it printed, and
// whether it succeeded.
func (c cli) as(k awssim.Credentials, args ...string) (string, bool) {
	c.t.Helper()
	cmd := exec.Command("aws", append(args, "--endpoint-url", c.url, "--output", "json")...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.t.TempDir(), "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
		"AWS_MAX_ATTEMPTS=1",
		"AWS_DEFAULT_REGION=eu-central-1", "NO_PROXY=127.0.0.1", "AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_ACCESS_KEY_ID=" + k.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + k.SecretAccessKey,
	}
	if k.SessionToken != "" {
		cmd.Env = append(cmd.Env, "AWS_SESSION_TOKEN="+k.SessionToken)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func (c cli) must(k awssim.Credentials, into any, args ...string) {
	c.t.Helper()
	out, ok := c.as(k, args...)
	if !ok {
		c.t.Fatalf("aws %s: %s", strings.Join(args, " "), out)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(out), into); err != nil {
			c.t.Fatalf("aws %s: %v in %s", strings.Join(args, " "), err, out)
		}
	}
}

// together runs parts of a test in parallel, and waits for them: the AWS CLI
// takes half a second to start, and much longer on a busy machine.
func together(t *testing.T, parts map[string]func(*testing.T)) {
	t.Run("together", func(t *testing.T) {
		for name, part := range parts {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t)
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// TestCLI builds by hand what the demo needs: a user in one account, a role
// that trusts it in another, and a session of that role.
func TestCLI(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Fatal("the aws command is not on PATH; run make setup")
	}
	sim := awssim.New(awssim.Options{})
	srv, err := awssim.Start(sim)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	vendor, customer := sim.Account(vendorID).RootKey(), sim.Account(customerID).AdminKey()

	var made struct {
		AccessKey struct{ AccessKeyId, SecretAccessKey string }
	}
	var created struct{ Role struct{ Arn, RoleId string } }
	together(t, map[string]func(*testing.T){
		"a user": func(t *testing.T) {
			c := cli{t, srv.URL}
			c.must(vendor, nil, "iam", "create-user", "--user-name", "broker")
			c.must(vendor, nil, "iam", "put-user-policy", "--user-name", "broker", "--policy-name", "assume",
				"--policy-document", policyFor("sts:*", "arn:aws:iam::*:role/agents/*"))
			c.must(vendor, &made, "iam", "create-access-key", "--user-name", "broker")
		},
		"a role": func(t *testing.T) {
			c := cli{t, srv.URL}
			c.must(customer, &created, "iam", "create-role", "--role-name", "readonly", "--path", "/agents/",
				"--max-session-duration", "7200", "--assume-role-policy-document",
				trusting(`{"AWS":"arn:aws:iam::111122223333:root"}`,
					where(`{"StringEquals":{"sts:ExternalId":"e-42"}}`)))
			c.must(customer, nil, "iam", "put-role-policy", "--role-name", "readonly", "--policy-name", "read",
				"--policy-document", policyFor("iam:ListRoles", "*"))
		},
	})
	broker := awssim.Credentials{AccessKeyID: made.AccessKey.AccessKeyId,
		SecretAccessKey: made.AccessKey.SecretAccessKey}
	assume := []string{"sts", "assume-role", "--role-arn", created.Role.Arn, "--role-session-name", "run-1"}
	var session struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	}
	together(t, map[string]func(*testing.T){
		"without an external ID": func(t *testing.T) {
			out, ok := cli{t, srv.URL}.as(broker, assume...)
			if ok || !strings.Contains(out, "An error occurred (AccessDenied) when calling the AssumeRole operation") ||
				!strings.Contains(out, ": User: arn:aws:iam::111122223333:user/broker is not authorized") {
				t.Error(out)
			}
		},
		"with the external ID": func(t *testing.T) {
			cli{t, srv.URL}.must(broker, &session, append(slices.Clone(assume),
				"--external-id", "e-42", "--duration-seconds", "7200", "--tags", "Key=team,Value=blue")...)
		},
	})
	k := awssim.Credentials{AccessKeyID: session.Credentials.AccessKeyId,
		SecretAccessKey: session.Credentials.SecretAccessKey, SessionToken: session.Credentials.SessionToken}
	together(t, map[string]func(*testing.T){
		"who the session is": func(t *testing.T) {
			var me struct{ Arn, UserId, Account string }
			cli{t, srv.URL}.must(k, &me, "sts", "get-caller-identity")
			if me.Arn != "arn:aws:sts::444455556666:assumed-role/readonly/run-1" ||
				me.UserId != created.Role.RoleId+":run-1" || me.Account != customerID {
				t.Errorf("the session is %+v", me)
			}
		},
		"what it may do": func(t *testing.T) {
			var listed struct {
				Roles []struct {
					RoleName                 string
					AssumeRolePolicyDocument struct{ Version string }
				}
			}
			cli{t, srv.URL}.must(k, &listed, "iam", "list-roles")
			if len(listed.Roles) != 1 || listed.Roles[0].AssumeRolePolicyDocument.Version != "2012-10-17" {
				t.Errorf("roles %+v", listed)
			}
		},
		"another secret": func(t *testing.T) {
			wrong := k
			wrong.SecretAccessKey += "x"
			out, ok := cli{t, srv.URL}.as(wrong, "sts", "get-caller-identity")
			if ok || !strings.Contains(out, "(SignatureDoesNotMatch)") {
				t.Error(out)
			}
		},
	})
}
