package action

import (
	"net/url"
	"slices"
	"strings"
)

// s3Place is what of S3 a request is about.
type s3Place struct {
	bucket, key string
	arn         string // of the access point, if it goes to one; its objects are below it
	prefix      string // of the IAM actions, if it is not s3
	express     bool   // a directory bucket, of which the actions are those of s3express
	version     bool   // a version of the object
	source      string // the ARN of the object that is copied
	sourceOld   bool   // and it is a version of it
	dots        bool   // the key has . or .. as a segment: proxies on the way could read another one
}

// findS3 is the operation of a request that is signed as S3's are: what S3 decides by method, bucket, key, and the
// query parameters that it calls subresources. Of them there must be one at most, and none that is not known.
func (r *Request) findS3(services []*service) (*operation, where, error) {
	control, err := r.isS3Control(services)
	if err != nil {
		return nil, where{}, err
	}
	if control != nil {
		return r.findREST([]*service{control})
	}
	if outposts := filter(services, func(s *service) bool { return s.name == "s3outposts" }); len(outposts) > 0 {
		if stem, _ := awsHost(r.Host); stem == "s3-outposts" && strings.HasPrefix(r.Path, "/S3Outposts/") {
			return r.findREST(outposts)
		}
	}
	s := services[slices.IndexFunc(services, func(s *service) bool { return s.s3 })]
	if r.Method == "POST" && r.Path == "/WriteGetObjectResponse" && r.Service == "s3-object-lambda" {
		return s.byID["WriteGetObjectResponse"], where{}, nil
	}
	place, why := r.s3Place()
	if why != "" {
		return nil, where{why: why}, nil
	}
	sub, why, err := r.subresource(s)
	if err != nil || why != "" {
		return nil, where{why: why}, err
	}
	name := r.s3Operation(place, sub)
	op := s.byID[name]
	if op == nil {
		return nil, where{why: "S3 has no operation that is known for this method and query"}, nil
	}
	if why := r.copied(name, place); why != "" {
		return nil, where{why: why}, nil
	}
	return op, where{s3: place}, nil
}

// isS3Control is the service s3control if the request goes to it: by the model, the host, or if nothing else is left.
func (r *Request) isS3Control(services []*service) (*service, error) {
	i := slices.IndexFunc(services, func(s *service) bool { return s.s3control })
	if i < 0 {
		return nil, nil
	}
	if len(services) == 1 {
		return services[i], nil
	}
	stem, ok := awsHost(r.Host)
	if !ok {
		if strings.HasPrefix(r.Path, "/v20180820/") {
			return nil, ambiguous("the path is one of S3 Control, and could be one of a bucket with the name v20180820")
		}
		return nil, nil
	}
	if stem == "s3-control" || strings.HasSuffix(stem, ".s3-control") {
		return services[i], nil
	}
	outposts := stem == "s3-outposts" || stem == "s3express-control"
	if outposts && strings.HasPrefix(r.Path, "/v20180820/") {
		return services[i], nil
	}
	return nil, nil
}

// s3Place reads host and path.
func (r *Request) s3Place() (*s3Place, string) {
	p := &s3Place{}
	path := strings.TrimPrefix(r.Path, "/")
	if r.Host == "" {
		return p, p.pathStyle(path)
	}
	stem, ok := awsHost(r.Host)
	if !ok {
		return nil, "the host is not one of AWS"
	}
	before, label, _ := cutLast(stem)
	if strings.HasPrefix(label, "s3-") && isRegion(label[3:]) {
		label = "s3" // the old form s3-eu-west-1
	}
	switch label {
	case "s3", "s3-accelerate", "s3-external-1", "s3express-control":
		p.express = label == "s3express-control"
		if strings.Contains(strings.ToLower(r.Host), ".vpce.") { // else vpce-1a is the name of a bucket
			if before, ok = withoutEndpoint(before); !ok {
				return nil, "the host is a VPC endpoint for something other than buckets"
			}
		}
		if before == "" {
			return p, p.pathStyle(path)
		}
		p.bucket = before
	case "s3-accesspoint", "s3-object-lambda":
		name, account, ok := cutAccount(before)
		if !ok {
			return nil, "the host is not that of an access point"
		}
		if label == "s3-object-lambda" {
			p.prefix = label
		}
		p.bucket = before
		p.arn = r.arnStart() + strings.TrimSuffix(label, "-accesspoint") + ":" + r.Region + ":" + account +
			":accesspoint/" + name
	case "s3-global":
		alias, ok := strings.CutSuffix(before, ".accesspoint")
		if !ok {
			return nil, "the host is not that of an access point"
		}
		p.bucket = alias
		p.arn = r.arnStart() + "s3::" + r.Account + ":accesspoint/" + alias
	case "s3-outposts":
		access, outpost, ok := cutLast(before)
		name, account, ok2 := cutAccount(access)
		if !ok || !ok2 {
			return nil, "the host is not that of an access point"
		}
		p.prefix, p.bucket = label, before
		p.arn = r.arnStart() + "s3-outposts:" + r.Region + ":" + account + ":outpost/" + outpost + "/accesspoint/" + name
	default:
		if !strings.HasPrefix(label, "s3express-") || before == "" {
			return nil, "the host is not one of S3"
		}
		p.express, p.bucket = true, before
	}
	return p, p.setKey(path)
}

