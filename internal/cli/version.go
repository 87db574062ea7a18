package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    `Print the version of this binary, the version of Go and the platform it was built for.`,
		Example: `  rolebroker version`,
		RunE: func(*cobra.Command, []string) error {
			return a.printVersion()
		},
	}
}

func (a *app) printVersion() error {
	_, err := fmt.Fprintf(a.out(), "rolebroker %s (%s, %s/%s)\n", a.version(), runtime.Version(), runtime.GOOS,
		runtime.GOARCH)
	return err
}
