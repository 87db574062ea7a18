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
	Name     string // of its client in botocore and the AWS CLI
	Variable string // the end of AWS_ENDPOINT_URL_<VARIABLE>
	Signing  string // the service in the scope of its signatures
	Protocol string // ec2, json, query, rest-json, rest-xml or smithy-rpc-v2-cbor, as its client speaks it
	patterns map[string]string
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
			s := Service{cells[0], cells[1], cells[2], cells[3], map[string]string{"": cells[4]}}
			for _, other := range cells[5:] {
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

// IsAWS reports whether a host belongs to AWS in a partition.
func IsAWS(host, partition string) bool {
	suffix, ok := read().partitions[partition]
	return ok && (strings.HasSuffix(host, "."+suffix.plain) || strings.HasSuffix(host, "."+suffix.dualStack))
}
