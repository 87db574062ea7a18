package demo

import (
	"net"
	"strings"
	"testing"
)

// A person must not take the web app of another server for that of the demo.
func TestAnotherPortIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var out strings.Builder
	w := &world{Options: Options{Out: &out, Listen: taken.Addr().String(), AnyPort: true}}
	if err := w.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer w.close()
	want := taken.Addr().String() + " is in use, so the demo listens on " + strings.TrimPrefix(w.server.URL(), "http://")
	if !strings.Contains(out.String(), want) {
		t.Errorf("the demo says %q, not %q", out.String(), want)
	}
}
