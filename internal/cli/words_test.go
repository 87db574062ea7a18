package cli

import (
	"slices"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

func TestSimilarWords(t *testing.T) {
	known := []string{"name", "arn", "region", "enabled", "session_duration", "enable-role"}
	for typed, want := range map[string][]string{
		"regoin": {"region"}, "reg": {"region"}, "nmae": {"name"}, "enable": {"enabled", "enable-role"},
		"duration": {"session_duration"}, "external_id": nil, "comma": nil, "x": nil, "": known,
	} {
		if got := similar(typed, known); !slices.Equal(got, want) {
			t.Errorf("%q is like %q, not %q", typed, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"region", "region", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("the distance of %q and %q is %d, not %d", c.a, c.b, got, c.want)
		}
	}
}

func TestPositionsBecomeNames(t *testing.T) {
	roles := []api.RoleRequest{{Name: "a"}, {}}
	err := namingRoles(&rolebroker.Error{Fields: []rolebroker.Field{
		{Path: "roles[0].arn", Message: "no"}, {Path: "roles[0]", Message: "is roles[1] again"},
		{Path: "roles[1].name", Message: "is empty"}, {Path: "roles[7].arn"}, {Path: "default_role"}, {Path: "roles[x"},
	}}, roles)
	var got []string
	for _, f := range rolebroker.AsError(err).Fields {
		got = append(got, f.Path+": "+f.Message)
	}
	want := []string{"role a, arn: no", "role a: is another role again", "roles[1].name: is empty", "roles[7].arn: ",
		"default_role: ", "roles[x: "}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "anything", true}, {"deploy", "deployer", false}, {"deploy*", "deployer", true}, {"d?ployer", "deployer", true},
		{"*:role/team/*", "arn:aws:iam::444455556666:role/team/x/y", true}, {"a.c", "abc", false}, {"[a]", "a", false},
		{"*", "", true}, {"a|b", "a", false},
	} {
		if got := pattern(c.pattern)(c.text); got != c.want {
			t.Errorf("%q matches %q: %t", c.pattern, c.text, got)
		}
	}
}
