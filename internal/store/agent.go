package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

const agentColumns = `a.id, a.name, a.description, a.disabled, COALESCE(a.default_integration, ''), a.version,
	a.created_at, a.updated_at, a.owner, COALESCE((SELECT k.name FROM api_keys AS k WHERE k.id = a.owner),
		(SELECT ` + userLabel + ` FROM users AS u WHERE u.id = a.owner), ''),
	a.cut_off_at, a.cut_off_by, a.cut_off_reason, a.cut_off_disabled`

const (
	// limitColumns are what a connection lets the agent do, in a LEFT JOIN, where it
	// may be missing.
	limitColumns = `COALESCE(c.connected_at, 0), COALESCE(c.access, ''), COALESCE(c.session_policy, ''),
		COALESCE(c.keys, ''), COALESCE(c.approval, ''), COALESCE(c.exempt_policy, ''),
		COALESCE(c.allowed_actions, ''), COALESCE(c.roles, '')`

	// connectionColumns are the columns of a connection and one of the roles that it
	// is limited to, if it is and they are still there. Joined by limitedTo, there is
	// a row for each.
	connectionColumns = `COALESCE(i.id, ''), COALESCE(i.name, ''), ` + limitColumns + `, COALESCE(s.id, ''),
		COALESCE(s.name, '')`
	limitedTo = `LEFT JOIN roles AS s ON ' ' || c.roles || ' ' LIKE '% ' || s.id || ' %'
			AND s.integration_id = CASE c.roles WHEN '` + allRoles + `' THEN NULL ELSE c.integration_id END`

	// allRoles is stored in the place of IDs for a connection that is not limited to some roles.
	allRoles = "*"
)

// selectAgents reads a page of agents with all their connections in one
// statement, and therefore from one snapshot.
func selectAgents(name, page string) *statement {
	return newStatement(name, `
		SELECT `+agentColumns+`, `+connectionColumns+`
		FROM (SELECT * FROM agents `+page+`) AS a
		LEFT JOIN connections AS c ON c.agent_id = a.id
		LEFT JOIN integrations AS i ON i.id = c.integration_id
		`+limitedTo+`
		ORDER BY a.name, c.position, s.position`)
}

