package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// limitWords say what a connection lets its agent do, for people who know no word of rolebroker. Each text continues
// "It …".
type limitWords struct {
	May      string // what it may do; if its calls wait for a person, first what it does by itself
	Keys     string
	Approval string // empty: May says it
}

// Rest says of an agent what May does not, as in "holds no AWS key".
func (w limitWords) Rest() string {
	if w.Approval == "" {
		return w.Keys
	}
	return w.Keys + ", and " + w.Approval
}

// wordsOfLimits says what a connection lets its agent do.
func wordsOfLimits(c *rolebroker.Connection) limitWords {
	access := map[rolebroker.Access]string{
		rolebroker.AccessFull:     "may do everything that the roles allow",
		rolebroker.AccessReadOnly: "may read, and change nothing",
		rolebroker.AccessViewOnly: "may list what is there, and read hardly any data",
		rolebroker.AccessPolicy:   "may do what its session policy allows",
	}
	keys := map[rolebroker.Keys]string{
		rolebroker.KeysLent:     "gets AWS keys",
		rolebroker.KeysWithheld: "holds no AWS key",
	}
	approval := map[rolebroker.Approval]string{
		rolebroker.ApprovalNone:   "asks nobody",
		rolebroker.ApprovalBorrow: "waits for a person’s yes before it uses a role",
		rolebroker.ApprovalWrite:  "waits for a person’s yes before each change",
		rolebroker.ApprovalCall:   "waits for a person’s yes before each call",
	}
	words := limitWords{access[c.Access], keys[c.Keys], approval[c.Approval]}
	if len(c.AllowedActions) > 0 {
		words.Keys += ", but may call " + strings.Join(c.AllowedActions, ", ")
	}
	buckets := bucketsInWords(c.ExemptPolicy)
	if by := byItself(c, buckets); c.Access == rolebroker.AccessFull && by != "" {
		words.May, words.Approval = by, ""
		return words
	}
	switch {
	case buckets != "":
		words.Approval += " except to read " + buckets
	case c.ExemptPolicy != "":
		words.Approval += " that its exempt policy does not allow"
	}
	return words
}

// byItself says what an agent with full access does without a person, whose calls wait for one; empty: they do not.
// Buckets are those that it reads freely, in words.
func byItself(c *rolebroker.Connection, buckets string) string {
	switch {
	case c.Approval == rolebroker.ApprovalWrite:
		return "reads whatever the roles allow by itself; every change waits for a person’s yes"
	case c.Approval != rolebroker.ApprovalCall:
		return ""
	case buckets != "":
		return "reads " + buckets + " by itself; every other call waits for a person’s yes"
	case c.ExemptPolicy != "":
		return "makes the calls that its exempt policy allows by itself; every other call waits for a person’s yes"
	}
	return "waits for a person’s yes before each call"
}

// bucketsInWords names the buckets that an exempt policy lets an agent read, if it allows nothing else, as in "the
// buckets a and b".
func bucketsInWords(policy string) string {
	arns, ok := rolebroker.BucketsRead(policy)
	if !ok {
		return ""
	}
	names := make([]string, 0, len(arns))
	for _, arn := range arns[:min(len(arns), maxMentioned)] {
		names = append(names, arn[strings.LastIndex(arn, ":")+1:])
	}
	if more := len(arns) - len(names); more > 0 {
		names = append(names, strconv.Itoa(more)+" more")
	}
	return oneOrMany(int64(len(arns)), "the bucket ", "the buckets ") + andList(names)
}

// Sentence says all of it of an agent, as in "In production, scout may read, and change nothing. It …".
func (w limitWords) Sentence(agent string, c *rolebroker.Connection) string {
	where := "In " + c.IntegrationName
	if names := c.RoleNames(); len(names) > 0 && len(names) <= maxMentioned {
		where += ", with " + andList(names) + " only"
	}
	return where + ", " + agent + " " + w.May + ". It " + w.Rest() + "."
}

// andList joins names as in "a, b and c".
func andList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// summaryOf says in one sentence or two what limits let an agent do in an integration.
func summaryOf(agent string, in *rolebroker.Integration, limits *broker.Limits) string {
	c := rolebroker.Connection{IntegrationName: in.Name, Access: limits.Access, Keys: limits.Keys,
		Approval: limits.Approval, ExemptPolicy: limits.ExemptPolicy, AllowedActions: limits.AllowedActions}
	if limits.Roles != nil {
		for _, r := range in.Roles {
			if slices.Contains(*limits.Roles, r.Name) || slices.Contains(*limits.Roles, string(r.ID)) {
				c.Roles = append(c.Roles, rolebroker.ConnectionRole{ID: r.ID, Name: r.Name})
			}
		}
	}
	return wordsOfLimits(&c).Sentence(agent, &c)
}

