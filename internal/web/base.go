package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// base is the part that all pages share.
type base struct {
	Title           string
	Section         string // the current entry of the navigation
	Who             rolebroker.Caller
	Counts          rolebroker.Counts
	Waiting         int    // access requests that wait for a decision, up to maxWaiting
	PlatformAccount string // the account of the platform's AWS identity; empty: not known
	PlatformName    string // the name of the platform's role or user
	Now             time.Time
	Done            string // what was done just now, as a sentence; empty: nothing
	DoneTone        string // the tone of Done; empty: good
	Compact         bool   // rows of lists are a line each
	Exact           bool   // times are shown as they are, and not in words
}

// SignedIn returns whether the page is for a person who is signed in.
func (b base) SignedIn() bool { return b.Who.Principal() != "" }

// MayWrite returns whether the person may change things. Pages do not offer what
// the broker would refuse.
func (b base) MayWrite() bool { return b.Who.MayWrite() == nil }

// doneSentences are what a page says was done, by the value of ?done=.
var doneSentences = map[string]string{
	"created":      "Created.",
	"updated":      "Updated. Credentials from before are valid until they expire.",
	"validated":    "Validated.",
	"deleted":      "Deleted. Credentials from before are valid until they expire.",
	"connected":    "Connected.",
	"limited":      "Saved. It is in force at the agent’s next request; credentials from before are valid until they expire.",
	"disconnected": "Disconnected. Credentials from before are valid until they expire.",
	"default":      "The default integration is chosen.",
	"disabled":     "Disabled. It gets no more credentials; those from before are valid until they expire.",
	"paused":       "Disabled. Nobody gets its roles; credentials from before are valid until they expire.",
	"cut-off":      "Cut off. Nothing is lent to it any more, by any server or runner.",
	"cut-off-role": "Cut off from the role. It is not lent to it any more, by any server or runner.",
	"merged":       "Updated, and what somebody else changed meanwhile is kept. Credentials from before are valid until they expire.",
	"enabled":      "Enabled.",
	"lifted":       "Enabled. It gets new keys, never those from before.",
	"approved":     "Approved. The grant began now.",
	"denied":       "Denied. The agent sees the reason.",
	"grantended":   "Ended. The agent’s next request is refused.",
	"ended":        "Ended. Nobody gets its credentials any more.",
	"ruleupdated":  "Updated. It counts for the next requests; what it approved stays approved until it ends.",
	"rulemerged":   "Updated, and what somebody else changed meanwhile is kept.",
	"ruleenabled":  "Enabled. It approves the next requests that match.",
	"ruledisabled": "Disabled. It approves nothing; what it approved stays approved until it ends.",
	"ruledeleted":  "Deleted. What the rule approved stays approved until it ends.",
	"revoked":      "Revoked. Credentials from before are valid until they expire.",
	"keydeleted":   "Deleted. Nobody can use the API key any more.",
	"believed":     "The server now believes the runner about the service accounts of its cluster.",
	"bound":        "Bound. Pods that run as the service account now borrow the agent’s roles.",
	"unbound":      "Unbound. Credentials from before are valid until they expire.",
}

// toDone redirects after a change to a page that says what was done.
func toDone(w http.ResponseWriter, r *http.Request, path, done string) error {
	return to(w, r, path+"?done="+done)
}

// exactly returns whether the page has exact times.
func (b base) exactly() bool { return b.Exact }

// partBase is the base of a part of a page, of which the browser has the rest.
func (s *server) partBase(r *http.Request, v *visit) base {
	return base{Who: v.who, Now: s.Now(), Compact: compact(r), Exact: exact(r)}
}

// base makes the base of a page.
func (s *server) base(r *http.Request, v *visit, title, section string) base {
	b := s.partBase(r, v)
	b.Title, b.Section, b.Done = title, section, doneSentences[r.URL.Query().Get("done")]
	var err error
	if b.Counts, err = s.Broker.Counts(r.Context(), v.who); err != nil {
		s.Log.WarnContext(r.Context(), "web app: counting", "reason", err)
	}
	b.Waiting = s.waiting(r.Context(), v)
	b.PlatformAccount, b.PlatformName = s.identity(r.Context(), v)
	return b
}

// maxWaiting bounds the number of access requests in the navigation.
const maxWaiting = 99

// waiting counts the access requests that wait for a decision.
func (s *server) waiting(ctx context.Context, v *visit) int {
	pending, err := s.Broker.AccessRequests(ctx, v.who,
		rolebroker.AccessRequestFilter{State: rolebroker.RequestPending}, rolebroker.Page{Limit: maxWaiting})
	if err != nil {
		s.Log.WarnContext(ctx, "web app: counting access requests", "reason", err)
	}
	return len(pending)
}

// identityPatience is how long a page waits for the platform's AWS identity.
const identityPatience = 300 * time.Millisecond

// identity is the platform's AWS identity; empty if it is not known soon.
func (s *server) identity(ctx context.Context, v *visit) (account, name string) {
	ctx, cancel := context.WithTimeout(ctx, identityPatience)
	defer cancel()
	platform, err := s.Broker.Platform(ctx, v.who)
	if err != nil || platform.Err != nil {
		return "", ""
	}
	arn, _ := platform.Principal()
	return platform.Account, arn[strings.LastIndexByte(arn, '/')+1:]
}
