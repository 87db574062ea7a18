package gateway

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// maxHidden bounds the answer of an error that is searched for credentials.
const maxHidden = 64 << 10

// hide replaces the role's access key ID and session token in an error of AWS by those that the agent signed with. S3
// repeats what was signed when it finds that the signature is wrong: as it was, and as the bytes of it in hexadecimal.
//
// Source: Amazon S3 API Reference, "Error responses", SignatureDoesNotMatch.
func (c *call) hide(answer *http.Response, by rolebroker.Credentials) error {
	if answer.StatusCode < http.StatusBadRequest || answer.Body == nil {
		return nil
	}
	start, err := io.ReadAll(io.LimitReader(answer.Body, maxHidden+1))
	if err != nil {
		return unreachable(err)
	}
	if len(start) > maxHidden {
		answer.Body = &prefixed{io.MultiReader(bytes.NewReader(start), answer.Body), answer.Body}
		return nil
	}
	answer.Body.Close()
	secrets := append(forms(by.SessionToken.Reveal(), c.signature.Token), forms(by.AccessKeyID, c.signature.KeyID)...)
	hidden := []byte(strings.NewReplacer(secrets...).Replace(string(start)))
	answer.Body = io.NopCloser(bytes.NewReader(hidden))
	if answer.ContentLength >= 0 {
		answer.ContentLength = int64(len(hidden))
		answer.Header.Set("Content-Length", strconv.Itoa(len(hidden)))
	}
	return nil
}

// forms are the ways in which an answer may have a text, each before the same of another one.
func forms(text, by string) []string {
	if text == "" {
		return nil
	}
	var all []string
	for _, form := range []func(string) string{
		func(s string) string { return s }, url.QueryEscape, inJSON, inBytes,
		func(s string) string { return strings.ToUpper(inBytes(s)) },
		func(s string) string { return hex.EncodeToString([]byte(s)) },
	} {
		all = append(all, form(text), form(by))
	}
	return all
}

func inJSON(s string) string { return strings.ReplaceAll(s, "/", `\/`) }

// inBytes is each byte in hexadecimal, with a space between two.
func inBytes(s string) string {
	digits := make([]string, len(s))
	for i := range s {
		digits[i] = hex.EncodeToString([]byte{s[i]})
	}
	return strings.Join(digits, " ")
}

// prefixed is a body of which the beginning was read.
type prefixed struct {
	io.Reader
	io.Closer
}