// withoutEndpoint is the bucket before the label of a VPC endpoint, where the label bucket stands for path style. Not ok:
// the label stands for access points or S3 Control.
//
// Source: AWS PrivateLink for Amazon S3, "Accessing buckets, S3 access points, and Amazon S3 Control API operations".
func withoutEndpoint(before string) (bucket string, ok bool) {
	before, endpoint, _ := cutLast(before)
	if !strings.HasPrefix(endpoint, "vpce-") {
		return "", false
	}
	if before == "" || before == "bucket" {
		return "", true
	}
	return strings.CutSuffix(before, ".bucket")
}

// cutAccount cuts name-111122223333.
func cutAccount(s string) (name, account string, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 || len(s)-i != 13 || strings.Contains(s, ".") {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// pathStyle reads a path that begins with the bucket.
func (p *s3Place) pathStyle(path string) string {
	if path == "" {
		return ""
	}
	bucket, key, _ := strings.Cut(path, "/")
	if bucket, why := decodeOnce(bucket); why != "" {
		return why
	} else if p.bucket = bucket; !isBucket(bucket) {
		return "the path does not begin with the name of a bucket"
	}
	p.express = p.express || strings.HasSuffix(p.bucket, "--x-s3")
	return p.setKey(key)
}

func (p *s3Place) setKey(path string) (why string) {
	p.key, why = decodeOnce(path)
	for seg := range strings.SplitSeq(p.key, "/") {
		p.dots = p.dots || seg == "." || seg == ".."
	}
	return why
}

func decodeOnce(s string) (string, string) {
	if strings.IndexByte(s, '%') < 0 {
		return s, ""
	}
	d, err := url.PathUnescape(s)
	if err != nil {
		return "", "the path cannot be decoded"
	}
	return d, ""
}

func isBucket(name string) bool {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return len(name) >= 3 && name[0] != '.'
}

// isSigning says whether a query parameter has no effect on what the request does: it is a part of a presigned URL's
// signature, names the operation for logs, or is about checksums, encryption or metadata. S3 takes other x-amz-
// parameters as if they were headers, and x-amz-acl there would be an ACL.
func isSigning(name string) bool {
	name = strings.ToLower(name)
	if name == "x-id" {
		return true
	}
	rest, ok := strings.CutPrefix(name, "x-amz-")
	return ok && (harmless[rest] || strings.HasPrefix(rest, "checksum-") || strings.HasPrefix(rest, "meta-") ||
		strings.HasPrefix(rest, "server-side-encryption"))
}

var harmless = set(strings.Fields(`algorithm credential date expires signedheaders signature security-token
	content-sha256 user-agent request-payer expected-bucket-owner sdk-checksum-algorithm storage-class s3session-token`))

// subresource is the query parameter that tells operations apart; empty if there is none. The query must not have two
// of them, nor any that the models do not know: it could be one of a new operation.
func (r *Request) subresource(s *service) (sub, why string, err error) {
	seen := map[string]bool{}
	for query := r.Query; query != ""; {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, _, _ := strings.Cut(pair, "=")
		if d, err := url.QueryUnescape(name); err != nil || strings.ContainsRune(pair, ';') {
			return "", "", ambiguous("a query parameter cannot be read")
		} else {
			name = d
		}
		if isSigning(name) {
			continue
		}
		if seen[name] {
			return "", "", ambiguous("the query parameter %s is there twice", name)
		}
		seen[name] = true
		switch {
		case s.literals[name] && name != "list-type" && name != "select-type":
			if sub != "" {
				return "", "", ambiguous("the query has %s and %s", sub, name)
			}
			sub = name
		case !s.literals[name] && !s.queryNames[name]:
			return "", "the query parameter " + name + " is not known", nil
		}
	}
	if sub != "" && (seen["uploadId"] || seen["partNumber"] || seen["list-type"]) {
		return "", "", ambiguous("the query has %s and what belongs to another operation", sub)
	}
	if seen["uploadId"] {
		return "uploadId", "", nil
	}
	return sub, "", nil
}

// s3Names are operations by method, by what they are about, and by subresource.
var s3Names = map[string]string{
	"GET service ": "ListBuckets",

	"HEAD bucket ": "HeadBucket", "PUT bucket ": "CreateBucket", "DELETE bucket ": "DeleteBucket",
	"POST bucket delete": "DeleteObjects", "GET bucket session": "CreateSession",
	"GET bucket uploads":  "ListMultipartUploads",
	"GET bucket versions": "ListObjectVersions", "GET bucket policyStatus": "GetBucketPolicyStatus",
	"GET bucket location":               "GetBucketLocation",
	"POST bucket metadataTable":         "CreateBucketMetadataTableConfiguration",
	"POST bucket metadataConfiguration": "CreateBucketMetadataConfiguration",
	"PUT bucket metadataInventoryTable": "UpdateBucketMetadataInventoryTableConfiguration",
	"PUT bucket metadataJournalTable":   "UpdateBucketMetadataJournalTableConfiguration",

	"GET object ": "GetObject", "HEAD object ": "HeadObject", "PUT object ": "PutObject", "DELETE object ": "DeleteObject",
	"GET object uploadId": "ListParts", "PUT object uploadId": "UploadPart",
	"POST object uploadId": "CompleteMultipartUpload", "DELETE object uploadId": "AbortMultipartUpload",
	"POST object uploads": "CreateMultipartUpload", "POST object restore": "RestoreObject",
	"POST object select": "SelectObjectContent", "GET object attributes": "GetObjectAttributes",
	"GET object torrent": "GetObjectTorrent", "PUT object renameObject": "RenameObject",
	"PUT object encryption": "UpdateObjectEncryption",
}

// s3Subresources are the names, in operations that get, put and delete them, of the subresources of buckets and
// objects.
var s3Subresources = map[string]string{
	"bucket abac": "BucketAbac", "bucket accelerate": "BucketAccelerateConfiguration", "bucket acl": "BucketAcl",
	"bucket cors": "BucketCors", "bucket encryption": "BucketEncryption", "bucket logging": "BucketLogging",
	"bucket metadataConfiguration": "BucketMetadataConfiguration",
	"bucket metadataTable":         "BucketMetadataTableConfiguration",
	"bucket notification":          "BucketNotificationConfiguration", "bucket object-lock": "ObjectLockConfiguration",
	"bucket ownershipControls": "BucketOwnershipControls", "bucket policy": "BucketPolicy",
	"bucket publicAccessBlock": "PublicAccessBlock", "bucket replication": "BucketReplication",
	"bucket requestPayment": "BucketRequestPayment", "bucket tagging": "BucketTagging",
	"bucket versioning": "BucketVersioning", "bucket website": "BucketWebsite",
	"bucket analytics": "BucketAnalyticsConfiguration", "bucket inventory": "BucketInventoryConfiguration",
	"bucket metrics":             "BucketMetricsConfiguration",
	"bucket intelligent-tiering": "BucketIntelligentTieringConfiguration",
	"object acl":                 "ObjectAcl", "object tagging": "ObjectTagging", "object legal-hold": "ObjectLegalHold",
	"object retention": "ObjectRetention",
}

var verbs = map[string]string{"GET": "Get", "PUT": "Put", "DELETE": "Delete"}

// s3Operation is the name of the operation; empty if there is none.
func (r *Request) s3Operation(p *s3Place, sub string) string {
	kind := "object"
	switch {
	case sub == "session" && r.Method == "GET":
		return "CreateSession" // some SDKs send it with the key /
	case p.bucket == "":
		kind = "service"
	case p.key == "":
		kind = "bucket"
	}
	switch key := r.Method + " " + kind + " " + sub; key {
	case "GET service ":
		if r.Service == "s3express" {
			return "ListDirectoryBuckets"
		}
	case "GET bucket ":
		return r.listObjects()
	case "PUT object ":
		return r.either("X-Amz-Copy-Source", "CopyObject", "PutObject")
	case "PUT object uploadId":
		return r.either("X-Amz-Copy-Source", "UploadPartCopy", "UploadPart")
	case "GET bucket analytics", "GET bucket inventory", "GET bucket metrics", "GET bucket intelligent-tiering":
		if _, n, _ := param(r.Query, "id"); n == 0 {
			return "List" + s3Subresources["bucket "+sub] + "s"
		}
	}
	if name := s3Names[r.Method+" "+kind+" "+sub]; name != "" {
		return name
	}
	if noun := s3Subresources[kind+" "+sub]; noun != "" && verbs[r.Method] != "" {
		if r.Method == "DELETE" && sub == "lifecycle" {
			return "DeleteBucketLifecycle"
		}
		return verbs[r.Method] + noun
	}
	if kind == "bucket" && sub == "lifecycle" {
		return map[string]string{"GET": "GetBucketLifecycleConfiguration", "PUT": "PutBucketLifecycleConfiguration",
			"DELETE": "DeleteBucketLifecycle"}[r.Method]
	}
	return ""
}

func (r *Request) either(header, with, without string) string {
	if len(r.Header[header]) > 0 {
		return with
	}
	return without
}

func (r *Request) listObjects() string {
	switch value, n, _ := param(r.Query, "list-type"); {
	case n == 0:
		return "ListObjects"
	case value == "2":
		return "ListObjectsV2"
	}
	return ""
}

// copied reads which object is copied.
func (r *Request) copied(name string, p *s3Place) (why string) {
	_, n, _ := param(r.Query, "versionId")
	p.version = n > 0
	sources := r.Header["X-Amz-Copy-Source"]
	if name != "CopyObject" && name != "UploadPartCopy" {
		if len(sources) > 0 {
			return "a header names an object to copy, and the operation is " + name
		}
		return ""
	}
	if len(sources) > 1 {
		return "two headers name an object to copy"
	}
	source, version, old := strings.Cut(sources[0], "?")
	if old && !strings.HasPrefix(version, "versionId=") {
		return "the object to copy cannot be read"
	}
	p.sourceOld = old
	source, why = decodeOnce(strings.TrimPrefix(source, "/"))
	if strings.HasPrefix(source, "arn:") {
		p.source = escape(source)
		return why
	}
	bucket, key, ok := strings.Cut(source, "/")
	if !ok || !isBucket(bucket) || key == "" {
		return "the object to copy cannot be read"
	}
	p.source = r.arnStart() + "s3:::" + bucket + "/" + escape(key)
	return why
}

// ofVersion are the actions on a version of an object.
var ofVersion = map[string]string{
	"s3:GetObject": "s3:GetObjectVersion", "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
	"s3:GetObjectTagging": "s3:GetObjectVersionTagging", "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
	"s3:GetObjectTorrent": "s3:GetObjectVersionTorrent", "s3:DeleteObject": "s3:DeleteObjectVersion",
	"s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging", "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
	"s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}

// withHeader are the actions that a header asks for in addition, by its beginning.
//
// Source: Amazon S3 API Reference, PutObject, CopyObject, CreateMultipartUpload, CreateBucket and DeleteObject.
var withHeader = []struct{ operations, header, action string }{
	{"PutObject CopyObject CreateMultipartUpload", "X-Amz-Acl", "s3:PutObjectAcl"},
	{"PutObject CopyObject CreateMultipartUpload", "X-Amz-Grant-", "s3:PutObjectAcl"},
	{"PutObject CopyObject CreateMultipartUpload", "X-Amz-Tagging", "s3:PutObjectTagging"},
	{"PutObject CopyObject CreateMultipartUpload", "X-Amz-Object-Lock-Mode", "s3:PutObjectRetention"},
	{"PutObject CopyObject CreateMultipartUpload", "X-Amz-Object-Lock-Retain-", "s3:PutObjectRetention"},
	{"PutObject CopyObject CreateMultipartUpload", "X-Amz-Object-Lock-Legal-", "s3:PutObjectLegalHold"},
	{"CreateBucket", "X-Amz-Acl", "s3:PutBucketAcl"},
	{"CreateBucket", "X-Amz-Grant-", "s3:PutBucketAcl"},
	{"CreateBucket", "X-Amz-Object-Ownership", "s3:PutBucketOwnershipControls"},
	{"CreateBucket", "X-Amz-Bucket-Object-Lock-", "s3:PutBucketObjectLockConfiguration"},
	{"CreateBucket", "X-Amz-Bucket-Object-Lock-", "s3:PutBucketVersioning"},
	{"DeleteObject DeleteObjects PutObjectRetention", "X-Amz-Bypass-Governance-", "s3:BypassGovernanceRetention"},
}

// s3Call describes an operation of S3.
func (r *Request) s3Call(c Call, p *s3Place) (Call, error) {
	if p == nil {
		return c, nil
	}
	c.Actions = r.s3Actions(c, p)
	for _, a := range c.Actions {
		c.Level = max(c.Level, LevelOf(a))
	}
	c.Resources = r.s3Resources(c, p)
	c.PassesRole = c.Operation == "PutBucketReplication"
	if p.express {
		c.Actions = inPrefix("s3express", c.Actions, "s3express:CreateSession") // a session stands for what is not there
	}
	return c, nil
}

// inPrefix are the actions of S3 as a service with another prefix has them: by the same names, else the other one, if
// there is another one.
func inPrefix(prefix string, actions []string, other string) []string {
	levels := actionLevels(prefix)
	var out []string
	for _, a := range actions {
		if name, ok := strings.CutPrefix(a, "s3:"); ok {
			switch {
			case levels[strings.ToLower(name)] != 0:
				a = prefix + ":" + name
			case other != "":
				a = other
			}
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

func (r *Request) s3Actions(c Call, p *s3Place) []string {
	more := r.byHeader(c.Operation)
	if !p.version && !p.sourceOld && p.prefix == "" && len(more) == 0 {
		return c.Actions
	}
	actions := slices.Clone(c.Actions)
	for i, a := range actions {
		old := p.version
		if i == 0 && p.source != "" {
			old = p.sourceOld
		}
		if v := ofVersion[a]; old && v != "" {
			actions[i] = v
		}
	}
	actions = append(actions, more...)
	for i, a := range actions {
		if p.prefix != "" {
			actions[i] = strings.Replace(a, "s3:", p.prefix+":", 1)
		}
	}
	return actions
}

func (r *Request) byHeader(operation string) []string {
	var more []string
	for _, w := range withHeader {
		if !strings.Contains(" "+w.operations+" ", " "+operation+" ") {
			continue
		}
		for name := range r.Header {
			if strings.HasPrefix(name, w.header) && !slices.Contains(more, w.action) {
				more = append(more, w.action)
			}
		}
	}
	return more
}

func (r *Request) s3Resources(c Call, p *s3Place) []string {
	bucket := p.arn
	switch {
	case p.bucket == "":
		return anything
	case p.express && bucket == "":
		return []string{r.arnStart() + "s3express:" + r.Region + ":" + r.Account + ":bucket/" + escape(p.bucket)}
	case bucket == "":
		bucket = r.arnStart() + "s3:::" + escape(p.bucket)
	}
	below := bucket + "/"
	if p.arn != "" {
		below = bucket + "/object/"
	}
	if c.Operation == "DeleteObjects" {
		return []string{below + "*"} // their keys are in the body
	}
	if p.key == "" {
		return []string{bucket}
	}
	object := below + escape(p.key)
	if p.dots {
		object = "*"
	}
	if c.Operation == "ListParts" || p.source == "" {
		return []string{object}
	}
	return []string{p.source, object}
}
