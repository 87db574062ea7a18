package store

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// sortedList is how a list is sorted and filtered: its statements by the key.
type sortedList map[rolebroker.Sort]*statement

// A list has these keys besides the name. A key is a number.
var (
	sortedIntegrations = sortedLists("sortedIntegrations", map[rolebroker.Sort]string{
		rolebroker.SortState: `CASE WHEN NOT enabled THEN 4
			ELSE CASE status WHEN 'failed' THEN 0 WHEN 'unknown' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END END`,
		rolebroker.SortCreated: `created_at`,
		rolebroker.SortAgents:  `(SELECT count(*) FROM connections AS c WHERE c.integration_id = integrations.id)`,
	}, `integrations WHERE `+matchesRole+` AND (CAST($6 AS TEXT) = '' OR assumption_mode = $6)
		AND (CAST($7 AS TEXT) = '' OR $7 = 'disabled' AND NOT enabled OR enabled AND status = $7)`,
		func(page, order string) string {
			return `
				SELECT ` + integrationColumns + `, ` + roleColumns + `, ` + validationColumns + `, ` + lendingColumns + `,
					i.sort_key
				FROM (` + page + `) AS i
				LEFT JOIN runners AS u ON u.id = i.runner_id
				LEFT JOIN roles AS r ON r.integration_id = i.id
				LEFT JOIN validations AS v ON v.role_id = r.id
				LEFT JOIN lendings AS l ON l.role_id = r.id
				ORDER BY ` + order + `, r.position`
		})

	sortedAgents = sortedLists("sortedAgents", map[rolebroker.Sort]string{
		rolebroker.SortState:   agentRank,
		rolebroker.SortCreated: `created_at`,
		rolebroker.SortGranted: `(SELECT count(*) FROM connections AS c WHERE c.agent_id = agents.id)`,
	}, `agents WHERE `+matchesOwn+` AND (CAST($6 AS TEXT) = '' OR id IN (
			SELECT c.agent_id FROM integrations AS g JOIN connections AS c ON c.integration_id = g.id
			WHERE g.id = $6 OR g.name = $6))
		AND (CAST($7 AS TEXT) = '' OR $7 = CASE `+agentRank+`
			WHEN 0 THEN 'cut-off' WHEN 1 THEN 'disabled' WHEN 2 THEN 'not-connected' ELSE 'enabled' END)
		AND CAST($4 AS TEXT) IS NOT NULL`,
		func(page, order string) string {
			return `
				SELECT ` + agentColumns + `, ` + connectionColumns + `, a.sort_key
				FROM (` + page + `) AS a
				LEFT JOIN connections AS c ON c.agent_id = a.id
				LEFT JOIN integrations AS i ON i.id = c.integration_id
				` + limitedTo + `
				ORDER BY ` + strings.ReplaceAll(order, "i.", "a.") + `, c.position, s.position`
		})

	sortedRunners = sortedLists("sortedRunners", map[rolebroker.Sort]string{
		rolebroker.SortSeen:    `seen_at`,
		rolebroker.SortCreated: `created_at`,
	}, `runners WHERE `+matchesOwn+`
		AND (CAST($7 AS TEXT) = '' OR $7 = CASE WHEN joined_at = 0 THEN 'waiting'
			WHEN seen_at > CAST(CAST($6 AS TEXT) AS BIGINT) THEN 'connected' ELSE 'away' END)
		AND CAST($4 AS TEXT) IS NOT NULL`,
		func(page, order string) string {
			return strings.Replace(selectRunners, "FROM runners", ", sort_key FROM ("+page+") AS runners", 1) +
				`ORDER BY ` + strings.ReplaceAll(order, "i.", "runners.")
		})
)

// agentRank is the state of an agent as a number.
const agentRank = `CASE WHEN cut_off_at > 0 THEN 0 WHEN disabled THEN 1
	WHEN NOT EXISTS (SELECT 1 FROM connections AS k WHERE k.agent_id = agents.id) THEN 2 ELSE 3 END`

