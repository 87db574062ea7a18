package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rolebroker/rolebroker"
)

// wishOf says in a sentence what an agent asks for, as in "scout wants to delete the object “a.pdf” in the bucket
// “reports” with production/deployer, for 1 hour".
func wishOf(r *rolebroker.AccessRequest, now time.Time) string {
	verb := " asked to "
	if r.State(now) == rolebroker.RequestPending {
		verb = " wants to "
	}
	return r.AgentName + verb + deedOf(r) + ", for " + fully(r.Duration)
}

// deedOf says what the agent would do. It continues "scout wants to …".
func deedOf(r *rolebroker.AccessRequest) string {
	role := r.Reference()
	switch {
	case r.Call != nil:
		deed := callInWords(r.Call) + " with " + role
		if len(resourcesOf(r.Call.Resources)) == 0 {
			deed += " (the request names no resource)"
		}
		return deed
	case r.About == rolebroker.ApprovalWrite:
		return "change things with " + role
	case r.About == rolebroker.ApprovalCall:
		return "make calls with " + role
	}
	switch r.Access {
	case rolebroker.AccessFull:
		return "do everything that " + role + " allows"
	case rolebroker.AccessReadOnly:
		return "read with " + role + ", and change nothing"
	case rolebroker.AccessViewOnly:
		return "list what is there with " + role
	}
	return "do what its session policy allows with " + role
}

// permits says what an approval lets the agent do, as in "Then scout may do everything that production/readonly allows,
// for its task “release-17”, for 1 hour." one: it is for the call that asked, and nothing else.
func permits(r *rolebroker.AccessRequest, one bool) string {
	deed, again := deedOf(r), ""
	switch {
	case one:
		if only, _ := r.Call.Only(); only.Resources == nil {
			deed += ", on any resource"
		}
		again = ", as often as it wants to"
	case r.About == rolebroker.ApprovalWrite:
		deed = "make every change that " + r.Reference() + " allows"
	case r.About == rolebroker.ApprovalCall:
		deed = "make every call that " + r.Reference() + " allows"
	}
	task := ", when it names no task"
	if r.Task != "" {
		task = ", for its task " + inQuotes(r.Task)
	}
	return "Then " + r.AgentName + " may " + deed + task + ", for " + fully(r.Duration) + again + "."
}

// fully is a duration in words, and exact: "1 hour 30 minutes".
func fully(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / unit.length); n > 0 {
			parts = append(parts, plural(n, unit.name, unit.name+"s"))
		}
		d %= unit.length
	}
	return strings.Join(parts, " ")
}

// callInWords says what a call does, as in "delete the object “a.pdf” in the bucket “b”". It continues "to".
// Its names are the agent's, and stand in quotation marks.
func callInWords(c *rolebroker.AskedCall) string {
	deed := deedsOn(c.Actions, c.Service, c.Operation, c.Resources)
	switch {
	case c.Token && c.Service == "s3":
		return "get a URL by which anybody can " + deed
	case c.Token:
		return "get a token by which anybody can " + deed
	}
	return deed
}

// maxDeeds is how many actions of a call are put into words.
const maxDeeds = 3

func deedsOn(actions []string, service, operation string, arns []string) string {
	if len(actions) == 0 {
		actions = []string{service + ":" + operation}
	}
	resources := resourcesOf(arns)
	if len(actions) == 1 {
		verb, noun := verbAndNoun(actions[0])
		if len(resources) == 0 {
			return strings.TrimSpace(verb + " " + noun)
		}
		if first := resources[0]; noun == first.kind || noun == first.kind+"s" {
			return verb + " " + first.String() + andMore(len(resources)-1)
		}
	}
	var deeds []string
	for _, action := range actions[:min(len(actions), maxDeeds)] {
		verb, noun := verbAndNoun(action)
		deeds = append(deeds, strings.TrimSpace(verb+" "+noun))
	}
	if more := len(actions) - len(deeds); more > 0 {
		deeds = append(deeds, plural(more, "other action", "other actions"))
	}
	if len(resources) == 0 {
		return andList(deeds)
	}
	return andList(deeds) + " on " + resources[0].String() + andMore(len(resources)-1)
}

func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// verbAndNoun splits the name of an IAM action into words: "delete" and "object" of s3:DeleteObject.
func verbAndNoun(action string) (verb, noun string) {
	_, name, found := strings.Cut(action, ":")
	if !found {
		name = action
	}
	words := wordsIn(name)
	if len(words) == 0 {
		return action, ""
	}
	return strings.ToLower(words[0]), strings.Join(words[1:], " ")
}

// wordsIn splits a name where its capital letters begin words. All but abbreviations are in small letters: "create",
// "DB", "instance".
func wordsIn(name string) (words []string) {
	runes := []rune(name)
	begin := 0
	for i := 1; i <= len(runes); i++ {
		if i < len(runes) && !(unicode.IsUpper(runes[i]) && (!unicode.IsUpper(runes[i-1]) ||
			i+1 < len(runes) && unicode.IsLower(runes[i+1]))) {
			continue
		}
		word := string(runes[begin:i])
		if len(word) == 1 || strings.ToUpper(word) != word {
			word = strings.ToLower(word)
		}
		words, begin = append(words, word), i
	}
	return words
}

// resource is something in AWS that an ARN names.
type resource struct {
	kind string // as in "table"; "resource" if the ARN does not say it
	name string // "*": all of the kind
	in   string // the bucket of an object; else empty
}

func (r resource) String() string {
	text := "the " + r.kind + " " + inQuotes(r.name)
	if r.name == "*" {
		text = r.kind + "s"
	}
	if r.in != "" {
		text += " in the bucket " + inQuotes(r.in)
	}
	return text
}

