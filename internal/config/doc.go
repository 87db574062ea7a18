// Package config has the settings: one documented struct for the server, one for
// the runner and one for their clients.
//
// A setting of the server can be set by a flag, --tls-cert; by an environment
// variable, ROLEBROKER_TLS_CERT; and by a key, tls_cert, in the YAML file that
// --config names. A flag takes precedence over the environment, the environment over
// the file, and the file over the default. The admin key and the password
// of the database are exceptions: they are read from the environment only, or the
// password from a file of its own, because flags show in the list of processes and
// files with settings are committed by accident.
//
// The package refuses to guess. An unknown key in the file, a value that cannot be
// parsed and an unsafe combination are errors; Load reports all of them at once, and
// each says what to write instead. The package opens no socket and no database, and
// it never prints a secret.
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
