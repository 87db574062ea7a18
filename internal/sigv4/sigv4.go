// Package sigv4 verifies the signatures of AWS requests, Version 4, as AWS does: in the header and in the query, of S3
// and of every other service, and of the chunks of an S3 upload. It knows no keys: the caller finds the secret of a
// signature's key ID. It signs nothing.
//
//	signature, err := sigv4.Read(r)
//	err = signature.CheckTime(now)
//	err = signature.Verify(r, sigv4.Plain(r, sigv4.Hash(body)), secretOf(signature.KeyID))
//
// Its errors are *Error, in AWS's words.
//
// Source: IAM User Guide, "AWS Signature Version 4 for API requests".
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeForm   = "20060102T150405Z"
	skew       = 5 * time.Minute
)

// Signature is the signature of a request, with its parameters. Nothing of it is verified until Verify returns nil.
type Signature struct {
	KeyID         string
	Region        string
	Service       string
	Token         string    // of the session; empty: the key has none
	At            time.Time // when the request was signed
	Presigned     bool      // the signature is in the query
	expires       time.Duration
	day           string // of the scope
	terminator    string
	signedHeaders []string
	value         string
	stamp         string // At, as it is signed
}

// Error is how AWS refuses a signature: an HTTP status, a code for programs and a message for people.
type Error struct {
	Status        int
	Code, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func (c *Signature) scope() string {
	return c.day + "/" + c.Region + "/" + c.Service + "/" + c.terminator
}

func incomplete(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "IncompleteSignature", format, args...)
}

func mismatch(format string, args ...any) *Error {
	return refuse(http.StatusForbidden, "SignatureDoesNotMatch", format, args...)
}

// ErrMismatch refuses a signature that is not that of the request with the secret.
var ErrMismatch = mismatch(
	"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access " +
		"Key and signing method. Consult the service documentation for details.")

// Read parses the signature in the Authorization header, or else in the query.
func Read(r *http.Request) (*Signature, error) {
	switch query := r.URL.Query(); {
	case r.Header.Get("Authorization") != "":
		return readHeader(r.Header)
	case query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature"):
		return readQuery(query)
	case query.Has("AWSAccessKeyId") && query.Has("Signature"):
		return nil, incomplete("The URL is signed with Version 2, which is not verified here. Sign it with Version 4: for " +
			"the AWS CLI and boto3, signature_version is s3v4.")
	}
	return nil, refuse(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
}

// checkAlgorithm refuses every algorithm but that of Version 4.
func checkAlgorithm(used string) error {
	switch used {
	case algorithm:
		return nil
	case "AWS4-ECDSA-P256-SHA256":
		return incomplete("Unsupported AWS 'algorithm': '%s': signatures of Version 4A, for several regions, are not "+
			"verified here; use an endpoint of one region.", used)
	}
	return incomplete("Unsupported AWS 'algorithm': '%s'.", used)
}

func readHeader(h http.Header) (*Signature, error) {
	used, rest, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	if err := checkAlgorithm(used); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if found {
			fields[name] = value
		}
	}
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if fields[name] == "" {
			return nil, incomplete("Authorization header requires '%s' parameter.", name)
		}
	}
	c := &Signature{value: fields["Signature"], Token: h.Get("X-Amz-Security-Token")}
	c.signedHeaders = strings.Split(fields["SignedHeaders"], ";")
	if err := c.setCredential(fields["Credential"]); err != nil {
		return nil, err
	}
	return c, c.setTime(h.Get("X-Amz-Date"), h.Get("Date"))
}

func readQuery(q url.Values) (*Signature, error) {
	if err := checkAlgorithm(q.Get("X-Amz-Algorithm")); err != nil {
		return nil, err
	}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(name) == "" {
			return nil, incomplete("AWS query-string parameters must include '%s'.", name)
		}
	}
	c := &Signature{Presigned: true, value: q.Get("X-Amz-Signature"), Token: q.Get("X-Amz-Security-Token")}
	c.signedHeaders = strings.Split(q.Get("X-Amz-SignedHeaders"), ";")
	c.expires = skew
	if q.Has("X-Amz-Expires") {
		n, err := strconv.Atoi(q.Get("X-Amz-Expires"))
		if err != nil || n < 1 || n > 604800 {
			return nil, incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800.")
		}
		c.expires = time.Duration(n) * time.Second
	}
	if err := c.setCredential(q.Get("X-Amz-Credential")); err != nil {
		return nil, err
	}
	return c, c.setTime(q.Get("X-Amz-Date"), "")
}

