package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// tokenIDFlag is the value of a flag that takes the ID of a token or a binding. It refuses anything else without
// repeating it: a token in its place must not get into a URL or an error.
type tokenIDFlag struct{ id *string }

func (f tokenIDFlag) Set(text string) error {
	if !rolebroker.IsTokenID(text) {
		return errors.New("that is not the ID of a token; rolebroker agent token list AGENT shows the IDs, as in tok_…")
	}
	*f.id = text
	return nil
}

// String returns the default: none.
func (f tokenIDFlag) String() string { return "" }

func (f tokenIDFlag) Type() string { return "ID" }

// accountFlag is the value of a flag that takes an AWS account ID, also with hyphens, as the AWS console shows it.
type accountFlag struct{ id *string }

func (f accountFlag) Set(text string) error {
	id := strings.ReplaceAll(text, "-", "")
	if !rolebroker.IsAccountID(id) {
		return fmt.Errorf("%q is not an AWS account ID, which is 12 digits", text)
	}
	*f.id = id
	return nil
}

// String returns the default: none.
func (f accountFlag) String() string { return "" }

func (f accountFlag) Type() string { return "account" }
