package action

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// suffixes are the domains of AWS, of all partitions.
//
// Source: partitions.json of botocore, and the domain of Lambda function URLs.
var suffixes = [...]string{".amazonaws.com", ".api.aws", ".on.aws",
	".amazonaws.com.cn", ".api.amazonwebservices.com.cn", ".amazonaws.eu", ".api.amazonwebservices.eu",
	".c2s.ic.gov", ".api.aws.ic.gov", ".sc2s.sgov.gov", ".api.aws.scloud",
	".cloud.adc-e.uk", ".api.cloud-aws.adc-e.uk", ".csp.hci.ic.gov", ".api.aws.hci.ic.gov"}

var regionName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`) })

// awsHost is what a host of AWS has before its region: without dualstack and fips, which do not change what a request
// does. A host of something else is not ok.
func awsHost(host string) (stem string, ok bool) {
	host = strings.ToLower(host)
	if at := strings.LastIndexByte(host, ':'); at >= 0 {
		host = host[:at]
	}
	for _, s := range suffixes {
		if stem, ok = strings.CutSuffix(host, s); ok {
			return withoutRegion(stem), true
		}
	}
	return "", false
}

func withoutRegion(stem string) string {
	stem = strings.TrimSuffix(stem, ".vpce")
	if i := strings.LastIndexByte(stem, '.'); i >= 0 && isRegion(stem[i+1:]) {
		stem = stem[:i]
	}
	stem = strings.TrimSuffix(stem, ".dualstack")
	if before, last, ok := cutLast(stem); ok && isRegion(before) {
		stem = last // the old form us-east-1.queue.amazonaws.com
	}
	stem = strings.ReplaceAll(stem, "-fips.", ".")
	return strings.TrimSuffix(strings.TrimPrefix(stem, "fips."), "-fips")
}

func isRegion(label string) bool {
	return len(label) >= 8 && strings.IndexByte(label, '-') > 0 && regionName().MatchString(label)
}

// cutLast cuts at the last dot.
func cutLast(s string) (before, last string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// legacyStems are hosts that the models no longer have.
var legacyStems = map[string]string{"queue": "sqs", "rds": "rds"}

// candidates are the services of the group that the host and the model allow.
func (g *group) candidates(r *Request) ([]*service, error) {
	services := g.services
	if r.Model != "" {
		services = filter(services, func(s *service) bool { return s.name == r.Model })
		if len(services) == 0 {
			return nil, ambiguous("it is signed for %s and sent to %s", r.Service, r.Model)
		}
	}
	if r.Host == "" {
		return services, nil
	}
	stem, ok := awsHost(r.Host)
	if !ok {
		return services, nil
	}
	if legacy := legacyStems[stem]; legacy != "" {
		stem = legacy
	}
	if named := longest(services, stem); len(named) > 0 {
		return named, nil
	}
	if signing := ofHost(stem); len(signing) > 0 && !slices.Contains(signing, strings.ToLower(r.Service)) ||
		r.Model != "" && len(longest(g.services, stem)) > 0 {
		return nil, ambiguous("it is signed for %s and sent to the host of %s", r.Service, strings.Join(signing, " or "))
	}
	return services, nil
}

// longest are the services whose part of the host is the longest one that fits.
func longest(services []*service, stem string) []*service {
	var best []*service
	length := 0
	for _, s := range services {
		n := 0
		for _, own := range s.stems {
			if len(own) > n && s.fits(stem, own) {
				n = len(own)
			}
		}
		switch {
		case n == 0 || n < length:
		case n > length:
			best, length = []*service{s}, n
		default:
			best = append(best, s)
		}
	}
	return best
}

// fits says whether a host begins with what the service's own hosts begin with, after a label or an operation's
// prefix.
func (s *service) fits(stem, own string) bool {
	before, ok := strings.CutSuffix(stem, own)
	return ok && (before == "" || before[len(before)-1] == '.' || s.hostPrefixes[before])
}

// ofHost are the names that requests to a host are signed with; none if the host is not known.
func ofHost(stem string) []string {
	stems := loadIndex().stems
	for {
		if names := stems[stem]; names != nil {
			return names
		}
		_, after, ok := strings.Cut(stem, ".")
		if !ok {
			return nil
		}
		stem = after
	}
}

func filter(services []*service, keep func(*service) bool) []*service {
	var out []*service
	for _, s := range services {
		if keep(s) {
			out = append(out, s)
		}
	}
	return out
}
