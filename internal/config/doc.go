// Package config is what a person can set: one documented struct for the
// server and one for its clients.
//
// A setting of the server has one name in three spellings: the flag
// --tls-cert, the environment variable ROLEBROKER_TLS_CERT and the key
// tls_cert in the YAML file that --config names. A flag wins over the
// environment, the environment over the file, the file over the default. The
// admin key is the exception: it is read from the environment only, because a
// flag shows in the list of processes and a file is committed by accident.
//
// The package refuses to guess: an unknown key in the file, a value that does
// not parse and a combination that would be unsafe are errors, all of them are
// reported at once, and each says what to write instead. It opens no socket
// and no database, and it never prints a secret.
//
//	cfg := config.DefaultServer()
//	flags := cfg.Flags()
//	if err := flags.Parse(os.Args[1:]); err != nil {
//		return err
//	}
//	if err := cfg.Load(flags, config.OS()); err != nil {
//		return err // an *rolebroker.Error with a field for each problem
//	}
package config