func (c *Signature) setCredential(s string) error {
	parts := strings.Split(s, "/")
	if len(parts) != 5 || slices.Contains(parts, "") {
		return incomplete(
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", s)
	}
	c.KeyID, c.day, c.Region, c.Service, c.terminator = parts[0], parts[1], parts[2], parts[3], parts[4]
	return nil
}

func (c *Signature) setTime(amzDate, date string) error {
	var err error
	switch {
	case amzDate != "":
		c.At, err = time.Parse(timeForm, amzDate)
	case date != "":
		if c.At, err = time.Parse(timeForm, date); err != nil {
			c.At, err = http.ParseTime(date)
		}
	default:
		return incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if err != nil {
		return incomplete(
			"Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601",
			amzDate+date)
	}
	c.At = c.At.UTC()
	c.stamp = c.At.Format(timeForm)
	return nil
}

// CheckScope compares the scope with the date of the request and the service.
func (c *Signature) CheckScope(service string) error {
	switch {
	case c.terminator != terminator:
		return mismatch("Credential should be scoped with a valid terminator: '%s'", terminator)
	case c.Service != service:
		return mismatch("Credential should be scoped to correct service: '%s'.", service)
	case c.day != c.stamp[:8]:
		return mismatch(
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != "+
				"'%s', from '%s'.", c.day, c.stamp[:8], c.stamp)
	}
	return nil
}

// CheckTime refuses signatures that are too old, or from the future.
func (c *Signature) CheckTime(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	window := skew
	if c.Presigned {
		window = c.expires
	}
	oldest, newest := now.Add(-window), now.Add(skew)
	if c.At.Before(oldest) {
		return mismatch("Signature expired: %s is now earlier than %s (%s - %s.)", c.stamp, oldest.Format(timeForm),
			now.Format(timeForm), minutes(window))
	}
	if c.At.After(newest) {
		return mismatch("Signature not yet current: %s is still later than %s (%s + %s.)", c.stamp,
			newest.Format(timeForm), now.Format(timeForm), minutes(skew))
	}
	return nil
}

func minutes(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return strconv.Itoa(int(d/time.Second)) + " sec"
}

// Form has the parts of the canonical request that depend on the service.
type Form struct {
	paths   []string // the forms of the path that clients sign
	Payload string   // the hash of the body, or the words that stand for it
}

// Plain is the form of every service but S3, for a body with the hash.
func Plain(r *http.Request, hash string) Form { return Form{canonicalPaths(rawPath(r)), hash} }

// Hash returns the SHA-256 of a body, in hexadecimal.
func Hash(body []byte) string {
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:])
}

// Verify reports whether the signature is that of the request with the secret.
func (c *Signature) Verify(r *http.Request, form Form, secret string) error {
	if err := c.checkCoverage(r); err != nil {
		return err
	}
	for _, path := range form.paths {
		canonical, err := c.canonical(r, path, form.Payload)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(c.value), []byte(c.sign(canonical, secret))) == 1 {
			return nil
		}
	}
	return ErrMismatch
}

// checkCoverage refuses signatures that do not cover all required headers.
func (c *Signature) checkCoverage(r *http.Request) error {
	if !slices.Contains(c.signedHeaders, "host") {
		return mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(c.signedHeaders, lower) {
			return mismatch("'%s' must be a 'SignedHeader' in the AWS Authorization.", lower)
		}
	}
	return nil
}

func (c *Signature) sign(canonical, secret string) string {
	return c.signText(secret, algorithm, Hash([]byte(canonical)))
}

// signText signs lines after the time and scope of the claim.
func (c *Signature) signText(secret, kind string, lines ...string) string {
	toSign := strings.Join(append([]string{kind, c.stamp, c.scope()}, lines...), "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{c.day, c.Region, c.Service, c.terminator} {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, toSign))
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (c *Signature) canonical(r *http.Request, path, payload string) (string, error) {
	query, err := canonicalQuery(r.URL.RawQuery, c.Presigned)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n" + query + "\n")
	for _, name := range c.signedHeaders {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(c.signedHeaders, ";") + "\n" + payload)
	return b.String(), nil
}

// headerValue returns a header as it is signed: trimmed, with single spaces, and
// with repetitions joined by commas.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return hostWithoutDefaultPort(r.Host)
	case "content-length":
		if len(r.Header.Values(name)) == 0 && r.ContentLength >= 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
	case "transfer-encoding": // which old versions of botocore sign, and net/http takes out of the headers
		if r.ContentLength < 0 {
			return "chunked"
		}
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, squeeze(v))
	}
	return strings.Join(values, ",")
}

func squeeze(s string) string {
	s = strings.Trim(s, " \t")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

func hostWithoutDefaultPort(host string) string {
	if h, found := strings.CutSuffix(host, ":443"); found {
		return h
	}
	return strings.TrimSuffix(host, ":80")
}

// rawPath returns the path as it is in the request line, because only that retains
// doubled slashes and escapes.
func rawPath(r *http.Request) string {
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.EscapedPath()
	}
	uri, _, _ = strings.Cut(uri, "?")
	if _, rest, absolute := strings.Cut(uri, "://"); absolute && !strings.HasPrefix(uri, "/") {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return "/"
		}
		uri = rest[slash:]
	}
	return uri
}

// canonicalPaths returns the forms of a path that clients sign: with dot segments
// and doubled slashes removed, as the specification requires, and unchanged, as
// the SDK for Go does. Each segment is escaped once more.
func canonicalPaths(raw string) []string {
	plain, tidy := escape(raw, true), escape(normalize(raw), true)
	if plain == "" {
		plain = "/"
	}
	if plain == tidy {
		return []string{tidy}
	}
	return []string{tidy, plain}
}

func normalize(path string) string {
	var out []string
	segments := strings.Split(path, "/")
	for i, s := range segments {
		switch {
		case s == "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		case s == "." || s == "" && i < len(segments)-1:
		default:
			out = append(out, s)
		}
	}
	if last := segments[len(segments)-1]; len(out) > 0 && (last == "." || last == "..") {
		out = append(out, "")
	}
	return "/" + strings.Join(out, "/")
}

// canonicalQuery encodes the parameters strictly and sorts them by encoded name,
// then value. It omits the signature of a presigned query.
func canonicalQuery(raw string, presigned bool) (string, error) {
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return "", refuse(http.StatusBadRequest, "MalformedQueryString",
				"The query string contains a syntax error.")
		}
		if presigned && n == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, [2]string{escape(n, false), escape(v, false)})
	}
	slices.SortFunc(pairs, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = p[0] + "=" + p[1]
	}
	return strings.Join(parts, "&"), nil
}

// escape percent-encodes everything but RFC 3986's unreserved characters and,
// in paths, slashes.
func escape(s string, path bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', path && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