// judgePatience is how long the page waits for the judgement. An agent decides how many calls there are to judge, and
// must not keep anybody from limiting it.
const judgePatience = 2 * time.Second

// judged says what limits would have done with the calls of the last days; nil: the person may not see calls.
func (s *server) judged(r *http.Request, v *visit, agent *rolebroker.Agent, in *rolebroker.Integration,
	limits *broker.Limits) []string {
	ctx, cancel := context.WithTimeout(r.Context(), judgePatience)
	defer cancel()
	found, err := s.Broker.JudgeLimits(ctx, v.who, string(agent.ID), string(in.ID), limits)
	switch {
	case err != nil && ctx.Err() != nil:
		return []string{agent.Name + " sent so many calls in the last 7 days that judging them takes too long for a page."}
	case rolebroker.CodeOf(err) == rolebroker.CodeInvalid:
		all := []string{"This cannot be saved yet."}
		for _, f := range faultsOf(limitsErrors(err), limitFields...) {
			all = append(all, f.Message)
		}
		return all
	case err != nil:
		return nil
	}
	c := agent.Connection(in.ID)
	if found.Calls == 0 && c != nil && c.Keys == rolebroker.KeysLent {
		return []string{agent.Name + " is lent AWS keys, so its calls do not come through this server, and nobody can " +
			"say what these limits would have refused. With keys withheld, calls are recorded from then on."}
	}
	return judgementWords(agent.Name, found, limits.Access)
}

// judgementWords says a judgement in sentences.
func judgementWords(agent string, j *rolebroker.Judgement, access rolebroker.Access) []string {
	left := leftOut(j)
	switch {
	case j.Calls == 0 && left == "":
		return []string{agent + " sent no calls through this server in the last 7 days."}
	case j.Calls == 0:
		return []string{"No call of " + agent + " in the last 7 days can be judged. " + left}
	}
	first := "Of " + grouped(j.Calls) + " " + oneOrMany(j.Calls, "call", "calls") + " in the last 7 days, "
	if len(j.Refused) == 0 {
		first += "none would have been refused"
	} else {
		first += grouped(callsOf(j.Refused)) + " would have been refused: " + mostOf(j.Refused)
	}
	if len(j.Waited) > 0 {
		first += "; " + grouped(callsOf(j.Waited)) + " would have waited for a person: " + mostOf(j.Waited)
	}
	all := []string{first + "."}
	if len(j.Unsure) > 0 {
		all = append(all, "Of "+grouped(callsOf(j.Unsure))+" nobody can say: "+mostOf(j.Unsure)+". "+
			sentence(j.Unsure[0].Reason))
	}
	if left != "" {
		all = append(all, left)
	}
	if policy := managedPolicyOf[access]; policy != "" {
		all = append(all, "Judged by the access levels that AWS gives IAM actions. AWS itself decides by its "+policy+
			", which may differ for a few actions.")
	}
	return all
}

// managedPolicyOf are AWS's policies that an access uses.
var managedPolicyOf = map[rolebroker.Access]string{
	rolebroker.AccessReadOnly: "ReadOnlyAccess", rolebroker.AccessViewOnly: "ViewOnlyAccess"}

// leftOut says which calls a judgement is not about; empty: it is about all.
func leftOut(j *rolebroker.Judgement) string {
	var all []string
	if j.AWSRefused > 0 {
		all = append(all, grouped(j.AWSRefused)+" that AWS refused")
	}
	if j.NotSent > 0 {
		all = append(all, grouped(j.NotSent)+" that this server refused")
	}
	if all == nil {
		return ""
	}
	return "Not counted: " + andList(all) + "."
}

func callsOf(kinds []rolebroker.RefusedKind) (n int64) {
	for _, k := range kinds {
		n += k.Calls
	}
	return n
}

// mostOf names the most frequent kinds, as in "s3:DeleteObject (2), s3:PutObject (1) and 3 more".
func mostOf(kinds []rolebroker.RefusedKind) string {
	var all []string
	for _, k := range kinds[:min(len(kinds), 5)] {
		all = append(all, k.Call+" ("+grouped(k.Calls)+")")
	}
	text := strings.Join(all, ", ")
	if more := len(kinds) - len(all); more > 0 {
		text += " and " + plural(more, "other action", "other actions")
	}
	return text
}

func oneOrMany(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// grouped is a number as in "1,204".
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
