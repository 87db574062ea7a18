// Command rolebroker lends AWS roles to AI agents: the server, its command
// line and the environment of an agent's processes, in one binary.
package main

import (
	"os"

	"github.com/rolebroker/rolebroker/internal/cli"
)

func main() { os.Exit(cli.Main(cli.OS())) }
