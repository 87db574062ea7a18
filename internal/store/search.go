package store

import (
	"context"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// matching are the conditions with which a search finds what it is about: $2 is the pattern, and $4 that for roles.
const (
	matchesOwn  = `(lower(name) LIKE $2 ESCAPE '\' OR lower(description COLLATE "binary") LIKE $2 ESCAPE '\')`
	matchesRole = `(lower(name) LIKE $2 ESCAPE '\' OR lower(description COLLATE "binary") LIKE $2 ESCAPE '\'
		OR role_search LIKE $4 ESCAPE '\')`
)

// searched returns what the column role_search has of the roles.
func searched(roles []rolebroker.Role) string {
	var b strings.Builder
	for i := range roles {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(searchedRole(&roles[i]))
	}
	return b.String()
}

// searchedRole returns the text of a role that a search compares. It has nothing that all ARNs have, so that a search
// for role does not find everything.
func searchedRole(r *rolebroker.Role) string {
	return lower(r.Name) + "\n" + lower(r.ARN.Account+":"+r.ARN.Path+r.ARN.Name)
}

// roleText returns a search as role_search has it: an ARN without what all ARNs have. The beginning of an ARN is
// the empty text, which finds every role.
func roleText(text string) string {
	text = lower(text)
	if rest, ok := strings.CutPrefix(text, "arn:"); ok {
		if _, rest, ok = strings.Cut(rest, ":iam::"); !ok {
			return ""
		}
		text = rest
	}
	if account, rest, ok := strings.Cut(text, ":role"); ok && (rest == "" || rest[0] == '/') {
		return account + ":" + rest
	}
	if rest, ok := strings.CutPrefix(text, "role/"); ok {
		return "/" + rest
	}
	return text
}

// lower returns the text with its ASCII letters in lower case.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

var (
	// usualRegion looks at some of the roles, whichever have the lowest IDs, which are random.
	usualRegion = newStatement("usualRegion", `
		SELECT region FROM (SELECT region FROM roles ORDER BY id LIMIT $1) AS looked_at
		GROUP BY region ORDER BY COUNT(*) DESC, region LIMIT 1`)

	// foundRoles are the roles that a search finds, of the first integrations that have some.
	foundRoles = newStatement("foundRoles", `
		SELECT r.id, r.name, r.arn, r.region, i.id, i.name
		FROM (SELECT id, name FROM integrations WHERE role_search LIKE $1 ESCAPE '\' ORDER BY name LIMIT $2) AS i
		JOIN roles AS r ON r.integration_id = i.id
		WHERE lower(r.name) LIKE $1 ESCAPE '\'
			OR replace(lower(ltrim(r.arn, 'abcdefghijklmnopqrstuvwxyz-:') COLLATE "binary"), ':role/', ':/') LIKE $1 ESCAPE '\'
		ORDER BY i.name, r.position LIMIT $2`)
	foundIntegrations = newStatement("foundIntegrations", `
		SELECT id, name, description FROM integrations WHERE name > $1 AND `+matchesOwn+` ORDER BY name LIMIT $3`)
	foundAgents = newStatement("foundAgents", `
		SELECT id, name, description FROM agents WHERE name > $1 AND `+matchesOwn+` ORDER BY name LIMIT $3`)
	foundRunners = newStatement("foundRunners", `
		SELECT id, name, description FROM runners WHERE name > $1 AND `+matchesOwn+` ORDER BY name LIMIT $3`)

	sessionsOfKey = newStatement("sessionsOfKey", `
		SELECT `+sessionColumns+` FROM sessions WHERE access_key_id COLLATE "binary" >= $1
		AND access_key_id COLLATE "binary" < $2 AND access_key_id <> ''
		ORDER BY access_key_id COLLATE "binary", id LIMIT $3`)
	callsOfRequest = newStatement("callsOfRequest", `
		SELECT `+callColumns+` FROM calls WHERE request_id = $1 AND request_id <> '' ORDER BY id DESC LIMIT $2`)
	eventByID = newStatement("eventByID", `SELECT `+auditColumns+` FROM audit_events AS e WHERE e.id = $1`)

	idsLike = map[rolebroker.Kind]*statement{
		rolebroker.KindIntegration:   selectIDs("integrations"),
		rolebroker.KindRole:          selectIDs("roles"),
		rolebroker.KindAgent:         selectIDs("agents"),
		rolebroker.KindToken:         selectIDs("tokens"),
		rolebroker.KindRunner:        selectIDs("runners"),
		rolebroker.KindSession:       selectIDs("sessions"),
		rolebroker.KindAPIKey:        selectIDs("api_keys"),
		rolebroker.KindAccessRequest: selectIDs("access_requests"),
		rolebroker.KindApprovalRule:  selectIDs("approval_rules"),
		rolebroker.KindCall:          selectIDs("calls"),
		rolebroker.KindEvent:         selectIDs("audit_events"),
	}
)

// selectIDs reads the IDs of a table that lie between $1, inclusive, and $2.
func selectIDs(table string) *statement {
	return newStatement("idsLike "+table, `SELECT id FROM `+table+` WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3`)
}

// Find finds integrations, roles, agents and runners by what they are called, at most limit of each kind, sorted by
// name.
func (s *Store) Find(ctx context.Context, text string, limit int) (found []rolebroker.Found, err error) {
	pattern, ok := containing(text)
	if !ok || text == "" {
		return nil, nil
	}
	for _, of := range []struct {
		kind rolebroker.Kind
		st   *statement
	}{
		{rolebroker.KindIntegration, foundIntegrations},
		{rolebroker.KindAgent, foundAgents},
		{rolebroker.KindRunner, foundRunners},
	} {
		err := s.query(ctx, of.st, func(scan scan) error {
			f := rolebroker.Found{Kind: of.kind}
			err := scan(&f.ID, &f.Name, &f.Detail)
			found = append(found, f)
			return err
		}, "", pattern, max(limit, 0))
		if err != nil {
			return nil, err
		}
	}
	pattern, ok = containing(roleText(text))
	if !ok || roleText(text) == "" {
		return found, nil
	}
	err = s.query(ctx, foundRoles, func(scan scan) error {
		f := rolebroker.Found{Kind: rolebroker.KindRole}
		var region string
		err := scan(&f.ID, &f.Name, &f.Detail, &region, &f.In, &f.InName)
		found = append(found, f)
		return err
	}, pattern, max(limit, 0))
	return found, err
}

// IDsLike lists the IDs of a kind that begin with a text, in their order. Bindings are tokens.
func (s *Store) IDsLike(ctx context.Context, kind rolebroker.Kind, start string, limit int) (ids []string, err error) {
	st := idsLike[kind]
	if st == nil {
		return nil, nil
	}
	err = s.query(ctx, st, func(scan scan) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	}, start, after(start), max(limit, 0))
	return ids, err
}

