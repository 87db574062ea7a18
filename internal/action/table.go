package action

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"io"
	"strings"
	"sync"
)

// packed is the table that `go generate` makes. Unpacked it is lines of fields between tabs:
//
//	M  model  signing names  IAM prefix  protocols  target prefix  API version  first labels of its hosts
//	   base path  service ID
//	Q  names of query parameters, of S3 only
//	O  operation  method  path  level  actions  flags  resources  host prefix
//	P  IAM prefix
//	L  level  actions
//
// The flags are p for an operation that may pass a role, q for one that has a parameter with the name of a literal of
// the query, and g=word for one that manages permissions too if the request has the word in it. An action is - for the
// one that is called as the operation, else what follows the IAM prefix of the model, or all of it. The resources are as
// parseTemplates reads them.
//
//go:embed table.txt.gz
var packed []byte

//go:generate make -C ../.. actions

// index says where in the table a service and an IAM prefix are. It is made at the first call: about 2 MB in all.
// What a service needs in addition is made at the first call that is signed with its name: 0.02 MB for most of them,
// and 9 MB for all together.
type index struct {
	groups   map[string]*group
	models   []Model
	stems    map[string][]string // the names that a request to a host with these first labels may be signed with
	prefixes map[string]string   // the lines of each IAM prefix
}

var loadIndex = sync.OnceValue(func() *index {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic("action: the embedded table: " + err.Error())
	}
	var text strings.Builder
	text.Grow(int(binary.LittleEndian.Uint32(packed[len(packed)-4:]))) // gzip ends with the size of what it packs
	if _, err := io.Copy(&text, r); err != nil {
		panic("action: the embedded table: " + err.Error())
	}
	ix := &index{groups: map[string]*group{}, stems: map[string][]string{}, prefixes: map[string]string{}}
	for block := range blocks(text.String()) {
		head, _, _ := strings.Cut(block, "\n")
		f := strings.Split(head, "\t")
		if f[0] == "P" {
			ix.prefixes[f[1]] = block
			continue
		}
		ix.add(block, f)
	}
	return ix
})

// blocks are the parts of the table that begin with a line M or P.
func blocks(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		begin := 0
		for i := 0; i < len(text); {
			if i > begin && (text[i] == 'M' || text[i] == 'P') {
				if !yield(text[begin:i]) {
					return
				}
				begin = i
			}
			i += strings.IndexByte(text[i:], '\n') + 1
		}
		yield(text[begin:])
	}
}

// add notes the block of a model.
func (ix *index) add(block string, f []string) {
	ix.models = append(ix.models, Model{Name: f[1], ID: f[9], Signing: strings.Fields(f[2]), BasePath: f[8]})
	for _, signing := range strings.Fields(f[2]) {
		key := strings.ToLower(signing)
		if ix.groups[key] == nil {
			ix.groups[key] = &group{}
		}
		ix.groups[key].blocks = append(ix.groups[key].blocks, block)
	}
	for _, stem := range strings.Fields(f[7]) {
		ix.stems[stem] = append(ix.stems[stem], strings.Fields(strings.ToLower(f[2]))...)
	}
}

// group is the services that sign with one name.
type group struct {
	once     sync.Once
	blocks   []string
	services []*service
}

// groupOf is the group of a signing name; nil if no service signs with it.
func groupOf(signing string) *group {
	g := loadIndex().groups[signing]
	if g == nil {
		if g = loadIndex().groups[strings.ToLower(signing)]; g == nil {
			return nil
		}
	}
	g.once.Do(func() {
		for _, block := range g.blocks {
			g.services = append(g.services, parse(block))
		}
	})
	return g
}

// service is one service model.
type service struct {
	name, prefix, version    string
	stems                    []string
	query, json, cbor, rest  bool
	s3, s3control            bool
	queryNames               map[string]bool       // of S3 only
	byTarget, byAction, byID map[string]*operation // by X-Amz-Target, by Action, and by name
	byPath                   map[string]*operation // by the path of the CBOR protocol
	routes                   map[string][]*route   // by method
	hostPrefixes             map[string]bool       // fixed ones of operations
	literals                 map[string]bool       // the query parameters that tell operations apart
}

// operation is one operation of a service.
type operation struct {
	service                           *service
	name                              string
	level                             Level
	actions                           []string
	credentials, passesRole, decrypts bool
	takesLiteral                      bool   // a parameter of it has the name of a literal
	grants                            string // a request with this word manages permissions too
	statement                         bool   // it is one statement of PartiQL; its first action is to select
	hostPrefix                        string
	resources                         []template
	any                               bool // there are resources that resources does not name
}

