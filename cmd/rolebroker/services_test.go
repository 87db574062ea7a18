package main

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/internal/testbed"
)

// services are an S3, an ECR and an STS for the clients of a test, at one URL. They
// write down which role signed each request, and for which service and region. Objects
// are in memory, in buckets that need not be created. The URL is also an HTTP proxy, for
// clients that insist on the hosts of AWS or ask the instance metadata service.
type services struct {
	URL string
	tb  *testbed.Testbed

	mu      sync.Mutex
	seen    []string          // "s3 Deployer eu-west-1", in order, each once
	objects map[string]object // by path, /bucket/key
}

type object struct {
	body     []byte
	modified time.Time
	meta     http.Header
}

func newServices(t *testing.T, tb *testbed.Testbed) *services {
	s := &services{tb: tb, objects: map[string]object{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// signers are the services, roles and regions of the requests since the last call.
func (s *services) signers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// scopePattern matches the credential of a signature: access key, region and service.
var scopePattern = regexp.MustCompile(`Credential=(\w+)/\d{8}/([\w-]+)/([\w-]+)/aws4_request`)

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host == "169.254.169.254" {
		s.see("instance metadata")
		http.NotFound(w, r)
		return
	}
	signature := r.Header.Get("Authorization")
	if signature == "" {
		signature = "Credential=" + r.URL.Query().Get("X-Amz-Credential")
	}
	scope := scopePattern.FindStringSubmatch(signature)
	if scope == nil {
		http.Error(w, "<Error><Code>AccessDenied</Code><Message>not signed</Message></Error>", http.StatusForbidden)
		return
	}
	role := s.role(scope[1])
	s.see(scope[3] + " " + role + " " + scope[2])
	switch {
	case role == "":
		http.Error(w, "<Error><Code>InvalidAccessKeyId</Code><Message>unknown key</Message></Error>",
			http.StatusForbidden)
	case scope[3] == "sts":
		s.tb.AWS.ServeHTTP(w, r)
	case scope[3] == "ecr":
		ecr(w)
	default:
		s.s3(w, r)
	}
}

func (s *services) see(entry string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.seen, entry) {
		s.seen = append(s.seen, entry)
	}
}

// role is the name of the role to which an access key was lent; empty if it is unknown.
func (s *services) role(accessKey string) string {
	for _, call := range s.tb.AWS.Assumed() {
		if call.AccessKeyID == accessKey {
			return call.RoleARN[strings.LastIndex(call.RoleARN, "/")+1:]
		}
	}
	return ""
}

// ecr answers GetAuthorizationToken.
func ecr(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(map[string]any{"authorizationData": []map[string]any{{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:password-of-the-registry")),
		"expiresAt":          time.Now().Add(12 * time.Hour).Unix(),
		"proxyEndpoint":      "https://" + registry,
	}}})
}

// registry is the container registry in the docs.
const registry = "444455556666.dkr.ecr.eu-west-1.amazonaws.com"

func (s *services) s3(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body, err = unchunked(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if bucket, _, ok := strings.Cut(r.Host, ".s3."); ok {
		r.URL.Path = "/" + bucket + r.URL.Path
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case key != "":
		s.object(w, r, body)
	case query.Has("location"):
		answer(w, struct {
			XMLName xml.Name `xml:"LocationConstraint"`
		}{})
	case query.Has("delete"):
		s.deleteObjects(w, bucket, body)
	case r.Method == http.MethodGet && bucket != "":
		s.list(w, bucket, query)
	}
}

func (s *services) object(w http.ResponseWriter, r *http.Request, body []byte) {
	o, exists := s.objects[r.URL.Path]
	switch {
	case r.Method == http.MethodPut:
		s.put(w, r, body)
	case r.Method == http.MethodDelete:
		delete(s.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case exists:
		for name, values := range o.meta {
			w.Header()[name] = values
		}
		w.Header().Set("ETag", o.etag())
		http.ServeContent(w, r, "", o.modified, bytes.NewReader(o.body))
	default:
		w.WriteHeader(http.StatusNotFound)
		if r.Method == http.MethodGet {
			io.WriteString(w, "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>")
		}
	}
}

// put stores an object, or copies one.
func (s *services) put(w http.ResponseWriter, r *http.Request, body []byte) {
	source, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	if err == nil && source != "" {
		body = s.objects["/"+strings.TrimPrefix(source, "/")].body
	}
	o := object{body: body, modified: time.Now(), meta: http.Header{}}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") || name == "Content-Type" {
			o.meta[name] = values
		}
	}
	s.objects[r.URL.Path] = o
	w.Header().Set("ETag", o.etag())
	if source != "" {
		answer(w, struct {
			XMLName xml.Name `xml:"CopyObjectResult"`
			ETag    string
		}{ETag: o.etag()})
	}
}

func (o object) etag() string { return fmt.Sprintf(`"%x"`, md5.Sum(o.body)) }

func (s *services) deleteObjects(w http.ResponseWriter, bucket string, body []byte) {
	for _, key := range regexp.MustCompile(`<Key>([^<]*)</Key>`).FindAllStringSubmatch(string(body), -1) {
		delete(s.objects, "/"+bucket+"/"+key[1])
	}
	answer(w, struct {
		XMLName xml.Name `xml:"DeleteResult"`
	}{})
}

// listing is the result of ListObjects, in both versions.
type listing struct {
	XMLName                 xml.Name `xml:"ListBucketResult"`
	Name, Prefix, Delimiter string
	MaxKeys, KeyCount       int
	IsTruncated             bool
	Contents                []listed
	CommonPrefixes          []commonPrefix
}

type listed struct {
	Key, LastModified, ETag, StorageClass string
	Size                                  int
}

type commonPrefix struct{ Prefix string }

func (s *services) list(w http.ResponseWriter, bucket string, query url.Values) {
	l := listing{Name: bucket, Prefix: query.Get("prefix"), Delimiter: query.Get("delimiter"), MaxKeys: 1000}
	var paths []string
	for path := range s.objects {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		rest, ok := strings.CutPrefix(path, "/"+bucket+"/"+l.Prefix)
		if !ok {
			continue
		}
		if folder, _, deeper := strings.Cut(rest, l.Delimiter); l.Delimiter != "" && deeper {
			if p := (commonPrefix{l.Prefix + folder + l.Delimiter}); !slices.Contains(l.CommonPrefixes, p) {
				l.CommonPrefixes = append(l.CommonPrefixes, p)
			}
			continue
		}
		o := s.objects[path]
		l.Contents = append(l.Contents, listed{Key: strings.TrimPrefix(path, "/"+bucket+"/"), ETag: o.etag(),
			LastModified: o.modified.UTC().Format("2006-01-02T15:04:05.000Z"), Size: len(o.body),
			StorageClass: "STANDARD"})
	}
	l.KeyCount = len(l.Contents)
	answer(w, l)
}

func answer(w http.ResponseWriter, result any) {
	w.Header().Set("Content-Type", "application/xml")
	io.WriteString(w, xml.Header)
	xml.NewEncoder(w).Encode(result)
}

// unchunked is the body of an upload in signed chunks: a length in hexadecimal, a
// signature, and the bytes of each.
func unchunked(body []byte) (whole []byte, err error) {
	for r := bufio.NewReader(bytes.NewReader(body)); ; {
		head, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		length, _, _ := strings.Cut(strings.TrimSpace(head), ";")
		n, err := strconv.ParseInt(length, 16, 32)
		if err != nil || n == 0 {
			return whole, err
		}
		chunk := make([]byte, n+2) // it ends with a line break
		if _, err := io.ReadFull(r, chunk); err != nil {
			return nil, err
		}
		whole = append(whole, chunk[:n]...)
	}
}
