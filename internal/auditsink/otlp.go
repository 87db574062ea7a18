package auditsink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// OTLP sends events to a receiver of OpenTelemetry logs, over OTLP/HTTP as JSON. It sends no checkpoints.
//
// Source: OpenTelemetry, "OTLP Specification 1.9.0", "OTLP/HTTP".
type OTLP struct {
	endpoint    string
	headersFile string
	version     string
	log         func(msg string, args ...any)
	client      *http.Client
}

// NewOTLP makes the sink. The files may be empty. log is told what the receiver does not accept.
func NewOTLP(
	endpoint, headersFile, caFile, version string, log func(msg string, args ...any),
) (*OTLP, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate as PEM", caFile)
		}
	}
	o := &OTLP{endpoint: endpoint, headersFile: headersFile, version: version, log: log}
	o.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the headers are for this receiver only
	}}
	_, err := o.headers()
	return o, err
}

// Name implements [Sink].
func (o *OTLP) Name() string { return "otlp:" + o.endpoint }

// Close implements [Sink].
func (o *OTLP) Close() error {
	o.client.CloseIdleConnections()
	return nil
}

// headers reads the file with the headers. Its error does not repeat what is in it.
func (o *OTLP) headers() (http.Header, error) {
	headers := http.Header{}
	if o.headersFile == "" {
		return headers, nil
	}
	text, err := os.ReadFile(o.headersFile)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("%s: line %d is not NAME=VALUE", o.headersFile, i+1)
		}
		headers.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return headers, nil
}

// Deliver implements [Sink]. Any answer but 2xx is an error: the batch is sent again, because an event that is dropped
// is lost.
func (o *OTLP) Deliver(ctx context.Context, b Batch) error {
	if len(b.Records) == 0 {
		return nil
	}
	body, err := o.body(b)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if request.Header, err = o.headers(); err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "rolebroker/"+o.version)
	answer, err := o.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode/100 != 2 {
		return &Retry{After: retryAfter(answer.Header), Err: fmt.Errorf("the receiver answers %s", answer.Status)}
	}
	if err == nil {
		o.warnOfRejected(b, text)
	}
	return nil
}

// warnOfRejected logs what a receiver says that it did not take. Sending that again is forbidden.
func (o *OTLP) warnOfRejected(b Batch, answer []byte) {
	var partial struct {
		PartialSuccess struct {
			RejectedLogRecords json.Number `json:"rejectedLogRecords"`
			ErrorMessage       string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &partial) != nil {
		return
	}
	if n, _ := partial.PartialSuccess.RejectedLogRecords.Int64(); n > 0 {
		o.log("the receiver of the audit trail rejected events", "events", n, "from", b.From.Size,
			"to", b.From.Size+int64(len(b.Records))-1, "reason", rolebroker.Quote(partial.PartialSuccess.ErrorMessage))
	}
}

// retryAfter returns what the receiver asks for, at most ten minutes.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 600)) * time.Second
}

type (
	otlpValue struct {
		String string `json:"stringValue"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpRecord struct {
		Time       string          `json:"timeUnixNano"`
		Severity   int             `json:"severityNumber"`
		Text       string          `json:"severityText"`
		EventName  string          `json:"eventName"`
		Body       otlpValue       `json:"body"`
		Attributes []otlpAttribute `json:"attributes"`
	}
)

// body renders the records as an ExportLogsServiceRequest.
func (o *OTLP) body(b Batch) ([]byte, error) {
	records := make([]otlpRecord, 0, len(b.Records))
	for i := range b.Records {
		record, err := o.record(&b.Records[i])
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	type object = map[string]any
	scope := object{"name": "github.com/rolebroker/rolebroker", "version": o.version}
	resource := object{"attributes": attributes("service.name", "rolebroker", "service.version", o.version)}
	return json.Marshal(object{"resourceLogs": []object{{"resource": resource,
		"scopeLogs": []object{{"scope": scope, "logRecords": records}}}}})
}

// record renders a record. Its body is the line that the trail has hashed.
func (o *OTLP) record(r *rolebroker.AuditRecord) (otlpRecord, error) {
	e, err := trail.Event(r.Record)
	if err != nil {
		return otlpRecord{}, errors.Join(fmt.Errorf("event %d of the audit trail cannot be read", r.Sequence), err)
	}
	shown := otlpRecord{Time: strconv.FormatInt(r.At.UnixNano(), 10), Severity: 9, Text: "INFO",
		EventName: "rolebroker." + e.Action, Body: otlpValue{string(r.Record)}, Attributes: eventAttributes(r, &e)}
	if e.Outcome == string(rolebroker.OutcomeRefused) {
		shown.Severity, shown.Text = 13, "WARN"
	}
	return shown, nil
}

func eventAttributes(r *rolebroker.AuditRecord, e *api.AuditEvent) []otlpAttribute {
	return attributes("rolebroker.audit.id", e.ID, "rolebroker.audit.sequence", strconv.FormatInt(r.Sequence, 10),
		"rolebroker.audit.hash", r.Hash, "rolebroker.audit.action", e.Action, "rolebroker.audit.outcome", e.Outcome,
		"rolebroker.audit.actor.kind", e.Actor.Kind, "rolebroker.audit.actor.id", e.Actor.ID,
		"rolebroker.audit.actor.name", e.Actor.Name, "client.address", e.Actor.Address,
		"rolebroker.audit.request_id", e.RequestID)
}

// attributes makes attributes of names and values. It leaves out what is empty.
func attributes(pairs ...string) (all []otlpAttribute) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, otlpAttribute{pairs[i], otlpValue{pairs[i+1]}})
		}
	}
	return all
}
