//go:build linux

package execenv

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runShell runs a line of shell and returns the words that it prints. In the line,
// say prints the ID of the shell, and hear waits until some shell has done that.
func runShell(t *testing.T, line string, grace time.Duration) []string {
	t.Helper()
	var out bytes.Buffer
	o := options(newFake())
	said := filepath.Join(t.TempDir(), "said")
	line = strings.ReplaceAll(line, "say", "echo $$; touch "+said)
	line = strings.ReplaceAll(line, "hear", "until [ -e "+said+" ]; do sleep 0.01; done")
	o.Command, o.Stdout, o.Grace = []string{"sh", "-c", line}, &out, grace
	if code, err := Run(t.Context(), o); code != 0 || err != nil {
		t.Fatalf("it ended with %d, %v", code, err)
	}
	return strings.Fields(out.String())
}

// isAlive reports whether a process exists and is no zombie.
func isAlive(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// Without the kill, waiting for the output would not end, because the processes
// hold the pipe.
func TestNoProcessOfTheCommandIsLeft(t *testing.T) {
	const stubborn = `sh -c 'trap "" TERM; say; while :; do sleep 100; done' & `
	for name, line := range map[string]string{
		"background":   `sleep 1000 & echo $!`,
		"own session":  `setsid sh -c 'say; exec sleep 1000' & hear`,
		"orphan":       `(sh -c 'say; exec sleep 1000' & ); hear`,
		"stopped":      `sleep 1000 & kill -STOP $!; echo $!`,
		"stubborn":     stubborn + `hear`,
		"grandparents": `setsid sh -c '` + strings.ReplaceAll(stubborn, "'", `'\''`) + `wait' & hear`,
	} {
		t.Run(name, func(t *testing.T) {
			pids := runShell(t, line, 100*time.Millisecond)
			if len(pids) == 0 {
				t.Fatal("it names no process")
			}
			for _, pid := range pids {
				if isAlive(pid) {
					t.Errorf("process %s is left", pid)
				}
			}
		})
	}
}

// A shell may start a process and then become exec: that process is not the
// command's.
func TestProcessesFromBeforeTheCommandAreLeft(t *testing.T) {
	before := exec.Command("sleep", "1000")
	if err := before.Start(); err != nil {
		t.Fatal(err)
	}
	runShell(t, "sleep 1000 &", time.Minute)
	if !isAlive(strconv.Itoa(before.Process.Pid)) {
		t.Error("it has ended")
	}
	before.Process.Kill()
	before.Wait()
}

// What such a process had started becomes a child of exec when that process ends,
// and is not the command's either.
func TestOrphansOfProcessesFromBeforeTheCommandAreLeft(t *testing.T) {
	dir := t.TempDir()
	before := exec.Command("sh", "-c", `sh -c 'echo $$ > pid; mv pid started; exec sleep 1000' &
		until [ -e end ]; do sleep 0.01; done`)
	before.Dir = dir
	if err := before.Start(); err != nil {
		t.Fatal(err)
	}
	started := filepath.Join(dir, "started")
	for !exists(started) {
		time.Sleep(time.Millisecond)
	}
	text, err := os.ReadFile(started)
	if err != nil {
		t.Fatal(err)
	}
	runShell(t, "touch "+filepath.Join(dir, "end")+"; while [ -e /proc/"+strconv.Itoa(before.Process.Pid)+
		" ]; do sleep 0.01; done", time.Minute)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !isAlive(strconv.Itoa(pid)) {
		t.Errorf("process %q has ended: %v", text, err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	before.Wait()
}

// exists reports whether a file exists.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A second signal ends the grace, as it ends other programs that take their time.
func TestASignalEndsTheGrace(t *testing.T) {
	const line = `sh -c 'trap "" TERM; echo $$; touch '$0'; while :; do sleep 100; done' &
		until [ -e $0 ]; do sleep 0.01; done; echo $$`
	cmd, out := playing(t, "exec-shell", line, filepath.Join(t.TempDir(), "deaf"))
	lines := bufio.NewScanner(out)
	lines.Scan()
	deaf := lines.Text()
	if !isAlive(deaf) {
		t.Fatalf("process %q has ended already", deaf)
	}
	lines.Scan()
	for isAlive(lines.Text()) {
		time.Sleep(time.Millisecond)
	}
	for isAlive(deaf) { // the first signals may come before exec has noticed that the command ended
		cmd.Process.Signal(syscall.SIGTERM)
		time.Sleep(time.Millisecond)
	}
	cmd.Wait() // it may have got one signal more
}

// The command's own end is never taken from os/exec, however many orphans end
// meanwhile.
func TestOrphansAndTheCommandEndAtOnce(t *testing.T) {
	for range 20 {
		runShell(t, `i=0; while [ $i -lt 20 ]; do (sleep 0 & ); i=$((i+1)); done`, time.Minute)
	}
	if pid, err := deadChild(); pid != 0 {
		t.Errorf("zombie %d is left: %v", pid, err)
	}
}
