// Package execenv is the environment of an agent's process: what `rolebroker
// exec` puts around a command so that every AWS SDK and the AWS CLI find
// credentials where they already look.
//
// [Run] asks the server for the role first, so that a refusal is shown at once
// and nothing is run. Then it serves the AWS container-credentials protocol on
// a loopback port of its own, writes a private AWS config file with a profile
// for each role the agent may borrow, takes the caller's own AWS identity out
// of the environment, and runs the command until it ends. Credentials renew
// underneath it: each request of an SDK is forwarded to the server, and while
// the server cannot be reached what is still valid is handed out.
//
// The package refuses to let the agent's token reach the command: what the
// command gets is a random token for the loopback port, which dies with it. It
// never hands out what has expired, never uses another role or identity than
// the one that was asked for, and leaves nothing behind: no process, no port,
// no file.
//
//	code, err := execenv.Run(ctx, execenv.Options{
//		Server:  server, // a *client.Client with an agent token
//		Role:    "deployer",
//		Command: []string{"aws", "s3", "ls"},
//		Env:     os.Environ(),
//		Self:    "/usr/local/bin/rolebroker",
//		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
//	})
package execenv
