package awssim

import (
	"bytes"
	"io"
)

// decode returns the content of a body after it has verified its hash, or the signatures of
// its chunks.
func (c *s3Call) decode() ([]byte, error) {
	length := c.http.Header.Get("X-Amz-Decoded-Content-Length")
	content, err := io.ReadAll(c.seed.Body(bytes.NewReader(c.body), c.signed, c.secret, length))
	return content, ofSignature(err)
}
