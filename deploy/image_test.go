package deploy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

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
	for _, want := range []string{"golang:" + string(version[1]) + " AS build", "CGO_ENABLED=0", "./cmd/rolebroker"} {
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
