package awssim

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"sync"
)

// newID returns a prefix such as AROA followed by n characters of base32, as
// AWS shapes access key ids and unique ids.
func newID(prefix string, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return prefix + string(b)
}

// newSecret returns 40 characters of base64.
func newSecret() string {
	b := make([]byte, 30)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// newToken returns a session token. Its length varies, so that no client relies on
// it.
func newToken() string {
	b := make([]byte, 1, 256)
	rand.Read(b)
	b = b[:180+int(b[0])%64]
	rand.Read(b)
	return "IQoJb3JpZ2luX2Vj" + base64.StdEncoding.EncodeToString(b)
}

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

var (
	entityName = matching(`^[\w+=,.@-]+$`)
	entityPath = matching(`^(/|/[\x21-\x7e]+/)$`)
)

// matching returns a function that matches strings against an expression. The
// expression is compiled at first use, so that it costs no start-up time.
func matching(expression string) func(string) bool {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
	return func(s string) bool { return compiled().MatchString(s) }
}

func validPath(p string) bool { return len(p) <= 512 && entityPath(p) }

// regions determines a region's partition by the form of its name, as the
// partition data of the SDKs does. A list of regions would become outdated.
var regions = []struct {
	partition string
	shape     func(string) bool
}{
	{"aws", matching(`^(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+$`)},
	{"aws-cn", matching(`^cn-\w+-\d+$`)},
	{"aws-us-gov", matching(`^us-gov-\w+-\d+$`)},
	{"aws-iso", matching(`^us-iso-\w+-\d+$`)},
	{"aws-iso-b", matching(`^us-isob-\w+-\d+$`)},
	{"aws-iso-e", matching(`^eu-isoe-\w+-\d+$`)},
	{"aws-iso-f", matching(`^us-isof-\w+-\d+$`)},
	{"aws-eusc", matching(`^eusc-(de)-\w+-\d+$`)},
}

// partitionOf returns the partition of a region, and "" if the text does not have
// the form of a region.
func partitionOf(region string) string {
	for _, r := range regions {
		if r.shape(region) {
			return r.partition
		}
	}
	return ""
}

func knownPartition(name string) bool {
	for _, r := range regions {
		if r.partition == name {
			return true
		}
	}
	return false
}

// arn is an ARN split at its first five colons. resource is the rest.
type arn struct{ partition, service, region, account, resource string }

func parseARN(s string) (arn, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return arn{}, false
	}
	return arn{parts[1], parts[2], parts[3], parts[4], parts[5]}, true
}

// iamEntity splits the resource of a role or user ARN into kind and name. ok is
// false for other ARNs.
func (a arn) iamEntity(kind string) (name string, ok bool) {
	rest, found := strings.CutPrefix(a.resource, kind+"/")
	if a.service != "iam" || a.region != "" || !accountID(a.account) || !found {
		return "", false
	}
	cut := strings.LastIndexByte(rest, '/')
	name = rest[cut+1:]
	path := "/" + rest[:cut+1]
	return name, entityName(name) && validPath(path)
}
