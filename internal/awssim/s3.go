package awssim

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// S3: buckets and objects, with AWS's signatures, permissions and errors. It has no bucket
// policies, versions or multipart uploads, and does not verify checksums.

const (
	s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	maxObject   = 16 << 20
)

// bucket is a bucket of one account. Names are global.
type bucket struct {
	name, account, region string
	created               time.Time
	objects               map[string]*blob
}

// blob is an object. It is immutable: a write replaces it.
type blob struct {
	key      string
	data     []byte
	etag     string
	header   http.Header // what the writer said of it: type, encoding, metadata
	modified time.Time
}

// s3Call is one request. Its operation runs under the lock and leaves an answer, which is
// written after that.
type s3Call struct {
	*call
	bucket, key string
	payload     []byte
}

// s3Answer is a response: an XML document, an object, or nothing.
type s3Answer struct {
	status int
	header http.Header
	root   *node
	object *blob
}

// s3Operation is an operation and the action that it needs on its bucket or object. An
// operation without an action asks for its permissions itself.
type s3Operation struct {
	name, action string
	run          func(*s3Call) (s3Answer, error)
}

// s3Operations maps method, level and subresource to operations.
var s3Operations = sync.OnceValue(func() map[string]s3Operation {
	return map[string]s3Operation{
		"GET service":         {"ListBuckets", "s3:ListAllMyBuckets", listBuckets},
		"PUT bucket":          {"CreateBucket", "s3:CreateBucket", createBucket},
		"HEAD bucket":         {"HeadBucket", "s3:ListBucket", headBucket},
		"DELETE bucket":       {"DeleteBucket", "s3:DeleteBucket", deleteBucket},
		"GET bucket":          {"ListObjects", "s3:ListBucket", listObjects},
		"GET bucket location": {"GetBucketLocation", "s3:GetBucketLocation", getBucketLocation},
		"POST bucket delete":  {"DeleteObjects", "", deleteObjects},
		"GET object":          {"GetObject", "s3:GetObject", getObject},
		"HEAD object":         {"HeadObject", "s3:GetObject", getObject},
		"PUT object":          {"PutObject", "s3:PutObject", putObject},
		"PUT object copy":     {"CopyObject", "s3:PutObject", copyObject},
		"DELETE object":       {"DeleteObject", "s3:DeleteObject", deleteObject},
	}
})

func (c *call) serveS3(w http.ResponseWriter) {
	s := &s3Call{call: c}
	w.Header().Set("X-Amz-Request-Id", c.id)
	w.Header().Set("X-Amz-Id-2", newToken()[:60])
	answer, err := s.perform(w)
	if err != nil {
		s.writeError(w, err)
		return
	}
	s.write(w, answer)
}

func (c *s3Call) perform(w http.ResponseWriter) (s3Answer, error) {
	if err := c.readBody(w, maxObject); err != nil {
		return s3Answer{}, err
	}
	c.address()
	op, known := s3Operations()[c.route()]
	if known {
		c.begin(op.name)
	}
	if err := c.verify(); err != nil {
		return s3Answer{}, err
	}
	if !known {
		return s3Answer{}, refuse(http.StatusNotImplemented, "NotImplemented",
			"A header or query you provided implies functionality that is not implemented: %s", c.route())
	}
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	if op.action != "" {
		if err := c.permit(op.action, c.resource(c.key)); err != nil {
			return s3Answer{}, err
		}
	}
	return op.run(c)
}

// address takes bucket and key from the host (bucket.s3.region.amazonaws.com) or the path.
func (c *s3Call) address() {
	path := strings.TrimPrefix(c.http.URL.Path, "/")
	if name, _, virtual := strings.Cut(c.http.Host, ".s3."); virtual {
		c.bucket, c.key = name, path
		return
	}
	c.bucket, c.key, _ = strings.Cut(path, "/")
}

// s3Plain are query parameters that refine an operation, rather than select another.
var s3Plain = []string{"list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "marker",
	"encoding-type", "fetch-owner", "x-id", "max-buckets", "bucket-region"}

