package rolebroker_test

import (
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestAHintReadsAsPlainText(t *testing.T) {
	hint := rolebroker.Hint{
		{Text: "1. the role is there:", Command: "aws iam get-role\naws iam list-roles"},
		{Text: "2. its trust policy has this statement:", Policy: "{\n  \"Effect\": \"Allow\"\n}"},
		{Command: "rolebroker integration list"},
	}
	const want = "1. the role is there:\n  aws iam get-role\n  aws iam list-roles\n" +
		"2. its trust policy has this statement:\n{\n  \"Effect\": \"Allow\"\n}\n" +
		"rolebroker integration list"
	if hint.String() != want {
		t.Errorf("it reads\n%s\nwant\n%s", hint, want)
	}
	if none := rolebroker.TextHint(""); none != nil || none.String() != "" {
		t.Errorf("no text makes %#v", none)
	}
}
