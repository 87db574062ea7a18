package awssim

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verification of Signature Version 4: the signature that a request has (claim),
// the canonical form of the request (canonical*), and their comparison (verify).

const (
	sigAlgorithm  = "AWS4-HMAC-SHA256"
	sigTerminator = "aws4_request"
	sigTime       = "20060102T150405Z"
	sigSkew       = 5 * time.Minute
)

// claim is a signature with its parameters.
type claim struct {
	keyID         string
	day           string // of the scope
	region        string
	service       string
	terminator    string
	signedHeaders []string
	signature     string
	token         string
	at            time.Time
	stamp         string        // at, as it is signed
	expires       time.Duration // of a presigned request
	presigned     bool
}

func (c *claim) scope() string {
	return c.day + "/" + c.region + "/" + c.service + "/" + c.terminator
}

func incomplete(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "IncompleteSignature", format, args...)
}

func mismatch(format string, args ...any) *Error {
	return refuse(http.StatusForbidden, "SignatureDoesNotMatch", format, args...)
}

var errBadSignature = mismatch(
	"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access " +
		"Key and signing method. Consult the service documentation for details.")

// readClaim parses the signature in the Authorization header, or else in the
// query.
func readClaim(r *http.Request, query url.Values) (*claim, error) {
	switch {
	case r.Header.Get("Authorization") != "":
		return headerClaim(r.Header)
	case query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature"):
		return queryClaim(query)
	}
	return nil, refuse(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
}

func headerClaim(h http.Header) (*claim, error) {
	algorithm, rest, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	if algorithm != sigAlgorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", algorithm)
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
	c := &claim{signature: fields["Signature"], token: h.Get("X-Amz-Security-Token")}
	c.signedHeaders = strings.Split(fields["SignedHeaders"], ";")
	if err := c.setCredential(fields["Credential"]); err != nil {
		return nil, err
	}
	return c, c.setTime(h.Get("X-Amz-Date"), h.Get("Date"))
}

func queryClaim(q url.Values) (*claim, error) {
	if q.Get("X-Amz-Algorithm") != sigAlgorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", q.Get("X-Amz-Algorithm"))
	}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(name) == "" {
			return nil, incomplete("AWS query-string parameters must include '%s'.", name)
		}
	}
	c := &claim{presigned: true, signature: q.Get("X-Amz-Signature"), token: q.Get("X-Amz-Security-Token")}
	c.signedHeaders = strings.Split(q.Get("X-Amz-SignedHeaders"), ";")
	c.expires = sigSkew
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

func (c *claim) setCredential(s string) error {
	parts := strings.Split(s, "/")
	if len(parts) != 5 || slices.Contains(parts, "") {
		return incomplete(
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", s)
	}
	c.keyID, c.day, c.region, c.service, c.terminator = parts[0], parts[1], parts[2], parts[3], parts[4]
	return nil
}

func (c *claim) setTime(amzDate, date string) error {
	var err error
	switch {
	case amzDate != "":
		c.at, err = time.Parse(sigTime, amzDate)
	case date != "":
		if c.at, err = time.Parse(sigTime, date); err != nil {
			c.at, err = http.ParseTime(date)
		}
	default:
		return incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if err != nil {
		return incomplete(
			"Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601",
			amzDate+date)
	}
	c.at = c.at.UTC()
	c.stamp = c.at.Format(sigTime)
	return nil
}

// checkScope compares the scope with the date of the request and the service.
func (c *claim) checkScope(service string) error {
	switch {
	case c.terminator != sigTerminator:
		return mismatch("Credential should be scoped with a valid terminator: '%s'", sigTerminator)
	case c.service != service:
		return mismatch("Credential should be scoped to correct service: '%s'.", service)
	case partitionOf(c.region) == "":
		return mismatch("Credential should be scoped to a valid region.")
	case c.day != c.stamp[:8]:
		return mismatch(
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != "+
				"'%s', from '%s'.", c.day, c.stamp[:8], c.stamp)
	}
	return nil
}

// checkTime refuses signatures that are too old, or from the future.
func (c *claim) checkTime(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	window := sigSkew
	if c.presigned {
		window = c.expires
	}
	oldest, newest := now.Add(-window), now.Add(sigSkew)
	if c.at.Before(oldest) {
		return mismatch("Signature expired: %s is now earlier than %s (%s - %s.)", c.stamp, oldest.Format(sigTime),
			now.Format(sigTime), minutes(window))
	}
	if c.at.After(newest) {
		return mismatch("Signature not yet current: %s is still later than %s (%s + %s.)", c.stamp,
			newest.Format(sigTime), now.Format(sigTime), minutes(sigSkew))
	}
	return nil
}

func minutes(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return strconv.Itoa(int(d/time.Second)) + " sec"
}

// signedForm has the parts of the canonical request that depend on the service.
type signedForm struct {
	paths   []string // the forms of the path that clients sign
	payload string   // the hash of the body, or the words that stand for it
}

// plainForm is the form of every service but S3. It hashes the body that was received,
// whatever hash the request declares.
func plainForm(r *http.Request, body []byte) signedForm {
	return signedForm{canonicalPaths(rawPath(r)), hexSHA256(body)}
}

func hexSHA256(b []byte) string {
	hash := sha256.Sum256(b)
	return hex.EncodeToString(hash[:])
}

// scopedService returns the service in the scope of a signature, or "" for a request
// that has no signature or one that is not well formed.
func scopedService(r *http.Request) string {
	c, err := readClaim(r, r.URL.Query())
	if err != nil {
		return ""
	}
	return c.service
}

// verify reports whether the signature is that of the request with the secret.
func (c *claim) verify(r *http.Request, form signedForm, secret string) error {
	if err := c.checkCoverage(r); err != nil {
		return err
	}
	for _, path := range form.paths {
		canonical, err := c.canonical(r, path, form.payload)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(c.signature), []byte(c.sign(canonical, secret))) == 1 {
			return nil
		}
	}
	return errBadSignature
}

// checkCoverage refuses signatures that do not cover all required headers.
func (c *claim) checkCoverage(r *http.Request) error {
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

func (c *claim) sign(canonical, secret string) string {
	return c.signText(secret, sigAlgorithm, hexSHA256([]byte(canonical)))
}

// signText signs lines after the time and scope of the claim.
func (c *claim) signText(secret, algorithm string, lines ...string) string {
	toSign := strings.Join(append([]string{algorithm, c.stamp, c.scope()}, lines...), "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{c.day, c.region, c.service, c.terminator} {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, toSign))
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (c *claim) canonical(r *http.Request, path, payload string) (string, error) {
	query, err := canonicalQuery(r.URL.RawQuery, c.presigned)
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
