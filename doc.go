// Package rolebroker lends AWS roles to AI agents.
//
// This package holds the nouns of that sentence, and the rules that concern one noun only:
//
//   - an [Integration] is a named group of IAM roles; each is a [Role], and one of them is the default;
//   - an [Agent] borrows roles;
//   - a [Connection] lets an agent borrow from an integration;
//   - [Grants] are all roles that an agent may borrow at one moment; they resolve the reference that names a role;
//   - a [Session] is the record of one set of temporary credentials, lent to one agent for one role;
//   - a [Loan] is those credentials;
//   - a [Validation] is the outcome of trying to assume a role;
//   - a [Runner] assumes roles in a customer's cluster, in place of the server;
//   - a [Caller] does an [Action], and an [AuditEvent] records it;
//   - an [Error] is a refusal that is safe to show; its [Hint] says what to do next.
//
// The package does no input or output, knows no database and no HTTP, and imports
// the standard library only. The function Lend in internal/lend tells how the nouns
// work together.
//
//	grants := &rolebroker.Grants{Agent: scout, Integrations: []rolebroker.Integration{production}}
//	grant, err := grants.Resolve("deployer") // "production/deployer", its ARN or "" do as well
package rolebroker
