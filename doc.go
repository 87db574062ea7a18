// Package rolebroker lends AWS roles to AI agents.
//
// This package holds the nouns of that sentence, and the rules that concern one noun only:
//
//   - an [Integration] is a named group of IAM roles, one of them the default;
//   - an [Agent] borrows roles;
//   - a [Connection] lets an agent borrow from an integration;
//   - [Grants] is what an agent may borrow at one moment, and resolves the reference by which it names a role;
//   - a [Session] is one set of temporary credentials, lent to one agent for one role;
//   - a [Caller] does an [Action], and an [AuditEvent] records it;
//   - an [Error] is a refusal that is safe to show.
//
// It does no input or output, knows no database and no HTTP, and imports the
// standard library only. What happens with the nouns is in internal/lend,
// in the function Lend.
//
//	grants := &rolebroker.Grants{Agent: scout, Integrations: []rolebroker.Integration{production}}
//	grant, err := grants.Resolve("deployer") // "production/deployer", its ARN or "" do as well
package rolebroker
