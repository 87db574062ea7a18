package deploy_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The image is made where there is Docker; what can be known without it is that
// its compiler is the one that go.mod asks for, that nothing is in it but what is
// copied, and that the command in it makes a program that needs no library.
func TestDockerfile(t *testing.T) {
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	if want := "golang:" + string(version[1]) + " AS build"; !strings.Contains(string(dockerfile), want) {
		t.Errorf("it does not start from %s", want)
	}
	_, image, _ := strings.Cut(string(dockerfile), "FROM scratch\n")
	for _, want := range []string{"ca-certificates.crt", "USER 65532:65532", `ENTRYPOINT ["/rolebroker"]`} {
		if !strings.Contains(image, want) {
			t.Errorf("the image has no %s", want)
		}
	}
	command := regexp.MustCompile(`go build .*-o /out/rolebroker (\./\S+)`).FindStringSubmatch(string(dockerfile))
	if command == nil {
		t.Fatal("it builds nothing")
	}
	program := filepath.Join(t.TempDir(), "rolebroker")
	build := exec.Command("/bin/sh", "-c", "CGO_ENABLED=0 "+strings.Replace(command[0], "/out/rolebroker", program, 1))
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary, err := elf.Open(program)
	if err != nil {
		t.Skipf("NOT TESTED: not a Linux machine: %v", err)
	}
	defer binary.Close()
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is not static: it has a %s", segment.Type)
		}
	}
}
