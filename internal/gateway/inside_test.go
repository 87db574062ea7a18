package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// presigned is a URL that is signed as SDKs sign the one inside of a copy.
func (w *world) presigned(key rolebroker.Credentials, to, service, region string) string {
	w.t.Helper()
	r := httptest.NewRequest("GET", to, nil)
	with := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey.Reveal(),
		SessionToken: key.SessionToken.Reveal()}
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), with, r, sigv4.Hash(nil), service, region, now)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

// copying has a request inside for each of which a test changes one thing.
const copying = "Action=CopySnapshot&Version=2016-11-15&SourceRegion=us-east-1&SourceSnapshotId=snap-1"

func (w *world) copyWith(inside string, more ...string) (status int, body string) {
	w.t.Helper()
	form := copying + "&PresignedUrl=" + url.QueryEscape(inside) + "&DestinationRegion=eu-west-1" +
		strings.Join(more, "")
	r := httptest.NewRequest("POST", "http://127.0.0.1:7777/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.sign(r, w.key(), sigv4.Hash([]byte(form)), "ec2", "eu-west-1")
	w.last = nil
	answer := w.answer(r)
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

// The request inside of a copy is signed again, for the region of the source.
func TestTheRequestInsideOfACopy(t *testing.T) {
	const inside = copying + "&DestinationRegion=eu-west-1&X-Amz-Expires=600"
	for name, at := range map[string]string{"by the endpoint": "http://127.0.0.1:7777/?",
		"at the host of AWS": "https://ec2.us-east-1.amazonaws.com/?"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.endpoint = func(endpoint.Service) string { return w.aws }
			var asked []string
			w.approve = func(_ context.Context, c *rolebroker.AskedCall, _ time.Duration) (
				rolebroker.AccessRequestID, error) {
				asked = append(asked, c.Operation+" "+string(c.Region))
				return "", nil
			}
			if status, body := w.copyWith(w.presigned(w.key(), at+inside, "ec2", "us-east-1")); status != 200 {
				t.Fatalf("the answer is %d %s", status, body)
			}
			if got := strings.Join(asked, ", "); got != "CopySnapshot us-east-1, CopySnapshot eu-west-1" {
				t.Errorf("people are asked about %s", got)
			}
			form, err := url.ParseQuery(w.body)
			if err != nil || form.Get("DestinationRegion") != "eu-west-1" || strings.Contains(w.body, "rbg1") ||
				strings.Contains(w.body, "RBGW") {
				t.Fatalf("AWS gets %s, %v", w.body, err)
			}
			got := httptest.NewRequest("GET", form.Get("PresignedUrl"), nil)
			signature, err := sigv4.Read(got)
			if err != nil || !signature.Presigned || signature.KeyID != "ASIAREAL" || signature.Token != "real token" ||
				signature.Region != "us-east-1" || signature.Service != "ec2" {
				t.Fatalf("the request inside is %s: %+v, %v", got.URL, signature, err)
			}
			if err := signature.Verify(got, sigv4.Plain(got, sigv4.Hash(nil)), "real secret"); err != nil {
				t.Error(err)
			}
			q := got.URL.Query()
			if "http://"+got.Host != w.aws || q.Get("X-Amz-Expires") != "600" || q.Get("Action") != "CopySnapshot" ||
				q.Get("SourceSnapshotId") != "snap-1" || q.Get("DestinationRegion") != "eu-west-1" {
				t.Errorf("the request inside is %s", got.URL)
			}
			outer, err := sigv4.Read(w.last)
			if err == nil {
				err = outer.Verify(w.last, sigv4.Plain(w.last, sigv4.Hash([]byte(w.body))), "real secret")
			}
			if err != nil {
				t.Errorf("the request around it: %v", err)
			}
		})
	}
}