// resourcesOf are the resources that ARNs name.
func resourcesOf(arns []string) (resources []resource) {
	for _, arn := range arns {
		parts := strings.SplitN(arn, ":", 6)
		if len(parts) < 6 || parts[0] != "arn" {
			if arn != "*" || len(resources) > 0 { // "*" alone: nothing is known
				resources = append(resources, resource{kind: "resource", name: arn})
			}
			continue
		}
		resources = append(resources, resourceOf(parts[2], parts[5]))
	}
	return resources
}

// resourceOf reads the last part of an ARN.
func resourceOf(service, text string) resource {
	if service == "s3" {
		bucket, key, isObject := strings.Cut(text, "/")
		if !isObject {
			return resource{kind: "bucket", name: bucket}
		}
		return resource{kind: "object", name: key, in: bucket}
	}
	if at := strings.IndexAny(text, "/:"); at > 0 && at < len(text)-1 {
		return resource{kind: strings.ReplaceAll(text[:at], "-", " "), name: text[at+1:]}
	}
	kind := map[string]string{"sns": "topic", "sqs": "queue"}[service]
	return resource{kind: cmp.Or(kind, "resource"), name: text}
}

// maxQuoted bounds a name in a sentence.
const maxQuoted = 80

// inQuotes quotes a name that a stranger chose. It cannot end its quotation, and a long one is cut.
func inQuotes(name string) string {
	name = strings.NewReplacer("“", "'", "”", "'").Replace(rolebroker.OneLine(name))
	if runes := []rune(name); len(runes) > maxQuoted {
		name = string(runes[:maxQuoted-1]) + "…"
	}
	return "“" + name + "”"
}

// history is what is known of an agent when it asks.
type history struct {
	agent   *rolebroker.Agent          // nil: it was deleted
	earlier []rolebroker.AccessRequest // for the same role, the newest first
	all     []rolebroker.AccessRequest // earlier ones for any role, the newest first
	calls   []rolebroker.Call          // the newest first
}

// When an agent is new, and how many requests in an hour are many.
const (
	newAgent     = 24 * time.Hour
	manyRequests = 5
)

// unusual says what about a request a person should look at twice.
func (h *history) unusual(r *rolebroker.AccessRequest, now time.Time) (all []string) {
	add := func(is bool, text string) {
		if is {
			all = append(all, text)
		}
	}
	if h.agent != nil {
		add(h.agent.Disabled, "The agent is disabled: an approval lends it nothing.")
		add(now.Sub(h.agent.CreatedAt) < newAgent,
			"The agent is new: it was created "+rolebroker.RelativeTime(h.agent.CreatedAt, now)+".")
	}
	if c := r.Call; c != nil {
		add(c.Token, "Whoever has what it asks for can use it; the gateway does not see who does.")
		add(c.Level == rolebroker.CallPermissions, "The call may change who may do what in AWS.")
		does := "reads"
		if c.Level.Changes() {
			does = "changes"
		}
		add(slices.Contains(c.Resources, "*") || len(c.Resources) == 0, "The call does not name all that it "+does+".")
	}
	all = append(all, h.besideEarlier(r, now)...)
	lately := 0
	for i := range h.all {
		if now.Sub(h.all[i].CreatedAt) < time.Hour {
			lately++
		}
	}
	add(lately >= manyRequests, fmt.Sprintf("It asked %d times before in the last hour.", lately))
	refused := 0
	for i := range h.calls {
		if c := &h.calls[i]; c.Decision == rolebroker.CallRefused && c.Code != rolebroker.CodeApproval { // else it asked
			refused++
		}
	}
	add(refused > 0, fmt.Sprintf("Of its last %d calls, %d %s refused.", len(h.calls), refused,
		oneOrMany(int64(refused), "was", "were")))
	return all
}

// besideEarlier says how a request differs from the earlier ones for the same role.
func (h *history) besideEarlier(r *rolebroker.AccessRequest, now time.Time) []string {
	if len(h.earlier) == 0 {
		return []string{"It asks for this role for the first time, as far as the records go."}
	}
	var all []string
	for _, last := range h.earlier {
		if last.Decision == rolebroker.DecisionDenied {
			all = append(all, last.DecidedBy+" denied its last request for this role "+
				rolebroker.RelativeTime(last.DecidedAt, now)+": "+inQuotes(last.Note))
		}
		if last.Decision != "" {
			break
		}
	}
	approved := h.approved()
	if len(approved) == 0 {
		return append(all, "No request of it for this role was approved before.")
	}
	longest, wider := time.Duration(0), true
	for _, before := range approved {
		longest = max(longest, before.Granted)
		wider = wider && before.GrantedAccess != r.Access && slices.Contains(r.Grantable(), before.GrantedAccess)
	}
	if longest < r.Duration {
		all = append(all, "It asks for "+fully(r.Duration)+"; the most that was approved before is "+fully(longest)+".")
	}
	if wider {
		all = append(all, fmt.Sprintf("It asks for %s access; before, only %s was approved.", r.Access,
			approved[0].GrantedAccess))
	}
	return all
}

// approved are the earlier requests for the role that were approved.
func (h *history) approved() (all []rolebroker.AccessRequest) {
	for _, r := range h.earlier {
		if r.Decision == rolebroker.DecisionApproved {
			all = append(all, r)
		}
	}
	return all
}

// usual says why nothing about a request is unusual.
func (h *history) usual(now time.Time) string {
	approved := h.approved()
	if len(approved) == 0 {
		return ""
	}
	return "Nothing: " + plural(len(approved), "such request was", "such requests were") + " approved before, the last " +
		rolebroker.RelativeTime(approved[0].DecidedAt, now) + " by " + approved[0].DecidedBy + "."
}