// route names the operation: method, level and subresource.
func (c *s3Call) route() string {
	level := "object"
	switch {
	case c.bucket == "":
		level = "service"
	case c.key == "":
		level = "bucket"
	}
	route := c.http.Method + " " + level
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		if !slices.Contains(s3Plain, name) && !strings.HasPrefix(name, "X-Amz-") {
			return route + " " + name
		}
	}
	if c.http.Header.Get("X-Amz-Copy-Source") != "" {
		return route + " copy"
	}
	return route
}

// verify identifies the caller and decodes the body.
func (c *s3Call) verify() error {
	form, err := sigv4.S3(c.http)
	if err != nil {
		return ofSignature(err)
	}
	c.signed = form
	if err := c.authenticate("s3"); err != nil {
		return err
	}
	c.payload, err = c.decode()
	return err
}

func (c *s3Call) resource(key string) string {
	switch {
	case c.bucket == "":
		return "*"
	case key == "":
		return "arn:" + c.caller.partition + ":s3:::" + c.bucket
	}
	return "arn:" + c.caller.partition + ":s3:::" + c.bucket + "/" + key
}

// permit evaluates the caller's policies. Nobody reaches buckets of other accounts, because
// they have no bucket policies.
func (c *s3Call) permit(action, resource string) error {
	known := c.facts()
	known.set("s3:prefix", c.query.Get("prefix"))
	known.set("s3:delimiter", c.query.Get("delimiter"))
	v := evaluateIdentity(ask(c.caller, action, resource, known))
	if b := c.aws.buckets[c.bucket]; v.allowed && b != nil && b.account != c.caller.account {
		v = verdict{reason: " because no resource-based policy allows the " + action + " action"}
	}
	if v.allowed {
		return nil
	}
	on := ""
	if resource != "*" {
		on = " on resource: \"" + resource + "\""
	}
	return denied("%s", v.sentence(c.caller, action, on))
}

// existing returns the bucket of the request.
func (c *s3Call) existing() (*bucket, error) {
	if b := c.aws.buckets[c.bucket]; b != nil {
		return b, nil
	}
	return nil, refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
}

func listBuckets(c *s3Call) (s3Answer, error) {
	list := group("Buckets")
	for _, name := range slices.Sorted(maps.Keys(c.aws.buckets)) {
		if b := c.aws.buckets[name]; b.account == c.caller.account {
			list.kids = append(list.kids, group("Bucket", leaf("Name", name), instant("CreationDate", b.created)))
		}
	}
	owner := group("Owner", leaf("ID", sigv4.Hash([]byte(c.caller.account))))
	return document(group("ListAllMyBucketsResult", owner, list)), nil
}

