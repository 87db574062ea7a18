package execenv

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/contain"
)

func TestAContainedRoomHasNoRoleThatIsLent(t *testing.T) {
	withheld := offer("a", "production", "a", "us-east-1", true)
	withheld.Keys = rolebroker.KeysWithheld
	lent := offer("b", "staging", "b", "us-east-1", false)
	if err := roomOf(withheld).checkKeys(containedNeeds); err != nil {
		t.Error(err)
	}
	err := roomOf(withheld, lent).checkKeys(containedNeeds)
	if rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), "staging/b") ||
		!strings.Contains(rolebroker.AsError(err).Hint.String(), "agent connect AGENT staging --keys withheld") {
		t.Errorf("%v", err)
	}
}

func TestAContainedCommandGetsNothingThatLeadsOut(t *testing.T) {
	got := outside([]string{"PATH=/bin", "AWS_ENDPOINT_URL_S3=http://x", "AWS_ACCESS_KEY_ID=x", "AWS_PAGER=", "HTTPS_PROXY=x",
		"no_proxy=x", "SSH_AUTH_SOCK=/x", "ROLEBROKER_TOKEN=x", "AWS_RETRY_MODE=standard", "DOCKER_HOST=x", "LANG=C"})
	if want := []string{"PATH=/bin", "AWS_PAGER=", "AWS_RETRY_MODE=standard", "LANG=C"}; !slices.Equal(got, want) {
		t.Errorf("it gets %q", got)
	}
}

func TestNamesAreLookedUpInFilesAndDNSOnly(t *testing.T) {
	got := string(byFilesAndDNS([]byte("passwd: files\nhosts:  files mymachines resolve [!UNAVAIL=return] dns\n")))
	if strings.Contains(got, "resolve") || !strings.Contains(got, "passwd: files\n") ||
		!strings.HasSuffix(got, "\nhosts: files dns\n") {
		t.Errorf("nsswitch.conf is\n%s", got)
	}
}

func TestWhatIsShownOnce(t *testing.T) {
	bind := func(path string, optional bool) contain.Bind {
		return contain.Bind{From: path, To: path, Optional: optional}
	}
	got := outermost([]contain.Bind{bind("/tmp/a/b", false), bind("/tmp/a", false), bind("/tmp/ab", true), bind("/tmp/c", true),
		bind("/tmp/c/d", false), bind("/tmp/a/x", true)})
	var paths []string
	for _, b := range got {
		paths = append(paths, b.To)
	}
	if want := []string{"/tmp/a", "/tmp/c", "/tmp/ab", "/tmp/c/d"}; !slices.Equal(paths, want) {
		t.Errorf("shown are %q", paths)
	}
}

func TestTheSignInOfThePersonIsHidden(t *testing.T) {
	o := Options{Command: []string{"true"}, Env: []string{"PATH=/usr/bin:/bin", "HOME=/home/ada"},
		Contained: &Containment{SignInFile: "/home/ada/.config/rolebroker/sign-in.json"}}
	w, err := o.world(t.TempDir())
	if err != nil || !slices.Contains(w.Hidden, "/home/ada/.config/rolebroker") {
		t.Errorf("hidden are %q: %v", w.Hidden, err)
	}
}
