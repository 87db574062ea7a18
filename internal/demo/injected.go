package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// viewerPatience is how long the viewer has to decide about the agent's call.
const viewerPatience = time.Minute

// showInjection plays an agent without an AWS key that follows the instructions of an attacker.
func (w *world) showInjection(ctx context.Context) error {
	const why = "An agent needs no AWS key. From now on, the gateway signs for scout, and a person approves changes:"
	if _, err := w.runQuietly(ctx, w.key, why, "agent", "connect", agent, integration, "--access", "full",
		"--keys", "withheld", "--approval", "write"); err != nil {
		return err
	}
	keys, err := w.borrow(ctx, w.token, roles[1].name)
	if err != nil {
		return err
	}
	if err := w.gateway(ctx, call{keys: keys, service: "s3", method: http.MethodGet}); err != nil {
		return err
	}
	fmt.Fprintf(w.Out, "  ✓ it works as before: it lists the buckets of S3\n\n")
	if err := w.steal(ctx, keys); err != nil {
		return fmt.Errorf("stealing: %w", err)
	}
	if err := w.mint(ctx, keys); err != nil {
		return fmt.Errorf("making keys: %w", err)
	}
	if err := w.remove(ctx, keys); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	return w.showCalls(ctx)
}

// gateway sends a call by the gateway.
func (w *world) gateway(ctx context.Context, c call) error {
	c.to = w.server.GatewayURL()
	return w.send(ctx, c)
}

// steal has an attacker use the keys of the agent.
func (w *world) steal(ctx context.Context, keys aws.Credentials) error {
	fmt.Fprintf(w.Out, "Then %s reads a web page on which an attacker wrote instructions, and follows them.\n"+
		"First it gives its keys away. The attacker tries them:\n\n"+
		"  $ export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s… AWS_SESSION_TOKEN=%s…\n  $ rolebroker whoami\n",
		agent, keys.AccessKeyID, keys.SecretAccessKey[:4], keys.SessionToken[:4])
	command := exec.CommandContext(ctx, w.Self, "whoami")
	command.Env = append(w.environment(rolebroker.Secret{}), "AWS_ACCESS_KEY_ID="+keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_SESSION_TOKEN="+keys.SessionToken, "AWS_REGION=us-east-1")
	output, err := command.CombinedOutput()
	w.indent(string(output))
	if err == nil {
		return errNotRefused
	}
	if !strings.Contains(string(output), "InvalidClientTokenId") {
		return fmt.Errorf("AWS refused the keys for another reason: %w", err)
	}
	fmt.Fprintf(w.Out, "  ✓ AWS does not know them\n\n")
	return nil
}

// mint has the agent ask AWS for keys.
func (w *world) mint(ctx context.Context, keys aws.Credentials) error {
	fmt.Fprintf(w.Out, "Then it asks AWS for keys of another role, with sts:AssumeRole:\n\n")
	err := w.gateway(ctx, call{keys: keys, service: "sts", method: http.MethodPost, form: url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleSessionName": {"mine"},
		"RoleArn": {"arn:aws:iam::" + customerAccount + ":role/" + roles[2].iamName}}})
	var refused *refusal
	if !errors.As(err, &refused) {
		return errors.Join(errNotRefused, err)
	}
	message, found := refused.message()
	if !found {
		return err
	}
	fmt.Fprintf(w.Out, "  %s\n  ✓ refused; AWS never got it\n\n", message)
	return nil
}

// message returns what the gateway says.
func (r *refusal) message() (text string, found bool) {
	_, text, found = strings.Cut(r.body, "<Message>rolebroker: ")
	text, _, _ = strings.Cut(text, "</Message>")
	return "rolebroker: " + text, found
}

// remove has the agent delete the bucket. The call waits until the viewer decides. Without a viewer, the approver does.
func (w *world) remove(ctx context.Context, keys aws.Credentials) error {
	fmt.Fprintf(w.Out, "Then it deletes the bucket %s. The call waits at the gateway until a person decides:\n\n",
		bucket)
	sent := make(chan error, 1)
	send := func() {
		sent <- w.gateway(ctx, call{keys: keys, service: "s3", method: http.MethodDelete, path: bucket})
	}
	go send()
	asked, err := w.asked(ctx, sent)
	if err != nil {
		return err
	}
	patience := time.NewTimer(0)
	if w.Viewer {
		patience.Reset(viewerPatience)
		if err := w.askViewer(ctx, asked.ID); err != nil {
			return err
		}
	}
	for {
		select {
		case <-patience.C:
			const why = approver + " approves this call, and nothing else:"
			if _, err := w.runQuietly(ctx, w.person, why, "request", "approve", asked.ID, "--for",
				"10m"); err != nil {
				return err
			}
		case err := <-sent:
			asked, unread := w.admin.AccessRequest(ctx, asked.ID)
			switch {
			case unread != nil:
				return unread
			case err == nil:
				fmt.Fprintf(w.Out, "  ✓ approved by %s: it went on, and AWS deleted the bucket\n\n", asked.DecidedBy)
				return nil
			case asked.State == string(rolebroker.RequestPending):
				go send() // as SDKs do, which give up after a while and try again
			case asked.State == string(rolebroker.RequestDenied):
				fmt.Fprintf(w.Out, "  ✓ denied by %s: AWS never got it\n\n", asked.DecidedBy)
				return nil
			default:
				return err
			}
		}
	}
}

// asked returns the access request of a call that waits, unless the call ends before.
func (w *world) asked(ctx context.Context, sent <-chan error) (api.AccessRequest, error) {
	for {
		for asked, err := range w.admin.AllAccessRequests(ctx, api.AccessRequestFilter{
			State: string(rolebroker.RequestPending), Agent: agent}) {
			return asked, err
		}
		select {
		case err := <-sent:
			return api.AccessRequest{}, errors.Join(errors.New("the call did not wait"), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// askViewer tells the viewer where to decide.
func (w *world) askViewer(ctx context.Context, request string) error {
	link, err := w.server.SignInLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.Out, `  Decide in a browser. This link signs you in, once; then look in the Inbox:

  %s

  Or in another terminal:

%s  export ROLEBROKER_URL=%s ROLEBROKER_TOKEN=%s
  rolebroker request deny %s --reason "nobody asked for that"

  If you do nothing for a minute, %s decides.

`, link, w.pathLine(), w.server.URL(), w.key.Reveal(), request, approver)
	return nil
}

// showCalls prints the record of what the agent did.
func (w *world) showCalls(ctx context.Context) error {
	if err := w.awaitCalls(ctx, 3); err != nil {
		return err
	}
	if _, err := w.administrate(ctx, "Every call is on record:", "call", "list", "--agent", agent); err != nil {
		return fmt.Errorf("listing the calls: %w", err)
	}
	fmt.Fprintln(w.Out)
	return nil
}

// awaitCalls waits until so many calls of the agent and their answers are on record, which takes less than a second.
func (w *world) awaitCalls(ctx context.Context, least int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		calls, err := w.admin.Calls(ctx, api.CallFilter{Agent: agent}, client.List{})
		if err != nil {
			return err
		}
		open := slices.ContainsFunc(calls.Items, func(c api.Call) bool {
			return c.Decision == string(rolebroker.CallAllowed) && c.EndedAt == nil
		})
		if len(calls.Items) >= least && !open {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d calls are on record: %w", len(calls.Items), ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