// What is inside is refused unless the agent made it with the same key, for the same operation at AWS.
func TestRequestsInsideThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.endpoint = func(endpoint.Service) string { return w.aws }
	const us = "us-east-1"
	const expires, room = "&X-Amz-Expires=600", "http://127.0.0.1:7777/"
	good := w.presigned(w.key(), room+"?"+copying+expires, "ec2", "us-east-1")
	other := w.keys.Make(rolebroker.GatewayKey{Agent: "agt_other", Token: "tok_other", Integration: "int_p",
		Role: "rol_d", Expires: now.Add(time.Hour)})
	foreign := rolebroker.Credentials{AccessKeyID: "AKIAFOREIGN", SecretAccessKey: rolebroker.NewSecret("x"),
		SessionToken: rolebroker.NewSecret("y")}
	for name, c := range map[string]struct{ inside, says string }{
		"another agent's":   {w.presigned(other, room+"?"+copying+expires, "ec2", us), "did not make these keys"},
		"signed with AWS's": {w.presigned(foreign, room+"?"+copying+expires, "ec2", us), "did not make these keys"},
		"altered":           {strings.Replace(good, "snap-1", "snap-2", 1), "does not match"},
		"another region":    {strings.Replace(good, "%2Fus-east-1%2F", "%2Feu-west-2%2F", 1), "does not match"},
		"not signed":        {room + "?" + copying, "is missing Authentication Token"},
		"expired":           {strings.Replace(good, "X-Amz-Date=20260314T0926", "X-Amz-Date=20260314T0816", 1), ""},
		"another operation": {w.presigned(w.key(), room+"?Action=RunInstances&Version=2016-11-15"+expires, "ec2", us),
			"and is inside of"},
		"another service": {w.presigned(w.key(), room+"?Action=GetCallerIdentity&Version=2011-06-15"+expires, "sts",
			"us-east-1"), "and is inside of"},
		"credentials": {w.presigned(w.key(), room+"?Action=GetSessionToken&Version=2011-06-15"+expires, "sts",
			"us-east-1"), "does not sign the request"},
		"another host": {w.presigned(w.key(), "https://evil.us-east-1.elb.amazonaws.com/?"+copying+expires, "ec2",
			"us-east-1"), "signs for no host"},
		"another partition": {w.presigned(w.key(), room+"?"+copying+expires, "ec2", "cn-north-1"), "and is inside of"},
		"a path":            {w.presigned(w.key(), room+"x?"+copying+expires, "ec2", "us-east-1"), ""},
		"a user":            {strings.Replace(good, "://", "://u:p@", 1), "not a URL of AWS"},
		"a fragment":        {good + "#x", "not a URL of AWS"},
		"no URL":            {"snap-1", "not a URL of AWS"},
		"one inside of it": {w.presigned(w.key(), room+"?"+copying+"&PresignedUrl=x"+expires, "ec2", us),
			"another request inside"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := w.copyWith(c.inside)
			if status != 403 || !strings.Contains(body, c.says) || !strings.Contains(body, "PresignedUrl") ||
				w.last != nil {
				t.Errorf("the answer is %d %s", status, body)
			}
		})
	}
	if status, body := w.copyWith(good, "&presignedurl=x"); status == 200 || w.last != nil {
		t.Errorf("two of them: the answer is %d %s", status, body)
	}
	w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "the agent is cut off")
	if status, _ := w.copyWith(good); status != 403 || w.last != nil {
		t.Errorf("of an agent that is cut off: the answer is %d", status)
	}
	w.denial = nil
	if status, body := w.copyWith(good); status != 200 {
		t.Errorf("the good one: the answer is %d %s", status, body)
	}
}

// Both requests are on record before AWS gets them, and if the one inside cannot be recorded, AWS gets none.
func TestTheRequestInsideIsRecorded(t *testing.T) {
	w := newRecorded(t, nil)
	inside := w.presigned(w.key(), "http://127.0.0.1:7777/?"+copying+"&X-Amz-Expires=600", "ec2", "us-east-1")
	var before []string
	w.aws = func(rw http.ResponseWriter, _ *http.Request) { before = w.ledger.all() }
	if status, body := w.copyWith(inside); status != 200 {
		t.Fatalf("the answer is %d %s", status, body)
	}
	if len(before) != 2 {
		t.Errorf("AWS gets it with the records %q", before)
	}
	if err := w.gateway.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	var outer, inner rolebroker.Call
	for _, c := range w.ledger.calls {
		if c.Region == "us-east-1" {
			inner = c
		} else {
			outer = c
		}
	}
	if outer.Outcome() != rolebroker.OutcomeAnswered || outer.Operation != "CopySnapshot" || outer.Status != 200 {
		t.Errorf("the call is recorded as %+v", outer)
	}
	if inner.Outcome() != rolebroker.OutcomeUnanswered || inner.Operation != "CopySnapshot" ||
		inner.Reason != "it was sent inside of call "+string(outer.ID) || inner.Level != outer.Level {
		t.Errorf("the call inside is recorded as %+v", inner)
	}
	w.ledger.fails(errors.New("no database"))
	sent := false
	w.aws = func(http.ResponseWriter, *http.Request) { sent = true }
	if status, body := w.copyWith(inside); status != 503 || sent {
		t.Errorf("without records the answer is %d %s", status, body)
	}
}
