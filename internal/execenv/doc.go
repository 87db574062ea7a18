// Package execenv is the environment in which `rolebroker exec` runs a command,
// so that every AWS SDK and the AWS CLI find credentials where they already look.
//
// [Run] borrows the role first, so that the user sees a refusal at once and
// nothing is run. Then it serves the AWS container-credentials protocol on a
// loopback port of its own, writes a private AWS config file, removes the caller's
// own AWS identity from the environment, and runs the command until it ends. Each
// request of an SDK goes to the server, so credentials renew while the command
// runs; while the server cannot be reached, the command gets the last credentials
// until they expire.
//
// The port, the files and the variables are the room of the command. It has one role
// or several, from its start to its end. One role is in the environment, at the
// container endpoint. Several are profiles and not in the environment: some SDKs go
// on to the environment when a profile is missing or refused.
//
// The agent's token never reaches the command: the command gets a random token
// for the loopback port, which ends with it. The package never hands out expired
// credentials, never uses another role or identity than the one that was asked
// for, and leaves no port or file behind, and on Linux no process of the command.
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
