// Package cli is the command line: one file per command, all of them thin.
// What a command does is in the packages it calls; here are its words, its
// flags and how its answer is shown.
//
// Every listing can be shown as a table, for people, or as JSON or YAML, which
// are exactly the API's. An error is one sentence on stderr, then the fields
// that are wrong, then hints with the command to run next. The exit code is 0
// for done, 1 for failed and 2 for wrong usage; exec passes on the code of the
// command it ran.
//
// The package refuses to ask questions when nobody is there to answer, to take
// a secret as a flag, and to print one that was not asked for. It has no
// package variables and no init, so starting it costs nothing that is not used.
//
//	os.Exit(cli.Main(cli.OS()))
package cli
