package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilesInUTF16(t *testing.T) {
	const want = "name: \u00e9\U0001f600\r\n"
	for _, text := range []string{
		want, "\ufeff" + want,
		"\xff\xfen\x00a\x00m\x00e\x00:\x00 \x00\xe9\x00\x3d\xd8\x00\xde\r\x00\n\x00",
		"n\x00a\x00m\x00e\x00:\x00 \x00\xe9\x00\x3d\xd8\x00\xde\r\x00\n\x00",
		"\xfe\xff\x00n\x00a\x00m\x00e\x00:\x00 \x00\xe9\xd8\x3d\xde\x00\x00\r\x00\n",
		"\x00n\x00a\x00m\x00e\x00:\x00 \x00\xe9\xd8\x3d\xde\x00\x00\r\x00\n",
	} {
		if got, ok := utf8Text([]byte(text)); !ok || string(got) != want {
			t.Errorf("of %q came %q", text, got)
		}
		var v struct{ Name string }
		stdin := fromFile{path: "-"}
		if err := stdin.decode(strings.NewReader(text), &v); err != nil || v.Name != "\u00e9\U0001f600" {
			t.Errorf("of %q came %+v, %v", text, v, err)
		}
	}
	for _, bad := range []string{"\xe9", "\xff\xfea", "\xff\xfe\x3d\xd8", "\xff\xfe\x00\xde", "a\x00\x3d\xd8b\x00"} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readText(path, nil); err == nil || err.Error() != path+" is neither UTF-8 nor UTF-16" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
