package containercreds

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Calls has what agents asked AWS through the gateway. Its errors are *rolebroker.Error.
type Calls interface {
	// MyCalls lists a page of the caller's calls, the newest first. after is the ID of the last call of the page before.
	MyCalls(ctx context.Context, who rolebroker.Caller, filter rolebroker.CallFilter, limit int, after rolebroker.CallID) (
		api.List[api.Call], error)
}

// callsPath is where agents list their calls.
const callsPath = "/v1/calls"

// ownCalls lists the calls of the caller.
func (e *endpoint) ownCalls(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, _ string) {
	filter, limit, after, err := readCallFilter(r.URL.Query())
	if err != nil {
		e.error(w, err)
		return
	}
	found, err := e.Calls.MyCalls(r.Context(), who, filter, limit, after)
	e.show(w, http.StatusOK, found, err)
}

// readCallFilter reads the parameters of a list of calls. Codes: invalid.
func readCallFilter(q url.Values) (filter rolebroker.CallFilter, limit int, after rolebroker.CallID, err error) {
	wrong := func(name, want string) error {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the parameter %s is not %s", name, want)
	}
	limit = api.MaxLimit
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > api.MaxLimit {
			return filter, 0, "", wrong("limit", "a number from 1 to "+strconv.Itoa(api.MaxLimit))
		}
	}
	if after = rolebroker.CallID(q.Get("cursor")); after != "" && after.Time().IsZero() {
		return filter, 0, "", wrong("cursor", "the next_cursor of a page of this list")
	}
	filter = rolebroker.CallFilter{Session: rolebroker.SessionID(q.Get("session")),
		Request: rolebroker.AccessRequestID(q.Get("request")), Service: q.Get("service"), Operation: q.Get("operation"),
		Level: rolebroker.CallLevel(q.Get("level")), Decision: rolebroker.CallDecision(q.Get("decision"))}
	for name, to := range map[string]*time.Time{"since": &filter.Since, "until": &filter.Until} {
		if text := q.Get(name); text != "" {
			if *to, err = time.Parse(time.RFC3339, text); err != nil {
				return filter, 0, "", wrong(name, "a time as in 2026-03-14T09:26:53Z")
			}
		}
	}
	return filter, limit, after, nil
}
