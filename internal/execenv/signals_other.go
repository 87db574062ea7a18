//go:build !unix

package execenv

import "os"

// relayed is caught so that this process outlives the command. The console sends
// an interrupt to both.
var relayed = []os.Signal{os.Interrupt}

func ends(os.Signal) bool                 { return true }
func fromTerminal(os.Signal) bool         { return true }
func signalNumber(os.Signal) int          { return 2 }
func exitCode(state *os.ProcessState) int { return state.ExitCode() }
func terminate(p *os.Process) error       { return p.Kill() }
