// Terraform-provider-rolebroker lets Terraform manage integrations, roles, agents
// and connections. Terraform starts it; people do not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/rolebroker/rolebroker/terraform/provider"
)

func main() {
	debugged := flag.Bool("debug", false, "wait for a debugger, and print how Terraform finds this process")
	flag.Parse()
	err := providerserver.Serve(context.Background(), provider.New(version()), providerserver.ServeOpts{
		Address: provider.Address,
		Debug:   *debugged,
	})
	if err != nil {
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