var bucketName = matching(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func createBucket(c *s3Call) (s3Answer, error) {
	switch old := c.aws.buckets[c.bucket]; {
	case !bucketName(c.bucket):
		return s3Answer{}, refuse(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.")
	case old != nil && old.account == c.caller.account:
		return s3Answer{}, refuse(http.StatusConflict, "BucketAlreadyOwnedByYou",
			"Your previous request to create the named bucket succeeded and you already own it.")
	case old != nil:
		return s3Answer{}, refuse(http.StatusConflict, "BucketAlreadyExists",
			"The requested bucket name is not available.")
	}
	c.aws.buckets[c.bucket] = &bucket{name: c.bucket, account: c.caller.account, region: c.region, created: c.now,
		objects: map[string]*blob{}}
	return s3Answer{status: http.StatusOK, header: http.Header{"Location": {"/" + c.bucket}}}, nil
}

func headBucket(c *s3Call) (s3Answer, error) {
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	return s3Answer{status: http.StatusOK, header: http.Header{"X-Amz-Bucket-Region": {b.region}}}, nil
}

func deleteBucket(c *s3Call) (s3Answer, error) {
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	if len(b.objects) > 0 {
		return s3Answer{}, refuse(http.StatusConflict, "BucketNotEmpty",
			"The bucket you tried to delete is not empty")
	}
	delete(c.aws.buckets, c.bucket)
	return s3Answer{status: http.StatusNoContent}, nil
}

func getBucketLocation(c *s3Call) (s3Answer, error) {
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	region := b.region
	if region == "us-east-1" {
		region = ""
	}
	return document(leaf("LocationConstraint", region)), nil
}

// listObjects serves both versions of the operation.
func listObjects(c *s3Call) (s3Answer, error) {
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	most := 1000
	if n, err := strconv.Atoi(c.query.Get("max-keys")); err == nil && n >= 0 {
		most = min(n, most)
	}
	list := group("ListBucketResult", leaf("Name", b.name), leaf("Prefix", c.encoded(c.query.Get("prefix"))),
		number("MaxKeys", most))
	for _, name := range []string{"delimiter", "encoding-type"} {
		if c.query.Has(name) {
			list.kids = append(list.kids, leaf(map[string]string{"delimiter": "Delimiter",
				"encoding-type": "EncodingType"}[name], c.query.Get(name)))
		}
	}
	page := b.page(c.query.Get("prefix"), c.query.Get("delimiter"), c.after(), most)
	list.kids = append(list.kids, number("KeyCount", len(page.objects)+len(page.prefixes)),
		boolean("IsTruncated", page.more))
	if page.more {
		list.kids = append(list.kids, c.next(page.last)...)
	}
	for _, o := range page.objects {
		list.kids = append(list.kids, group("Contents", leaf("Key", c.encoded(o.key)),
			instant("LastModified", o.modified),
			leaf("ETag", o.etag), number("Size", len(o.data)), leaf("StorageClass", "STANDARD")))
	}
	for _, p := range page.prefixes {
		list.kids = append(list.kids, group("CommonPrefixes", leaf("Prefix", c.encoded(p))))
	}
	return document(list), nil
}

// encoded applies encoding-type=url, which SDKs use because XML cannot hold every key.
func (c *s3Call) encoded(key string) string {
	if c.query.Get("encoding-type") == "url" {
		return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
	}
	return key
}

// after returns the key or prefix after which the list begins.
func (c *s3Call) after() string {
	if token, err := base64.URLEncoding.DecodeString(c.query.Get("continuation-token")); err == nil && len(token) > 0 {
		return string(token)
	}
	return cmp.Or(c.query.Get("start-after"), c.query.Get("marker"))
}

func (c *s3Call) next(last string) []node {
	if c.query.Get("list-type") == "2" {
		return []node{leaf("NextContinuationToken", base64.URLEncoding.EncodeToString([]byte(last)))}
	}
	return []node{leaf("NextMarker", c.encoded(last))}
}

// listing is one page of a bucket.
type listing struct {
	objects  []*blob
	prefixes []string
	last     string
	more     bool
}

// page lists what begins with prefix and comes after a key or prefix. Keys with the same
// text up to the delimiter after the prefix make one common prefix.
func (b *bucket) page(prefix, delimiter, after string, most int) (l listing) {
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		entry, common := key, false
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			entry, common = prefix+rest[:i+len(delimiter)], true
		}
		if entry <= after || common && entry == l.last {
			continue
		}
		if len(l.objects)+len(l.prefixes) == most {
			l.more = true
			return l
		}
		l.last = entry
		if common {
			l.prefixes = append(l.prefixes, entry)
		} else {
			l.objects = append(l.objects, b.objects[key])
		}
	}
	return l
}

// getObject answers as AWS does for a key that is missing: only callers that may list the
// bucket learn it.
func getObject(c *s3Call) (s3Answer, error) {
	o, err := c.find(c.key)
	return s3Answer{status: http.StatusOK, object: o}, err
}

func (c *s3Call) find(key string) (*blob, error) {
	b, err := c.existing()
	if err != nil {
		return nil, err
	}
	if o := b.objects[key]; o != nil {
		return o, nil
	}
	if err := c.permit("s3:ListBucket", c.resource("")); err != nil {
		return nil, err
	}
	return nil, refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
}

func putObject(c *s3Call) (s3Answer, error) {
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	o := &blob{key: c.key, data: c.payload, etag: etagOf(c.payload), header: described(c.http.Header), modified: c.now}
	b.objects[c.key] = o
	return s3Answer{status: http.StatusOK, header: http.Header{"Etag": {o.etag}}}, nil
}