var (
	agentByNameOrID = selectAgents("agentByNameOrID", `WHERE id = $1 OR name = $1`)
	listAgents      = selectAgents("listAgents",
		`WHERE name > $1 AND `+matchesOwn+` ORDER BY name LIMIT $3`)
	connectedAgents = selectAgents("connectedAgents", `
		WHERE name > $1 AND `+matchesOwn+` AND id IN (
			SELECT c.agent_id FROM integrations AS i JOIN connections AS c ON c.integration_id = i.id
			WHERE i.id = $4 OR i.name = $4)
		ORDER BY name LIMIT $3`)

	// sessionPolicies has a row for each of the first agents of each policy. A connection of full access has a policy
	// only under an approval. One that is limited to no roles lends nothing.
	sessionPolicies = newStatement("sessionPolicies", `
		SELECT access, session_policy, ends, roles, total, name FROM (
			SELECT c.access, c.session_policy, c.approval = 'borrow' AS ends, c.roles, a.name,
				COUNT(*) OVER same AS total,
				ROW_NUMBER() OVER (same ORDER BY length(a.name) DESC, a.name) AS place
			FROM connections AS c JOIN agents AS a ON a.id = c.agent_id
			WHERE c.integration_id = $1 AND NOT a.disabled AND c.roles <> ''
				AND (c.access <> 'full' OR c.approval = 'borrow')
			WINDOW same AS (PARTITION BY c.access, c.session_policy, c.approval = 'borrow', c.roles)) AS tried
		WHERE place <= $2
		ORDER BY length(session_policy) DESC, access, session_policy, ends DESC, roles, place
		LIMIT $3`)

	agentVersion = newStatement("agentVersion", `SELECT name, version FROM agents WHERE id = $1`)

	insertAgent = newStatement("insertAgent", `
		INSERT INTO agents (id, name, description, disabled, default_integration, version, created_at, updated_at,
			owner)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)

	updateAgent = newStatement("updateAgent", `
		UPDATE agents SET name = $3, description = $4, disabled = $5, default_integration = $6, version = $7,
			updated_at = $8, owner = $9, cut_off_at = $10, cut_off_by = $11, cut_off_reason = $12, cut_off_disabled = $13,
			generation = generation + CASE WHEN NOT disabled AND $5 THEN 1 ELSE 0 END
		WHERE id = $1 AND version = $2`)

	endAgent = newStatement("endAgent", `UPDATE agents SET generation = generation + 1 WHERE id = $1`)
	endToken = newStatement("endToken",
		`UPDATE agents SET generation = generation + 1, token_generation = token_generation + 1 WHERE id = $1`)

	deleteAgent = newStatement("deleteAgent", `DELETE FROM agents WHERE id = $1 AND (version = $2 OR $2 = 0)`)

	connectionGenerations = newStatement("connectionGenerations", `
		SELECT `+connectionColumns+`, c.generation
		FROM connections AS c JOIN integrations AS i ON i.id = c.integration_id `+limitedTo+`
		WHERE c.agent_id = $1
		ORDER BY c.position, s.position`)

	deleteConnections = newStatement("deleteConnections", `DELETE FROM connections WHERE agent_id = $1`)

	insertConnection = newBatch("insertConnection", `
		INSERT INTO connections (agent_id, integration_id, position, connected_at, generation, access, session_policy,
			keys, approval, exempt_policy, allowed_actions, roles) VALUES ROWS`,
		`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)

	grants = newStatement("grants", `
		SELECT `+agentColumns+`, `+limitColumns+`,
			COALESCE(i.id, ''), COALESCE(i.name, ''), COALESCE(i.description, ''), COALESCE(i.enabled, FALSE),
			COALESCE(i.assumption_mode, ''), COALESCE(i.runner_id, ''), COALESCE(u.name, ''),
			COALESCE(i.external_id, ''), COALESCE(i.next_external_id, ''), COALESCE(i.session_tags, FALSE),
			COALESCE(i.source_identity, FALSE), COALESCE(i.version, 0), COALESCE(i.created_at, 0),
			COALESCE(i.updated_at, 0),
			`+roleColumns+`,
			a.generation + COALESCE(c.generation, 0) + COALESCE(i.generation, 0) + COALESCE(r.generation, 0)
				+ COALESCE(e.generation, 0),
			a.token_generation
		FROM agents AS a
		LEFT JOIN connections AS c ON c.agent_id = a.id
		LEFT JOIN integrations AS i ON i.id = c.integration_id
		LEFT JOIN runners AS u ON u.id = i.runner_id
		LEFT JOIN roles AS r ON r.integration_id = i.id
		LEFT JOIN endings AS e ON e.agent_id = a.id AND e.role_id = r.id
		WHERE a.id = $1
		ORDER BY c.position, r.position`)
)

// Agent returns an agent by name or ID, with its connections. Codes: not_found.
func (s *Store) Agent(ctx context.Context, nameOrID string) (*rolebroker.Agent, error) {
	found, err := s.agents(ctx, agentByNameOrID, nameOrID)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("agent", nameOrID)
	}
	return &found[0], nil
}

// Agents lists agents by name, with their connections.
func (s *Store) Agents(ctx context.Context, page rolebroker.Page) ([]rolebroker.Agent, error) {
	pattern, ok := containing(page.Search)
	if !ok {
		return nil, nil
	}
	args := []any{page.After, pattern, max(page.Limit, 0)}
	if page.Integration != "" {
		return s.agents(ctx, connectedAgents, append(args, page.Integration)...)
	}
	return s.agents(ctx, listAgents, args...)
}