// after is a text that is greater than all texts of ASCII characters that begin with start.
func after(start string) string { return start + "\x7f" }

// SessionsOfKey lists sessions whose AWS access key ID begins with a text, which is not empty.
func (s *Store) SessionsOfKey(ctx context.Context, start string, limit int) ([]rolebroker.Session, error) {
	return s.sessions(ctx, sessionsOfKey, start, after(start), max(limit, 0))
}

// CallsOfRequest lists the calls that AWS answered with a request ID, the newest first.
func (s *Store) CallsOfRequest(ctx context.Context, requestID string, limit int) ([]rolebroker.Call, error) {
	return s.calls(ctx, callsOfRequest, requestID, max(limit, 0))
}

// AuditEvent finds an event by ID. Codes: not_found.
func (s *Store) AuditEvent(ctx context.Context, id rolebroker.AuditEventID) (*rolebroker.AuditRecord, error) {
	found, err := s.auditRecords(ctx, eventByID, id)
	if err == nil && len(found) == 0 {
		err = notFound("audit event", string(id))
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// UsualRegion returns the region that most roles have, going by some of them; empty: there is no role.
func (s *Store) UsualRegion(ctx context.Context) (region rolebroker.Region, err error) {
	const some = 1000
	err = s.query(ctx, usualRegion, func(scan scan) error { return scan(&region) }, some)
	return region, err
}