func etagOf(data []byte) string {
	sum := md5.Sum(data)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// described keeps the headers that describe an object.
func described(h http.Header) http.Header {
	kept := http.Header{}
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Meta-") || name == "Content-Type" || name == "Cache-Control" ||
			name == "Content-Disposition" {
			kept[name] = values
		}
	}
	if kept.Get("Content-Type") == "" {
		kept.Set("Content-Type", "binary/octet-stream")
	}
	return kept
}

func copyObject(c *s3Call) (s3Answer, error) {
	source, err := url.PathUnescape(strings.TrimPrefix(c.http.Header.Get("X-Amz-Copy-Source"), "/"))
	name, key, ok := strings.Cut(source, "/")
	if err != nil || !ok || key == "" {
		return s3Answer{}, refuse(http.StatusBadRequest, "InvalidArgument",
			"Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	from := &s3Call{call: c.call, bucket: name, key: key}
	if err := from.permit("s3:GetObject", from.resource(key)); err != nil {
		return s3Answer{}, err
	}
	o, err := from.find(key)
	if err != nil {
		return s3Answer{}, err
	}
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	b.objects[c.key] = &blob{key: c.key, data: o.data, etag: o.etag, header: o.header, modified: c.now}
	return document(group("CopyObjectResult", leaf("ETag", o.etag), instant("LastModified", c.now))), nil
}

// deleteObject succeeds for keys that are missing.
func deleteObject(c *s3Call) (s3Answer, error) {
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	delete(b.objects, c.key)
	return s3Answer{status: http.StatusNoContent}, nil
}

// deleteObjects asks for permission for each key, and reports each on its own.
func deleteObjects(c *s3Call) (s3Answer, error) {
	var wanted struct {
		Quiet  bool
		Object []struct{ Key string }
	}
	if err := xml.Unmarshal(c.payload, &wanted); err != nil || len(wanted.Object) == 0 || len(wanted.Object) > 1000 {
		return s3Answer{}, refuse(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or "+
			"did not validate against our published schema")
	}
	b, err := c.existing()
	if err != nil {
		return s3Answer{}, err
	}
	result := group("DeleteResult")
	for _, o := range wanted.Object {
		if err := c.permit("s3:DeleteObject", c.resource(o.Key)); err != nil {
			e := asError(err)
			result.kids = append(result.kids, group("Error", leaf("Key", o.Key), leaf("Code", e.Code),
				leaf("Message", e.Message)))
			continue
		}
		delete(b.objects, o.Key)
		if !wanted.Quiet {
			result.kids = append(result.kids, group("Deleted", leaf("Key", o.Key)))
		}
	}
	return document(result), nil
}

func document(root node) s3Answer { return s3Answer{status: http.StatusOK, root: &root} }

func (c *s3Call) write(w http.ResponseWriter, a s3Answer) {
	maps.Copy(w.Header(), a.header)
	switch {
	case a.object != nil:
		maps.Copy(w.Header(), a.object.header)
		w.Header().Set("Etag", a.object.etag)
		http.ServeContent(w, c.http, "", a.object.modified, bytes.NewReader(a.object.data))
	case a.root != nil:
		writeXML(w, a.status, s3Namespace, *a.root)
	default:
		w.WriteHeader(a.status)
	}
}

// writeError writes S3's form of an error. A response to HEAD has no body.
func (c *s3Call) writeError(w http.ResponseWriter, err error) {
	e := s3Error(asError(err))
	if c.http.Method == http.MethodHead {
		w.WriteHeader(e.Status)
		return
	}
	writeXML(w, e.Status, "", group("Error", leaf("Code", e.Code), leaf("Message", e.Message),
		leaf("RequestId", c.id)))
}

// s3Error renames the errors of authentication as S3 does.
func s3Error(e *Error) *Error {
	switch e.Code {
	case "InvalidClientTokenId":
		return refuse(http.StatusForbidden, "InvalidAccessKeyId",
			"The AWS Access Key Id you provided does not exist in our records.")
	case "ExpiredToken":
		return refuse(http.StatusBadRequest, "ExpiredToken", "The provided token has expired.")
	}
	return e
}
