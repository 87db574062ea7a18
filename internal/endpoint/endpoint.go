// Package endpoint knows where the services of AWS are: the host of each in every region, the name it signs with, and
// the region that it signs for. The table is made from the endpoint rules that AWS publishes with its SDKs; see
// generate/endpoints.py. Endpoints for FIPS and IPv6 are not in it.
//
//	s, ok := endpoint.Named("bedrock-runtime")
//	at, err := s.In("eu-west-1") // bedrock-runtime.eu-west-1.amazonaws.com
package endpoint

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
)

//go:generate sh -c "cd generate && python3 endpoints.py > ../endpoints.tsv"

//go:embed endpoints.tsv
var data string

// Service is a service of AWS, as an SDK has a client for it. Several can sign with the same name.
type Service struct {
	Name     string            // of its client in botocore and the AWS CLI
	Variable string            // the end of AWS_ENDPOINT_URL_<VARIABLE>
	Signing  string            // the service in the scope of its signatures
	Protocol string            // ec2, json, query, rest-json, rest-xml or smithy-rpc-v2-cbor, as its client speaks it
	prefixes []string          // what operations put in front of its host, as in sync- or {AccountId}. ; - is nothing
	patterns map[string]string // by partition; empty: of all others
}

// Endpoint is where a service is in a region.
type Endpoint struct {
	Host   string
	Path   string            // before the path of every request; most often empty
	Region rolebroker.Region // in the scope of signatures
}

// suffixes are the ends of the hosts of a partition.
type suffixes struct{ plain, dualStack string }

// table is what data says.
type table struct {
	partitions map[string]suffixes
	services   map[string]Service
	signing    map[string][]string // names of services, sorted
}

var read = sync.OnceValue(func() table {
	t := table{map[string]suffixes{}, map[string]Service{}, map[string][]string{}}
	for line := range strings.Lines(data) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case cells[0] == "partition":
			t.partitions[cells[1]] = suffixes{cells[2], cells[3]}
		default:
			s := Service{cells[0], cells[1], cells[2], cells[3], strings.Split(cells[4], ","),
				map[string]string{"": cells[5]}}
			for _, other := range cells[6:] {
				partition, pattern, _ := strings.Cut(other, "|")
				s.patterns[partition] = pattern
			}
			t.services[s.Name] = s
			t.signing[s.Signing] = append(t.signing[s.Signing], s.Name)
		}
	}
	return t
})

// Named returns the service whose client has the name.
func Named(name string) (Service, bool) {
	s, ok := read().services[name]
	return s, ok
}

// Signing returns the services that sign with a name, sorted by theirs.
func Signing(name string) (all []Service) {
	t := read()
	for _, name := range t.signing[name] {
		all = append(all, t.services[name])
	}
	return all
}

// Ambiguous returns the services that share the name they sign with, sorted by theirs: a signature does not say which
// of them is meant. Of services with one variable, which are one to its user, it returns the first.
func Ambiguous() (all []Service) {
	t, seen := read(), map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(t.services)) {
		s := t.services[name]
		if len(t.signing[s.Signing]) > 1 && !seen[s.Variable] {
			all, seen[s.Variable] = append(all, s), true
		}
	}
	return all
}

// In returns where the service is in a region. It fails for what is not the name of a region.
func (s Service) In(region rolebroker.Region) (Endpoint, error) {
	if err := rolebroker.CheckRegion(region, ""); err != nil {
		return Endpoint{}, err
	}
	partition := region.Partition()
	suffix, ok := read().partitions[partition]
	if !ok {
		return Endpoint{}, fmt.Errorf("the endpoints of partition %s are not known", partition)
	}
	at := Endpoint{Region: region}
	pattern, signs, fixed := strings.Cut(s.pattern(partition, region), "@")
	if fixed {
		at.Region = rolebroker.Region(signs)
	}
	host := strings.NewReplacer("{region}", string(region), "$", suffix.plain, "%", suffix.dualStack).Replace(pattern)
	at.Host, at.Path, _ = strings.Cut(host, "/")
	if at.Path != "" {
		at.Path = "/" + at.Path
	}
	return at, nil
}

// pattern returns the pattern of the service's endpoint in a region.
func (s Service) pattern(partition string, region rolebroker.Region) string {
	all, ok := s.patterns[partition]
	if !ok {
		all = s.patterns[""]
	}
	common, others, _ := strings.Cut(all, " ")
	for other := range strings.FieldsSeq(others) {
		if name, pattern, _ := strings.Cut(other, "="); name == string(region) {
			return pattern
		}
	}
	return common
}

// Owns reports whether a host is the service's in a region: that of In, also with IPv6 or for FIPS, the one without a
// region that older SDKs use in us-east-1, and these with what an operation puts in front, such as a bucket. Many other
// hosts of AWS's domains belong to customers.
func (s Service) Owns(host string, region rolebroker.Region) bool {
	_, _, ok := s.cut(host, region)
	return ok
}