// SessionPolicies lists the session policies that connections of enabled agents to an integration have, the longest
// first: at most as many as policies, each with the names of at most as many agents, the longest first.
func (s *Store) SessionPolicies(
	ctx context.Context, id rolebroker.IntegrationID, policies, agents int,
) ([]rolebroker.TriedPolicy, error) {
	var found []rolebroker.TriedPolicy
	var last string // the roles of the last one, as they are stored
	err := s.query(ctx, sessionPolicies, func(scan scan) error {
		var p rolebroker.TriedPolicy
		var roles, name string
		if err := scan(&p.Access, &p.SessionPolicy, &p.Ends, &roles, &p.Count, &name); err != nil {
			return err
		}
		if n := len(found); n > 0 && last == roles && found[n-1].Access == p.Access && found[n-1].Ends == p.Ends &&
			found[n-1].SessionPolicy == p.SessionPolicy {
			found[n-1].Agents = append(found[n-1].Agents, name)
			return nil
		}
		if roles != allRoles {
			for _, role := range strings.Fields(roles) {
				p.Roles = append(p.Roles, rolebroker.RoleID(role))
			}
		}
		last, p.Agents = roles, []string{name}
		found = append(found, p)
		return nil
	}, id, agents, policies*agents)
	if err != nil {
		return nil, err
	}
	return found[:min(len(found), policies)], nil
}

func (s *Store) agents(ctx context.Context, st *statement, args ...any) ([]rolebroker.Agent, error) {
	var found []rolebroker.Agent
	err := s.query(ctx, st, func(scan scan) error { return scanAgent(scan, &found) }, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// scanAgent reads a row of selectAgents, and of what more says.
func scanAgent(scan scan, found *[]rolebroker.Agent, more ...any) error {
	var a rolebroker.Agent
	var c connectionRow
	if err := scan(slices.Concat(agentDest(&a), c.dest(), more)...); err != nil {
		return err
	}
	if len(*found) == 0 || (*found)[len(*found)-1].ID != a.ID {
		*found = append(*found, a)
	}
	last := &(*found)[len(*found)-1]
	last.Connections = c.addTo(last.Connections)
	return nil
}

// agentDest returns the scan destinations of agentColumns.
func agentDest(a *rolebroker.Agent) []any {
	return []any{&a.ID, &a.Name, &a.Description, &a.Disabled, &a.DefaultIntegration, &a.Version,
		timeColumn{&a.CreatedAt}, timeColumn{&a.UpdatedAt}, &a.Owner, &a.OwnerName,
		timeColumn{&a.CutOff.At}, &a.CutOff.By, &a.CutOff.Reason, &a.CutOff.Disabled}
}

// connectionRow is a connection and one of the roles that it is limited to.
type connectionRow struct {
	rolebroker.Connection
	roles string // as they are stored
	role  rolebroker.ConnectionRole
}

// dest returns the scan destinations of connectionColumns.
func (r *connectionRow) dest() []any {
	dest := append([]any{&r.Integration, &r.IntegrationName}, r.limits()...)
	return append(dest, &r.role.ID, &r.role.Name)
}

// limits returns the scan destinations of limitColumns.
func (r *connectionRow) limits() []any {
	return []any{timeColumn{&r.ConnectedAt}, &r.Access, &r.SessionPolicy, &r.Keys, &r.Approval,
		&r.ExemptPolicy, wordsColumn{&r.AllowedActions}, &r.roles}
}

// addTo adds the role to the last of the connections, after appending the
// connection, if there is one, unless it is that one.
func (r *connectionRow) addTo(all []rolebroker.Connection) []rolebroker.Connection {
	if r.Integration == "" {
		return all
	}
	if len(all) == 0 || all[len(all)-1].Integration != r.Integration {
		if r.roles != allRoles {
			r.Roles = []rolebroker.ConnectionRole{} // not nil, which means all of them
		}
		all = append(all, r.Connection)
	}
	if last := &all[len(all)-1]; r.role.ID != "" {
		last.Roles = append(last.Roles, r.role)
	}
	return all
}

// limit sets the role of the row, which has the integration's roles and not those
// that the connection is limited to, if the connection is limited to it.
func (r *connectionRow) limit(role rolebroker.Role) {
	r.role = rolebroker.ConnectionRole{}
	if role.ID != "" && slices.Contains(strings.Fields(r.roles), string(role.ID)) {
		r.role = rolebroker.ConnectionRole{ID: role.ID, Name: role.Name}
	}
}

// limitText is what is stored of the roles that a connection is limited to.
func limitText(c *rolebroker.Connection) string {
	if c.Roles == nil {
		return allRoles
	}
	ids := make([]string, len(c.Roles))
	for i, r := range c.Roles {
		ids[i] = string(r.ID)
	}
	return strings.Join(ids, " ")
}

// Grants returns an agent with the integrations that it is connected to and
// their roles, read from one snapshot, and then its open access requests. Codes:
// not_found.
func (s *Store) Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error) {
	var g rolebroker.Grants
	err := s.query(ctx, grants, func(scan scan) error {
		var in rolebroker.Integration
		var role roleRow
		var c connectionRow
		dest := append(agentDest(&g.Agent), c.limits()...)
		dest = append(dest, integrationDest(&in)...)
		dest = append(dest, role.dest()...)
		var ofTokens int64
		if err := scan(append(dest, &role.Generation, &ofTokens)...); err != nil || in.ID == "" {
			return err
		}
		role.KeyGeneration = role.Generation - ofTokens
		c.Integration, c.IntegrationName = in.ID, in.Name
		c.limit(role.Role)
		g.Agent.Connections = c.addTo(g.Agent.Connections)
		g.Integrations = role.addTo(g.Integrations, in)
		return nil
	}, id)
	if err != nil {
		return nil, err
	}
	if g.Agent.ID == "" {
		return nil, notFound("agent", string(id))
	}
	if err := s.addRequests(ctx, &g); err != nil {
		return nil, err
	}
	return &g, nil
}

// CreateAgent stores a with its connections. Codes: conflict (the name or ID is
// taken), not_found (an integration does not exist).
func (s *Store) CreateAgent(ctx context.Context, a *rolebroker.Agent, event rolebroker.AuditEvent) error {
	err := s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		_, err := tx.exec(ctx, insertAgent, a.ID, a.Name, a.Description, a.Disabled, nullable(a.DefaultIntegration),
			a.Version, millis(a.CreatedAt), millis(a.UpdatedAt), a.Owner)
		if err != nil {
			return agentRefused(err, a)
		}
		tx.changes = append(tx.changes, rolebroker.Change{Agent: a.ID})
		return tx.insertConnections(ctx, a, nil)
	})
	return s.nameMissingIntegration(ctx, a, err)
}

