// Terraform-provider-rolebroker lets Terraform manage integrations, roles, agents
// and connections. Terraform starts it; people do not.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/rolebroker/rolebroker/terraform/provider"
)

func main() {
	debugged := flag.Bool("debug", false, "wait for a debugger, and print how Terraform finds this process")
	flag.Parse()
	var opts []tf6server.ServeOpt
	if *debugged {
		opts = append(opts, tf6server.WithManagedDebug())
	}
	if err := tf6server.Serve(provider.Address, provider.Protocol(version()), opts...); err != nil {
		fmt.Fprintln(os.Stderr, "terraform-provider-rolebroker:", err)
		os.Exit(1)
	}
}

// version is the version of the module that this binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
