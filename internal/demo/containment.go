package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const (
	careful  = "ranger" // an agent whose borrowing a person approves
	approver = "maria"  // the name of that person's API key
	bucket   = "reports"
)

// contain shows what limits an agent, stops it, and proves what happened.
func (w *world) contain(ctx context.Context) error {
	if err := w.prepare(ctx); err != nil {
		return err
	}
	lent, err := w.showReadOnly(ctx)
	if err != nil {
		return fmt.Errorf("read-only: %w", err)
	}
	others, err := w.showApproval(ctx)
	if err != nil {
		return fmt.Errorf("approval: %w", err)
	}
	if err := w.showCutOff(ctx, lent, others); err != nil {
		return fmt.Errorf("cut-off: %w", err)
	}
	if err := w.showInjection(ctx); err != nil {
		return fmt.Errorf("injected agent: %w", err)
	}
	return w.showTrail(ctx)
}

// prepare makes a role that may do everything in S3, a bucket, and the agent that needs approval.
func (w *world) prepare(ctx context.Context) error {
	account := w.aws.Account(customerAccount)
	account.SetRolePolicy(roles[1].iamName, "s3",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	key := account.AdminKey()
	admin := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
	if err := w.s3(ctx, admin, http.MethodPut, bucket); err != nil {
		return err
	}
	_, err := w.admin.CreateAgent(ctx, api.AgentRequest{Name: careful, Description: "Changes production", Owner: owner})
	if err != nil {
		return err
	}
	if _, err := w.admin.Connect(ctx, careful, integration); err != nil {
		return err
	}
	_, err = w.admin.Limit(ctx, careful, integration, api.LimitsRequest{Approval: "borrow"}, "")
	return err
}

// showReadOnly limits the agent, and returns the keys that it was lent then.
func (w *world) showReadOnly(ctx context.Context) (keys aws.Credentials, err error) {
	const why = "An agent may do less than its role:"
	if _, err := w.runQuietly(ctx, w.key, why, "agent", "connect", agent, integration, "--access", "read-only"); err != nil {
		return keys, err
	}
	if keys, err = w.borrow(ctx, w.token, roles[1].name); err != nil {
		return keys, err
	}
	if err := w.s3(ctx, keys, http.MethodGet, ""); err != nil {
		return keys, err
	}
	if err := denied(w.s3(ctx, keys, http.MethodDelete, bucket)); err != nil {
		return keys, err
	}
	fmt.Fprintf(w.Out, "  ✓ as %s, it lists the buckets of S3; AWS denies it to delete one, which the role may\n\n",
		roles[1].name)
	return keys, nil
}

// showApproval has another agent ask for the role, and returns the keys that it was lent.
func (w *world) showApproval(ctx context.Context) (keys aws.Credentials, err error) {
	made, err := w.admin.CreateToken(ctx, careful, api.TokenRequest{Label: "demo"})
	if err != nil {
		return keys, err
	}
	person, err := w.admin.CreateAPIKey(ctx, api.APIKeyRequest{Name: approver, Access: "approver"})
	if err != nil {
		return keys, err
	}
	token := rolebroker.NewSecret(string(made.Token))
	w.person = rolebroker.NewSecret(string(person.Key))
	if _, err = w.borrow(ctx, token, roles[1].name); rolebroker.CodeOf(err) != rolebroker.CodeApproval {
		return keys, fmt.Errorf("without approval: %w", errors.Join(errNotRefused, err))
	}
	asked, err := w.run(ctx, token, "Agent "+careful+" needs approval. It was refused, and asks:",
		"request", roles[1].name, "--reason", "release-17")
	if err != nil {
		return keys, err
	}
	fmt.Fprintln(w.Out)
	id := regexp.MustCompile(`req_\w+`).FindString(asked)
	if _, err = w.runQuietly(ctx, w.person, approver+" approves, with an API key of her own:", "request", "approve", id,
		"--for", "10m"); err != nil {
		return keys, err
	}
	if keys, err = w.borrow(ctx, token, roles[1].name); err != nil {
		return keys, err
	}
	if left := time.Until(keys.Expires); left > 10*time.Minute {
		return keys, fmt.Errorf("the keys live %s, longer than the approval", left)
	}
	fmt.Fprintf(w.Out, "  ✓ lent; the keys end with the approval\n\n")
	return keys, nil
}

// showCutOff stops the agent whose keys were lent, and nobody else. It ends with the agent enabled again.
func (w *world) showCutOff(ctx context.Context, lent, others aws.Credentials) error {
	fmt.Fprintf(w.Out, "Something is wrong with %[1]s. One command stops it:\n\n  $ rolebroker agent cut-off %[1]s\n", agent)
	cut, err := w.admin.CutOff(ctx, agent, api.CutOffRequest{Reason: "deletes what it should not"})
	if err != nil {
		return err
	}
	if _, err := w.borrow(ctx, w.token, roles[1].name); err == nil {
		return errNotRefused
	}
	fmt.Fprintf(w.Out, "  ✓ %d sessions ended; nothing is lent to it any more\n", cut.SessionsEnded)
	if err := w.s3(ctx, lent, http.MethodGet, ""); err != nil {
		return fmt.Errorf("before the policy: %w", err)
	}
	for _, account := range cut.Accounts {
		for _, r := range account.Roles {
			name := r.ARN[strings.LastIndex(r.ARN, "/")+1:]
			w.aws.Account(account.Account).SetRolePolicy(name, r.PolicyName, r.Policy)
		}
	}
	if err := denied(w.s3(ctx, lent, http.MethodGet, "")); err != nil {
		return err
	}
	if err := w.s3(ctx, others, http.MethodGet, ""); err != nil {
		return fmt.Errorf("the keys of %s: %w", careful, err)
	}
	fmt.Fprintf(w.Out, "  ✓ with the policies that it prints, AWS denies the keys lent before; those of %s work\n\n",
		careful)
	_, err = w.runQuietly(ctx, w.key, "It may go on, with new keys:", "agent", "enable", agent)
	fmt.Fprintln(w.Out)
	time.Sleep(time.Until(cut.At.Truncate(time.Second).Add(time.Second))) // keys issued in that second are denied, too
	return err
}

func (w *world) showTrail(ctx context.Context) error {
	_, err := w.administrate(ctx, "All of that is in the audit trail:", "audit", "list", "--limit", "8")
	if err != nil {
		return fmt.Errorf("listing the audit trail: %w", err)
	}
	fmt.Fprintln(w.Out)
	if err := w.awaitTrail(ctx); err != nil {
		return err
	}
	if _, err = w.administrate(ctx, "It is complete and unaltered:", "audit", "verify"); err != nil {
		return fmt.Errorf("verifying the audit trail: %w", err)
	}
	fmt.Fprintln(w.Out)
	return nil
}

// awaitTrail waits until every event has its place in the trail, which takes about a second.
func (w *world) awaitTrail(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		trail, err := w.admin.AuditTrail(ctx)
		if err != nil || trail.Waiting == 0 && trail.Covered == trail.Size {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d events have no place in the audit trail yet: %w", trail.Waiting, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// borrow returns the keys of the role that the agent with the token is lent.
func (w *world) borrow(ctx context.Context, token rolebroker.Secret, role string) (keys aws.Credentials, err error) {
	c, err := client.New(client.Options{URL: w.server.URL(), Token: token})
	if err != nil {
		return keys, err
	}
	lent, err := c.Credentials(ctx, role, "")
	if err != nil {
		return keys, err
	}
	return aws.Credentials{AccessKeyID: lent.AccessKeyID, SecretAccessKey: lent.SecretAccessKey.Reveal(),
		SessionToken: lent.Token.Reveal(), CanExpire: true, Expires: lent.Expiration}, nil
}

var errNotRefused = errors.New("it was not refused")

// denied is nil if AWS denied the call.
func denied(err error) error {
	var r *refusal
	if errors.As(err, &r) && strings.Contains(r.body, "<Code>AccessDenied</Code>") {
		return nil
	}
	return errors.Join(errors.New("AWS did not deny it"), err)
}

// s3 calls S3 in the simulated AWS with the keys.
func (w *world) s3(ctx context.Context, keys aws.Credentials, method, path string) error {
	return w.send(ctx, call{to: w.awsURL, keys: keys, service: "s3", method: method, path: path})
}

// call is a request to AWS.
type call struct {
	to                    string // the URL of AWS, or of the gateway
	keys                  aws.Credentials
	service, method, path string
	form                  url.Values // of the body
}

// refusal is an answer that is no success.
type refusal struct{ status, body string }

func (r *refusal) Error() string { return r.status + ": " + r.body }

// direct goes by no proxy, because everything is on this machine.
var direct = &http.Client{Transport: &http.Transport{}}

// send signs and sends a call. An answer that is no success is a *refusal.
func (w *world) send(ctx context.Context, c call) error {
	body := c.form.Encode()
	req, err := http.NewRequestWithContext(ctx, c.method, c.to+"/"+c.path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	err = v4.NewSigner().SignHTTP(ctx, c.keys, req, hash, c.service, "us-east-1", time.Now())
	if err != nil {
		return err
	}
	resp, err := direct.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode < 300 {
		return err
	}
	return &refusal{resp.Status, string(answer)}
}