// UpdateAgent replaces the agent that has the ID a.ID, and its connections, if it
// has the expected version. Its CreatedAt stays. Disabling an agent raises its
// generation. A new connection, and one that lets the agent do something else than
// before, has the agent's version as its generation. Codes:
// not_found (the agent or an integration), stale, conflict.
func (s *Store) UpdateAgent(
	ctx context.Context, a *rolebroker.Agent, expected int64, event rolebroker.AuditEvent,
) error {
	err := s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		return tx.updateAgent(ctx, a, expected)
	})
	return s.nameMissingIntegration(ctx, a, err)
}

func (t *tx) updateAgent(ctx context.Context, a *rolebroker.Agent, expected int64) error {
	updated, err := t.exec(ctx, updateAgent, a.ID, expected, a.Name, a.Description, a.Disabled,
		nullable(a.DefaultIntegration), a.Version, millis(a.UpdatedAt), a.Owner, millis(a.CutOff.At), clean(a.CutOff.By),
		a.CutOff.Reason, a.CutOff.Disabled)
	if err != nil {
		return agentRefused(err, a)
	}
	if updated == 0 {
		return t.outdated(ctx, agentVersion, "agent", string(a.ID))
	}
	t.changes = append(t.changes, rolebroker.Change{Agent: a.ID, Ended: a.Disabled})
	generations, err := t.connectionGenerations(ctx, a)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, deleteConnections, a.ID); err != nil {
		return err
	}
	return t.insertConnections(ctx, a, generations)
}

