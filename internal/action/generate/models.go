package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// model is what we need of one service model of botocore.
type model struct {
	name     string
	Metadata struct {
		APIVersion, EndpointPrefix, Protocol, SigningName, TargetPrefix, ServiceID string
		Protocols                                                                  []string
		AWSQueryCompatible                                                         *struct{}
	}
	Operations map[string]operation
	Shapes     map[string]shape

	signing []string // the names that a request to it is signed with
	stems   []string // what its hosts have before the region
	base    string   // what the paths at its hosts begin with, beyond what the operations say
}

type operation struct {
	HTTP     struct{ Method, RequestURI string }
	Input    struct{ Shape string }
	Output   struct{ Shape string }
	Endpoint struct{ HostPrefix string }
}

type shape struct {
	Type     string
	Members  map[string]member
	Required []string
	Member   *member
	Value    *member
}

type member struct {
	Shape, Location, LocationName, QueryName string
}

// readModels reads the newest version of each service model, in the order of their names.
func readModels(dir string) ([]model, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "*", "*", "service-2.json.gz"))
	if err != nil || len(folders) == 0 {
		return nil, fmt.Errorf("no service models in %q (%v)", dir, err)
	}
	newest := map[string]string{}
	for _, f := range folders {
		service := filepath.Base(filepath.Dir(filepath.Dir(f)))
		newest[service] = max(newest[service], f)
	}
	var models []model
	for service, file := range newest {
		m := model{name: service}
		if err := readJSON(file, &m); err != nil {
			return nil, err
		}
		if err := m.readEndpoints(filepath.Dir(file)); err != nil {
			return nil, err
		}
		models = append(models, m)
	}
	sort.Slice(models, func(i, j int) bool { return models[i].name < models[j].name })
	return models, nil
}

var (
	hostOf  = regexp.MustCompile(`"url": ?"https?://([^"]*)"`)
	signsAs = regexp.MustCompile(`"signingName": ?"([a-zA-Z0-9-]+)"`)
	stemOf  = regexp.MustCompile(`^(.*?)\.(?:dualstack\.)?(?:\{Region\}|us-east-1|us-gov-west-1|cn-north-1|` +
		`aws-global|\{PartitionResult|amazonaws)`)
	variables = regexp.MustCompile(`^(?:.*\}[.-])`)
)

// readEndpoints reads under which names requests are signed, and the first labels of the hosts.
func (m *model) readEndpoints(dir string) error {
	m.signing = []string{m.Metadata.SigningName}
	if m.Metadata.SigningName == "" {
		m.signing = []string{m.Metadata.EndpointPrefix}
	}
	m.stems = []string{m.Metadata.EndpointPrefix}
	text, err := readFile(filepath.Join(dir, "endpoint-rule-set-1.json.gz"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range signsAs.FindAllStringSubmatch(string(text), -1) {
		m.signing = append(m.signing, name[1])
	}
	for _, host := range hostOf.FindAllStringSubmatch(string(text), -1) {
		if _, path, _ := strings.Cut(host[1], "/"); path != "" && !strings.Contains(path, "{") {
			m.base = "/" + path
		}
		stem := stemOf.FindStringSubmatch(host[1])
		if stem == nil {
			continue
		}
		s := strings.TrimSuffix(variables.ReplaceAllString(stem[1], ""), "-fips")
		if s != "" && !strings.ContainsAny(s, "{}#/") {
			m.stems = append(m.stems, strings.ReplaceAll(s, "-fips.", "."))
		}
	}
	m.signing, m.stems = unique(m.signing), unique(m.stems)
	return nil
}

// protocols are the forms in which the service takes requests.
func (m *model) protocols() []string {
	all := append([]string{m.Metadata.Protocol}, m.Metadata.Protocols...)
	if m.Metadata.AWSQueryCompatible != nil {
		all = append(all, "query")
	}
	for i, p := range all {
		all[i] = map[string]string{"smithy-rpc-v2-cbor": "cbor", "ec2": "query", "rest-json": "rest", "rest-xml": "rest"}[p]
		if all[i] == "" {
			all[i] = p
		}
	}
	return unique(all)
}

// inputs are the members of an operation's input.
func (m *model) inputs(o operation) map[string]member { return m.Shapes[o.Input.Shape].Members }

// requires says whether each request of an operation has a member.
func (m *model) requires(o operation, name string) bool {
	return slices.Contains(m.Shapes[o.Input.Shape].Required, name)
}

// names says whether anything in the operation's input, at any depth, has a name that has holds.
func (m *model) names(o operation, has func(string) bool) bool {
	seen := map[string]bool{}
	var in func(string) bool
	in = func(name string) bool {
		if seen[name] {
			return false
		}
		seen[name] = true
		s := m.Shapes[name]
		for n, x := range s.Members {
			if has(n) || in(x.Shape) {
				return true
			}
		}
		return s.Member != nil && in(s.Member.Shape) || s.Value != nil && in(s.Value.Shape)
	}
	return in(o.Input.Shape)
}

// literals are the names of the query parameters that tell operations of the service apart.
func (m *model) literals() map[string]bool {
	names := map[string]bool{}
	for _, o := range m.Operations {
		_, query, _ := strings.Cut(o.HTTP.RequestURI, "?")
		for _, pair := range strings.Split(query, "&") {
			name, _, _ := strings.Cut(pair, "=")
			names[name] = true
		}
	}
	return names
}

// takesLiteral says whether a parameter of the operation has the name of a literal.
func (m *model) takesLiteral(o operation) bool {
	literals := m.literals()
	for name, at := range m.inputs(o) {
		if strings.HasPrefix(m.place(name, at), "q:") && literals[m.place(name, at)[2:]] {
			return true
		}
	}
	return false
}

// queryNames are the names of all query parameters of the service.
func (m *model) queryNames() []string {
	var names []string
	for _, o := range m.Operations {
		for name, at := range m.inputs(o) {
			if at := m.place(name, at); strings.HasPrefix(at, "q:") {
				names = append(names, at[2:])
			}
		}
	}
	sort.Strings(names)
	return slices.Compact(names)
}

// place says where a member is: in the path, the query, a header or the body, and its name there.
func (m *model) place(name string, at member) string {
	if at.LocationName != "" {
		name = at.LocationName
	}
	switch at.Location {
	case "uri":
		return "l:" + name
	case "querystring":
		return "q:" + name
	case "header":
		return "h:" + name
	}
	if m.Metadata.Protocol == "ec2" {
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	if at.QueryName != "" {
		name = at.QueryName
	}
	return "b:" + name
}

func readJSON(file string, v any) error {
	text, err := readFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// readFile reads a file, unpacked if its name ends in .gz.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(name, ".gz") {
		return os.ReadFile(name)
	}
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// unique is the list without empty and repeated strings, in its order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