// parse reads the block of a model.
func parse(block string) *service {
	s := &service{byTarget: map[string]*operation{}, byAction: map[string]*operation{}, byID: map[string]*operation{},
		byPath: map[string]*operation{}, routes: map[string][]*route{}, literals: map[string]bool{},
		hostPrefixes: map[string]bool{}}
	target, base := "", ""
	for line := range strings.Lines(block) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		f = append(f, "", "", "", "", "", "", "", "")
		switch f[0] {
		case "M":
			s.name, s.prefix, target, s.version = f[1], f[3], f[5], f[6]
			s.stems = strings.Fields(f[7])
			protocols := " " + f[4] + " "
			s.query, s.json = strings.Contains(protocols, " query "), strings.Contains(protocols, " json ")
			s.cbor, s.rest = strings.Contains(protocols, " cbor "), strings.Contains(protocols, " rest ")
			s.s3, s.s3control, base = s.name == "s3", s.name == "s3control", f[8]
		case "Q":
			s.queryNames = set(strings.Fields(f[1]))
		case "O":
			s.add(f, target, base)
		}
	}
	return s
}

// add reads the line of an operation.
func (s *service) add(f []string, target, base string) {
	op := &operation{service: s, name: f[1], level: Level(f[4][0] - '0'), hostPrefix: f[8],
		decrypts:  s.prefix == "ssm" && strings.HasPrefix(f[1], "GetParameter"),
		statement: s.name == "dynamodb" && f[1] == "ExecuteStatement"}
	for _, flag := range strings.Fields(f[6]) {
		switch flag[0] {
		case 'p':
			op.passesRole = true
		case 'q':
			op.takesLiteral = true
		case 'g':
			op.grants = flag[2:]
		}
	}
	for _, a := range strings.Fields(f[5]) {
		op.actions = append(op.actions, s.action(op.name, a))
	}
	op.credentials = ReturnsCredentials(s.prefix+":"+op.name) || ReturnsCredentials(s.name+":"+op.name)
	for _, a := range op.actions {
		op.credentials = op.credentials || ReturnsCredentials(a)
	}
	op.resources, op.any = parseTemplates(f[7])
	s.byID[op.name] = op
	if op.hostPrefix != "" && !strings.Contains(op.hostPrefix, "{") {
		s.hostPrefixes[op.hostPrefix] = true
	}
	if s.json {
		s.byTarget[target+"."+op.name] = op
	}
	if s.query {
		s.byAction[op.name] = op
	}
	if s.cbor {
		s.byPath["/service/"+target+"/operation/"+op.name] = op
	}
	if s.rest {
		for i, method := range strings.Fields(f[2]) {
			s.route(method, strings.Fields(f[3])[i], op)
		}
	}
	if base != "" {
		s.route(f[2], base+f[3], op) // what a client sends to AWS; to an address of its own it sends the other
	}
}

func (s *service) route(method, uri string, op *operation) {
	rt := parseRoute(uri, op)
	for _, q := range rt.query {
		s.literals[q.name] = true
	}
	s.routes[method] = append(s.routes[method], rt)
}

// action is an action as the table writes it, in full.
func (s *service) action(name, short string) string {
	switch {
	case short == "-":
		return s.prefix + ":" + name
	case short[0] == ':':
		return s.prefix + short
	}
	return short
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}

var levelsOf sync.Map // by prefix, a map[string]Level by lower-case name

// actionLevels are the levels of the actions with a prefix, by their names in lower case.
func actionLevels(prefix string) map[string]Level {
	if m, ok := levelsOf.Load(prefix); ok {
		return m.(map[string]Level)
	}
	block, ok := loadIndex().prefixes[prefix]
	if !ok {
		return nil
	}
	m := map[string]Level{}
	for line := range strings.Lines(block) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if f[0] == "L" {
			for _, name := range strings.Fields(f[2]) {
				m[strings.ToLower(name)] = Level(f[1][0] - '0')
			}
		}
	}
	levelsOf.Store(prefix, m)
	return m
}

// matches says whether a pattern with stars, as IAM has them, matches a name.
func matches(pattern, name string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	if !strings.HasPrefix(name, before) {
		return false
	}
	for rest := name[len(before):]; ; rest = rest[1:] {
		if matches(after, rest) {
			return true
		}
		if rest == "" {
			return false
		}
	}
}
