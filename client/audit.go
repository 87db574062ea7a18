package client

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// AuditTrail reads the state of the audit trail, and its newest checkpoint.
func (c *Client) AuditTrail(ctx context.Context) (api.AuditTrail, error) {
	return get[api.AuditTrail](ctx, c, at("/api/v1/audit-trail"))
}

// FollowAudit reads events of the audit trail, in its order, from a sequence on; -1 is its end. While there is none, the
// server waits at most so many seconds before it answers. The filter's times are not used.
func (c *Client) FollowAudit(
	ctx context.Context, from int64, filter api.AuditFilter, wait time.Duration,
) (api.FollowedAudit, error) {
	q := auditQuery(filter)
	q["from_sequence"], q["wait"] = strconv.FormatInt(from, 10), strconv.Itoa(int(wait.Seconds()))
	return send[api.FollowedAudit](ctx, c, request{method: http.MethodGet, place: at("/api/v1/audit-trail/events"),
		query: q.values(), most: maxList, patience: wait})
}

// ExportAudit writes an export of the audit trail in a format, which ends when ctx does and otherwise takes as long as it takes.
// from is a sequence, and -1 the first that is still there, or that of since, unless that is zero.
func (c *Client) ExportAudit(
	ctx context.Context, from int64, since time.Time, format rolebroker.AuditFormat, to io.Writer,
) error {
	q := query{}
	if format != rolebroker.AuditJSONL {
		q["format"] = string(format)
	}
	if from >= 0 {
		q["from_sequence"] = strconv.FormatInt(from, 10)
	}
	q.addTimes(since, time.Time{})
	return c.export(ctx, request{method: http.MethodGet, place: at("/api/v1/audit-trail/export"), query: q.values(),
		accept: api.AuditExportType}, to)
}

// export writes the lines of an answer, which takes as long as it takes.
func (c *Client) export(ctx context.Context, r request, to io.Writer) error {
	patient := *c.http
	patient.Timeout = 0
	resp, err := c.ask(ctx, &patient, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return c.refusal(resp)
	case resp.Header.Get("Content-Type") != r.accept:
		return c.foreign(resp)
	}
	body := &remote{Reader: resp.Body}
	if _, err = io.Copy(to, body); body.err != nil {
		return c.unreachable(ctx, body.err)
	}
	return err
}

// remote notes the error of the reader, to distinguish it from that of a writer.
type remote struct {
	io.Reader
	err error
}

func (r *remote) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
