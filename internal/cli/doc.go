// Package cli is the command line. Commands are thin: their work is done by the
// packages they call. This package has their flags, their help, and how their
// answers are shown.
//
// Commands that are alike share their code: listing, asking, deleting and revoking
// make a command of what differs. A field of a role is an entry in roleFields.
//
// A command writes its answer as a table for people, or as JSON or YAML exactly as
// the API has it. It writes an error to stderr as one sentence, then the invalid
// fields, then hints with the command to run next. It exits with 0 when done, 1 when
// it failed and 2 for wrong usage; exec exits with the code of the command it ran.
//
// The package refuses to ask a question without a terminal, to take a secret in a
// flag, and to print a secret that was not asked for. It has no init, and its
// package variables are errors, so a command pays for nothing that it does not use.
//
//	os.Exit(cli.Main(cli.OS()))
package cli