// Bucket returns the bucket that a host of S3 in a region names; empty: the path has it. It is not ok for a host that S3
// does not own, and for that of an access point, which no path can name.
func (s Service) Bucket(host string, region rolebroker.Region) (bucket string, ok bool) {
	before, own, ok := s.cut(host, region)
	if !ok || s.Name != "s3" || strings.HasPrefix(own, "s3-accesspoint.") || !strings.HasPrefix(host, before) {
		return "", false
	}
	return strings.TrimSuffix(before, "."), true
}

// cut cuts a host of the service in a region into what an operation puts in front, and the service's own.
func (s Service) cut(host string, region rolebroker.Region) (before, own string, ok bool) {
	at, err := s.In(region)
	if err != nil {
		return "", "", false
	}
	host = strings.Replace(strings.Replace(host, ".dualstack.", ".", 1), "-fips.", ".", 1)
	if rest, ok := withoutAccount(host); ok && s.Name == "dynamodb" {
		host = "dynamodb." + rest
	}
	if s.Signing == "timestream" {
		host = withoutCell(host)
	}
	suffix := read().partitions[region.Partition()]
	stem := strings.TrimSuffix(at.Host, "."+suffix.plain)
	owned := []string{at.Host, stem + "." + suffix.dualStack}
	if region == "us-east-1" {
		for _, name := range append([]string{strings.TrimSuffix(stem, ".us-east-1")}, legacy[s.Name]...) {
			owned = append(owned, name+"."+suffix.plain)
		}
	}
	if s.Name == "s3" {
		owned = append(owned, "s3-accelerate."+suffix.plain, "s3-accesspoint."+string(region)+"."+suffix.plain)
		if region.Partition() == "aws" { // boto3 signs URLs for this host in each region, and it leads to the bucket
			owned = append(owned, "s3."+suffix.plain)
		}
	}
	for _, own := range owned {
		before, ok := strings.CutSuffix(host, own)
		if ok && (before == "" || s.mayPrecede(before)) {
			return before, own, true
		}
	}
	return "", "", false
}

// withoutCell returns the host of a service that the host of a cell belongs to: of ingest-cell1.timestream, it is
// ingest.timestream.
//
// Source: Amazon Timestream Developer Guide, "VPC endpoints".
func withoutCell(host string) string {
	label, rest, _ := strings.Cut(host, ".")
	name, number, ok := strings.Cut(label, "-cell")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return host
	}
	return name + "." + rest
}

// withoutAccount returns what follows ACCOUNT.ddb. in the host of DynamoDB that belongs to an account.
//
// Source: DynamoDB Developer Guide, "Account-based endpoints".
func withoutAccount(host string) (rest string, ok bool) {
	account, rest, ok := strings.Cut(host, ".ddb.")
	return rest, ok && len(account) == 12 && strings.Trim(account, "0123456789") == ""
}

// legacy are hosts that older SDKs use in us-east-1.
//
// Source: the AWS CLI 1 and the first SDKs for Go and JavaScript.
var legacy = map[string][]string{"sqs": {"queue"}}

// mayPrecede reports whether an operation can put this in front of the host of the service.
func (s Service) mayPrecede(before string) bool {
	if s.Name == "s3" {
		return strings.HasSuffix(before, ".") && isLabels(strings.TrimSuffix(before, "."))
	}
	return slices.ContainsFunc(s.prefixes, func(p string) bool {
		fixed, rest, variable := strings.Cut(p, "{")
		if !variable {
			return p != "-" && before == p
		}
		_, after, _ := strings.Cut(rest, "}")
		value, ok := strings.CutSuffix(before, after)
		return ok && strings.HasPrefix(value, fixed) && isLabels(strings.TrimPrefix(value, fixed)) &&
			!strings.Contains(value, ".")
	})
}

// isLabels reports whether s has only what is in the labels of a host.
func isLabels(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

// IsAWS reports whether a host belongs to AWS in a partition.
func IsAWS(host, partition string) bool {
	suffix, ok := read().partitions[partition]
	return ok && (strings.HasSuffix(host, "."+suffix.plain) || strings.HasSuffix(host, "."+suffix.dualStack))
}

// IncludesAWS reports whether a host, or one below it, is in a domain of AWS's services.
func IncludesAWS(host string) bool {
	if InAWS(host) {
		return true
	}
	for _, suffix := range read().partitions {
		if strings.HasSuffix(suffix.plain, "."+host) || strings.HasSuffix(suffix.dualStack, "."+host) {
			return true
		}
	}
	return false
}

// InAWS reports whether a host is in a domain of AWS's services, in any partition, or is such a domain.
func InAWS(host string) bool {
	for _, suffix := range read().partitions {
		for _, domain := range []string{suffix.plain, suffix.dualStack} {
			if host == domain || strings.HasSuffix(host, "."+domain) {
				return true
			}
		}
	}
	return false
}

// CutDomain returns what is before a partition's domain of AWS's services, in the name of a host. It is not ok for a
// host that is not in that domain.
func CutDomain(host, partition string) (before string, ok bool) {
	suffix, ok := read().partitions[partition]
	if !ok {
		return "", false
	}
	return strings.CutSuffix(host, "."+suffix.plain)
}