// sortedLists makes a statement for each key and direction.
//
// $1 is the name after which the list begins, and $5 its key; $2 and $4 are patterns, $3 is the limit, $6 and $7 are
// filters, which are empty for all.
func sortedLists(
	name string, keys map[rolebroker.Sort]string, from string, wrap func(page, order string) string,
) sortedList {
	lists := sortedList{}
	list := func(sort rolebroker.Sort, key, after, order string) {
		page := `SELECT *, ` + key + ` AS sort_key FROM ` + from + ` AND ` + after + ` ORDER BY ` + order + ` LIMIT $3`
		lists[sort] = newStatement(name+" "+string(sort), wrap(page, outer(order)))
	}
	const number = `CAST($5 AS BIGINT)`
	list(rolebroker.SortName, "0", `name > $1 AND `+number+` >= 0`, `name`)
	list(rolebroker.SortBackward, "0", `name < $1 AND `+number+` >= 0`, `name DESC`)
	for sort, key := range keys {
		list(sort, key, `(`+key+` > `+number+` OR `+key+` = $5 AND name > $1)`, `sort_key, name`)
		list(rolebroker.SortBackward+sort, key, `(`+key+` < `+number+` OR `+key+` = $5 AND name > $1)`,
			`sort_key DESC, name`)
	}
	return lists
}

// outer is the order of a page for the statement that joins it.
func outer(order string) string {
	columns := strings.Split(order, ", ")
	for i := range columns {
		columns[i] = "i." + columns[i]
	}
	return strings.Join(columns, ", ")
}

// sortedArgs returns the statement of a list and its arguments; nil if the page selects nothing.
func (l sortedList) sortedArgs(page rolebroker.Page, filter string) (*statement, []any) {
	pattern, ok := containing(page.Search)
	ofRole, rolesOK := containing(roleText(page.Search))
	st := l[page.Sort]
	if st == nil || !ok || !rolesOK {
		return nil, nil
	}
	key, name, ok := startOf(page)
	if !ok {
		return nil, nil
	}
	return st, []any{name, pattern, max(page.Limit, 0), ofRole, key, filter, string(page.State)}
}

// startOf returns where a page begins. A cursor is a name, with the key and a dot before it if the list has one.
func startOf(page rolebroker.Page) (key int64, name string, ok bool) {
	byName := page.Sort == rolebroker.SortName || page.Sort == rolebroker.SortBackward
	backward := strings.HasPrefix(string(page.Sort), string(rolebroker.SortBackward))
	switch {
	case page.After != "" && byName:
		return 0, page.After, true
	case page.After != "":
		number, name, found := strings.Cut(page.After, ".")
		key, err := strconv.ParseInt(number, 10, 64)
		return key, name, found && err == nil
	case byName && backward:
		return 0, lastName, true
	case backward:
		return math.MaxInt64, "", true
	}
	return 0, "", true
}

// lastName is greater than every name.
const lastName = "~"

// cursorOf is the cursor of an item in a sorted list.
func cursorOf(sort rolebroker.Sort, key int64, name string) string {
	if sort == rolebroker.SortName || sort == rolebroker.SortBackward {
		return name
	}
	return strconv.FormatInt(key, 10) + "." + name
}

// SortedIntegrations lists integrations with their roles, sorted and filtered as the page says, and the cursor of each.
// A cursor that is not one of such a list selects nothing, and so does a key that the list does not have.
func (s *Store) SortedIntegrations(
	ctx context.Context, page rolebroker.Page,
) (found []rolebroker.Integration, cursors []string, err error) {
	return sorted(ctx, s, sortedIntegrations, page, string(page.Mode), scanIntegration,
		func(in *rolebroker.Integration) string { return in.Name })
}

// SortedAgents is SortedIntegrations, for agents.
func (s *Store) SortedAgents(
	ctx context.Context, page rolebroker.Page,
) (found []rolebroker.Agent, cursors []string, err error) {
	return sorted(ctx, s, sortedAgents, page, page.Integration, scanAgent,
		func(a *rolebroker.Agent) string { return a.Name })
}

// SortedRunners is SortedIntegrations, for runners, with their states at a time.
func (s *Store) SortedRunners(
	ctx context.Context, page rolebroker.Page, now time.Time,
) (found []rolebroker.Runner, cursors []string, err error) {
	silent := strconv.FormatInt(millis(rolebroker.SilentSince(now)), 10)
	return sorted(ctx, s, sortedRunners, page, silent, scanRunner, func(r *rolebroker.Runner) string { return r.Name })
}

func sorted[T any](ctx context.Context, s *Store, list sortedList, page rolebroker.Page, filter string,
	read func(scan, *[]T, ...any) error, name func(*T) string) (found []T, cursors []string, err error) {
	st, args := list.sortedArgs(page, filter)
	if st == nil {
		return nil, nil, nil
	}
	var key int64
	err = s.query(ctx, st, func(scan scan) error {
		err := read(scan, &found, &key)
		if n := len(found); err == nil && n > len(cursors) {
			cursors = append(cursors, cursorOf(page.Sort, key, name(&found[n-1])))
		}
		return err
	}, args...)
	if err != nil {
		return nil, nil, err
	}
	return found, cursors, nil
}
