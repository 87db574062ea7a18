package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

// chartVersion is the version of the charts.
func chartVersion(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("charts/rolebroker/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile(`(?m)^version: (\S+)$`).FindSubmatch(content)[1])
}

// A binary that is built by the Dockerfile's command says which version it is, though
// there is no repository in the image's build.
func TestTheImageSaysItsVersion(t *testing.T) {
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`go build [^&]*?-o /out/rolebroker \./cmd/rolebroker`).FindString(string(dockerfile))
	if command == "" {
		t.Fatal("the Dockerfile has no command that builds it")
	}
	out := filepath.Join(t.TempDir(), "rolebroker")
	here := strings.NewReplacer("\\\n", " ", "/out/rolebroker", out, "-trimpath", "")
	build := exec.Command("sh", "-c", here.Replace(command))
	build.Dir = ".."
	build.Env = append(os.Environ(), "VERSION=1.2.3", "GOFLAGS="+flagsOfThisTest())
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	said, err := exec.Command(out, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "rolebroker 1.2.3 (go") {
		t.Errorf("it says %s, %v", said, err)
	}
}

// flagsOfThisTest are the flags that this test was compiled with. With the same flags, go build compiles nothing again.
func flagsOfThisTest() string {
	var flags []string
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		switch s.Key {
		case "-race", "-gcflags", "-trimpath", "-tags":
			flags = append(flags, s.Key+"="+s.Value)
		}
	}
	return strings.Join(append(flags, "-buildvcs=false"), " ")
}

// The image is made where there is Docker. What can be known without it is that
// its compiler is the one that go.mod asks for, and what is in it.
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
	build, image, found := strings.Cut(string(dockerfile), "FROM scratch\n")
	if !found {
		t.Fatal("the image is made of another one")
	}
	for _, want := range []string{"golang:" + string(version[1]) + " AS build", "CGO_ENABLED=0", "./cmd/rolebroker",
		"ARG VERSION=" + chartVersion(t) + "\n"} {
		if !strings.Contains(build, want) {
			t.Errorf("it is built without %s", want)
		}
	}
	for _, want := range []string{"/etc/ssl/certs/ca-certificates.crt", "USER 65532:65532",
		`ENTRYPOINT ["/rolebroker"]`} {
		if !strings.Contains(image, want) {
			t.Errorf("the image has no %s", want)
		}
	}
	if strings.Contains(image, "RUN ") {
		t.Error("something is run in the image, which has nothing to run it with")
	}
}
