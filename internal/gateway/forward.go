package gateway

import (
	"bytes"
	"cmp"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/expect"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/renewal"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// newTransport returns the transport to AWS. It speaks HTTP/1.1 only and goes through the proxy of the environment. It
// waits as long as the client does: some calls of AWS take minutes.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 128,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // answers arrive as AWS sent them
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
	}
}

// forward sends the request with a signature by the credentials, and streams the answer.
func (c *call) forward(by rolebroker.Credentials) {
	proxy := httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { c.rewrite(p.Out) },
		Transport:     signing{c, by},
		FlushInterval: -1, // event streams and Lambda's streamed answers arrive at once
		BufferPool:    buffers,
		ErrorLog:      guard.ErrorLog(c.gateway.Log),
		ModifyResponse: func(answer *http.Response) error {
			c.answering.Store(true)
			return cmp.Or(c.ended(), c.hide(answer, by), c.keepHere(answer))
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			if why := c.ended(); why != nil {
				err = why
			}
			c.sent.failure = unreachable(err)
			c.refuse(c.sent.failure)
		},
	}
	proxy.ServeHTTP(c.w, expect.PassOn(c.r))
}

// ownHeaders do not go to AWS: the signature, and what belongs to the connection to us.
var ownHeaders = []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "Date", "Expect",
	renewal.Header}

// signatureParameters are those of a presigned request.
var signatureParameters = []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token"}

// rewrite makes of the agent's request the one for AWS, but for the signature.
func (c *call) rewrite(out *http.Request) {
	for _, name := range ownHeaders {
		out.Header.Del(name)
	}
	out.URL.Scheme, out.URL.Host, out.Host = c.upstream.Scheme, c.upstream.Host, c.upstream.Host
	path := c.upstream.Path + c.path
	out.URL.RawPath = path
	out.URL.Path, _ = url.PathUnescape(path) // it was a path
	if c.signature.Presigned {
		out.URL.RawQuery = without(out.URL.RawQuery, signatureParameters)
	}
	if c.body != nil {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(c.body)), int64(len(c.body))
		if len(c.body) == 0 {
			out.Body = http.NoBody
		}
		out.TransferEncoding = nil
		return
	}
	c.rewriteChunks(out)
}

// without returns a query without parameters, and with the others as they were.
func without(query string, names []string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err != nil || !slices.Contains(names, plain) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// rewriteChunks replaces signed chunks of an upload to S3, which nobody but the agent can sign: by the content alone,
// or, if headers follow it, by chunks without signatures. AWS gets them over TLS.
func (c *call) rewriteChunks(out *http.Request) {
	if c.form.Payload != sigv4.SignedChunks && c.form.Payload != sigv4.SignedTrailer {
		return
	}
	length := out.Header.Get("X-Amz-Decoded-Content-Length")
	content := c.signature.Body(out.Body, c.form, c.secret, length)
	if c.form.Payload == sigv4.SignedTrailer {
		out.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedTrailer)
		out.Body, out.ContentLength = io.NopCloser(&chunker{from: content}), -1
		return
	}
	size, err := strconv.ParseInt(length, 10, 64)
	if err != nil || size < 0 {
		size = -1
	}
	out.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
	out.Header.Del("X-Amz-Decoded-Content-Length")
	encodings := strings.Split(out.Header.Get("Content-Encoding"), ",")
	var kept []string
	for _, e := range encodings {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			kept = append(kept, e)
		}
	}
	out.Header.Del("Content-Encoding")
	if len(kept) > 0 {
		out.Header.Set("Content-Encoding", strings.Join(kept, ","))
	}
	out.Body, out.ContentLength, out.TransferEncoding = io.NopCloser(content), size, nil
	if size == 0 {
		out.Body = http.NoBody
	}
}

// chunker encodes a verified body in chunks without signatures, followed by its trailing headers.
type chunker struct {
	from *sigv4.Body
	out  bytes.Buffer
	err  error
}

const chunkSize = 64 << 10

func (k *chunker) Read(p []byte) (int, error) {
	for k.out.Len() == 0 {
		if k.err != nil {
			return 0, k.err
		}
		k.fill()
	}
	return k.out.Read(p)
}

func (k *chunker) fill() {
	data := make([]byte, chunkSize)
	n, err := io.ReadFull(k.from, data) // S3 wants chunks of at least 8 KiB, but for the last
	if n > 0 {
		k.out.WriteString(strconv.FormatInt(int64(n), 16) + "\r\n")
		k.out.Write(data[:n])
		k.out.WriteString("\r\n")
	}
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		k.out.WriteString("0\r\n")
		for _, header := range k.from.Trailer {
			k.out.WriteString(header + "\r\n")
		}
		k.out.WriteString("\r\n")
		k.err = io.EOF
	default:
		k.err = err
	}
}

// signing is the transport of one call. It signs last, when the request is as it will be sent.
type signing struct {
	*call
	by rolebroker.Credentials
}

var signer = v4.NewSigner()

var s3Signer = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })

func (s signing) RoundTrip(out *http.Request) (*http.Response, error) {
	by := aws.Credentials{AccessKeyID: s.by.AccessKeyID, SecretAccessKey: s.by.SecretAccessKey.Reveal(),
		SessionToken: s.by.SessionToken.Reveal()}
	with, hash := signer, s.form.Payload
	if isS3(s.signature.Service) {
		with = s3Signer
		if hash = out.Header.Get("X-Amz-Content-Sha256"); hash == "" { // presigned
			hash = sigv4.UnsignedPayload
			out.Header.Set("X-Amz-Content-Sha256", hash)
		}
	}
	err := with.SignHTTP(out.Context(), by, out, hash, s.signature.Service, string(s.region), s.gateway.Now())
	if err != nil {
		return nil, err
	}
	return s.sent.roundTrip(s.call, out)
}

// buffers are the buffers that answers go through.
var buffers = &bufferPool{sync.Pool{New: func() any { return new([bufferSize]byte) }}}

const bufferSize = 32 << 10

// bufferPool keeps arrays, because a slice in a pool allocates.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte  { return p.pool.Get().(*[bufferSize]byte)[:] }
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[bufferSize]byte)(b)) }
