package awssim

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// onIAM runs an IAM call, from the permission check to the change, under the lock.
// IAM calls are short and rare.
func onIAM(action string, run func(*iamCall) ([]node, error)) operation {
	return operation{service: iamAPI, action: action, run: func(c *call) ([]node, error) {
		if err := c.authenticate("iam"); err != nil {
			return nil, err
		}
		if c.caller.session != nil && !c.caller.isRoleSession() {
			return nil, errUnknownKey // IAM refuses credentials of GetSessionToken without MFA
		}
		c.aws.mu.Lock()
		defer c.aws.mu.Unlock()
		return run(&iamCall{call: c, action: "iam:" + action, account: c.aws.accounts[c.caller.account],
			checker: c.params.check()})
	}}
}

// bare is onIAM for calls without a result.
func bare(action string, run func(*iamCall) error) operation {
	op := onIAM(action, func(c *iamCall) ([]node, error) { return nil, run(c) })
	op.bare = true
	return op
}

// iamCall is a call on the caller's account.
type iamCall struct {
	*call
	*checker
	action  string
	account *account
}

// permit checks the parameters, and whether the caller may perform the action on a
// resource that has the tags.
func (c *iamCall) permit(resource string, tags map[string]string) error {
	return c.permitWith(resource, tags, nil)
}

// permitWith is permit for a request that itself has tags.
func (c *iamCall) permitWith(resource string, tags, requested map[string]string) error {
	if err := c.err(); err != nil {
		return err
	}
	known := c.facts()
	known.setTags("aws:ResourceTag", tags)
	known.setTags("iam:ResourceTag", tags)
	known.setTags("aws:RequestTag", requested)
	known.set("aws:TagKeys", slices.Collect(maps.Keys(requested))...)
	v := evaluateIdentity(ask(c.caller, c.action, resource, known))
	if v.allowed {
		return nil
	}
	return denied("%s", v.sentence(c.caller, c.action, " on resource: "+resource))
}

// newTags parses Tags.
func (c *iamCall) newTags() (map[string]string, error) {
	tags := c.tags()
	if err := c.err(); err != nil {
		return nil, err
	}
	return tagMap(tags)
}

// page selects the part of a sorted list that Marker and MaxItems request. It
// returns the members and the elements that follow them in the result.
func page[T any](c *iamCall, items []T, name func(T) string) (part []T, rest []node) {
	if after, err := base64.RawURLEncoding.DecodeString(c.params.get("Marker")); err == nil && len(after) > 0 {
		i, found := slices.BinarySearchFunc(items, string(after), func(item T, s string) int {
			return strings.Compare(name(item), s)
		})
		if found {
			i++
		}
		items = items[i:]
	}
	most := 100
	if c.params.has("MaxItems") {
		most = max(1, c.number("MaxItems", 1, 1000))
	}
	if len(items) <= most {
		return items, []node{boolean("IsTruncated", false)}
	}
	items = items[:most]
	marker := base64.RawURLEncoding.EncodeToString([]byte(name(items[most-1])))
	return items, []node{boolean("IsTruncated", true), leaf("Marker", marker)}
}

// readPage checks the parameters that page reads.
func (c *iamCall) readPage() {
	c.optional("Marker", markerShape)
	c.number("MaxItems", 1, 1000)
}

// encoded encodes a policy document as IAM returns it.
func encoded(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

func tagsNode(tags map[string]string) node {
	var items [][]node
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		items = append(items, []node{leaf("Key", k), leaf("Value", tags[k])})
	}
	return members("Tags", items...)
}

func deleteConflict(format string, args ...any) *Error {
	return refuse(http.StatusConflict, "DeleteConflict", format, args...)
}

// setPolicy adds an inline policy if its owner's quota allows it.
func setPolicy(ps policies, name, text, quota string, limit int) (policies, error) {
	next, err := ps.put(name, text)
	if err == nil && next.size() > limit {
		return ps, overLimit("Maximum policy size of %d bytes exceeded for %s", limit, quota)
	}
	return next, err
}

func policyNames(c *iamCall, ps policies) []node {
	part, rest := page(c, ps, func(p inline) string { return p.name })
	var names []string
	for _, p := range part {
		names = append(names, p.name)
	}
	return append([]node{textMembers("PolicyNames", names...)}, rest...)
}

func second(t time.Duration) int { return int(t / time.Second) }
