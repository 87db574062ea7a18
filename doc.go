// Package rolebroker lends AWS roles to AI agents.
//
// This package holds the nouns of that one sentence and the rules that are
// theirs alone:
//
//   - an [Integration] is a named group of IAM roles, one of them the default;
//   - an [Agent] is who borrows;
//   - a [Connection] says that an agent may borrow from an integration;
//   - [Grants] is what an agent may borrow at one moment, and resolves the
//     reference by which it names a role;
//   - a [Session] is one set of temporary credentials, lent to one agent for
//     one role;
//   - an [Error] is what a person or an agent is told when the answer is no.
//
// It does no input or output, knows no database and no HTTP, and imports the
// standard library only. What happens with the nouns is in internal/broker,
// in the function Lend.
//
//	grants := &rolebroker.Grants{Agent: scout, Integrations: []rolebroker.Integration{production}}
//	grant, err := grants.Resolve("deployer") // "production/deployer", its ARN or "" do as well
package rolebroker