// connectionGenerations returns the generations of those connections of the agent
// that stay as they are, and tells of the end of the others.
func (t *tx) connectionGenerations(ctx context.Context, a *rolebroker.Agent,
) (map[rolebroker.IntegrationID]int64, error) {
	var before []rolebroker.Connection
	generations := map[rolebroker.IntegrationID]int64{}
	err := t.query(ctx, connectionGenerations, func(scan scan) error {
		var c connectionRow
		var generation int64
		err := scan(append(c.dest(), &generation)...)
		before, generations[c.Integration] = c.addTo(before), generation
		return err
	}, a.ID)
	for i := range before {
		id := before[i].Integration
		if after := a.Connection(id); after == nil || !after.IsLike(&before[i]) {
			delete(generations, id)
			t.changes = append(t.changes, rolebroker.Change{Agent: a.ID, Integration: id, Ended: true})
		}
	}
	return generations, err
}

// insertConnections stores the connections of a, which must have none stored.
// before has the generations of those that stay as they are.
func (t *tx) insertConnections(
	ctx context.Context, a *rolebroker.Agent, before map[rolebroker.IntegrationID]int64,
) error {
	rows := make([][]any, len(a.Connections))
	for i, c := range a.Connections {
		generation, kept := before[c.Integration]
		if !kept {
			generation = a.Version
		}
		rows[i] = []any{a.ID, c.Integration, i, millis(c.ConnectedAt), generation, c.Access, c.SessionPolicy, c.Keys,
			c.Approval, c.ExemptPolicy, strings.Join(c.AllowedActions, " "), limitText(&c)}
	}
	err := t.execBatch(ctx, insertConnection, rows)
	if violated(err) == idTaken {
		return rolebroker.Errorf(rolebroker.CodeConflict, "agent %q is connected to an integration twice", a.Name)
	}
	return agentRefused(err, a)
}

// errMissingIntegration says that an agent refers to an integration that does not
// exist.
var errMissingIntegration = rolebroker.Errorf(rolebroker.CodeNotFound,
	"an integration that the agent is connected to is gone")

func agentRefused(err error, a *rolebroker.Agent) error {
	if violated(err) == missingReferent {
		return errMissingIntegration
	}
	return duplicate(err, "an", "agent", a.Name, string(a.ID))
}

// nameMissingIntegration replaces errMissingIntegration by an error that names
// the integration. Neither engine reports it in a form that a program should
// parse.
func (s *Store) nameMissingIntegration(ctx context.Context, a *rolebroker.Agent, err error) error {
	if !errors.Is(err, errMissingIntegration) {
		return err
	}
	referred := append([]rolebroker.Connection{{Integration: a.DefaultIntegration}}, a.Connections...)
	for _, c := range referred {
		exists := c.Integration == ""
		queryErr := s.query(ctx, integrationVersion, func(scan) error { exists = true; return nil }, c.Integration)
		if queryErr == nil && !exists {
			return notFound("integration", string(c.Integration))
		}
	}
	return err
}

// DeleteAgent deletes an agent, its connections and its tokens. expected 0 means
// any version. Codes: not_found, stale.
func (s *Store) DeleteAgent(
	ctx context.Context, id rolebroker.AgentID, expected int64, event rolebroker.AuditEvent,
) error {
	if !storableText(string(id)) {
		return notFound("agent", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		deleted, err := tx.exec(ctx, deleteAgent, id, expected)
		if err != nil {
			return err
		}
		if deleted == 0 {
			return tx.outdated(ctx, agentVersion, "agent", string(id))
		}
		tx.changes = append(tx.changes, rolebroker.Change{Agent: id, Ended: true})
		_, err = tx.endAccessRequests(ctx, id, event.At, event.Actor.Name)
		return err
	})
}

// endAgent ends what was lent to an agent: it raises the agent's generation.
func (t *tx) endAgent(ctx context.Context, id rolebroker.AgentID) error {
	return t.end(ctx, endAgent, id)
}

// endToken ends what was lent to an agent, but for the keys for the gateway of its other tokens.
func (t *tx) endToken(ctx context.Context, id rolebroker.AgentID) error {
	return t.end(ctx, endToken, id)
}

func (t *tx) end(ctx context.Context, st *statement, id rolebroker.AgentID) error {
	t.changes = append(t.changes, rolebroker.Change{Agent: id, Ended: true})
	_, err := t.exec(ctx, st, id)
	return err
}
