package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// table is the text that package action embeds; its file table.go describes the lines.
type table struct {
	iam        *iamData
	by         *overrides
	lines      []string
	unmapped   []string
	operations int
}

func newTable(iam *iamData, by *overrides) *table {
	t := &table{iam: iam, by: by}
	return t
}

// text is the whole table: the services, then the levels of all IAM actions.
func (t *table) text() []byte {
	lines := t.lines
	for _, prefix := range t.iam.prefixes() {
		lines = append(lines, "P\t"+prefix)
		byLevel := make([][]string, len(levels))
		for _, a := range t.iam.actions[prefix] {
			l := t.level(prefix + ":" + a.Name)
			byLevel[l] = append(byLevel[l], a.Name)
		}
		for l, names := range byLevel {
			if sort.Strings(names); len(names) > 0 {
				lines = append(lines, fmt.Sprintf("L\t%d\t%s", l, strings.Join(names, " ")))
			}
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// level is the level of an IAM action that the data has, raised if an override says so.
func (t *table) level(action string) int {
	a, _ := t.iam.action(action)
	l, err := level(a.AccessLevel)
	if err != nil {
		panic(action + ": " + err.Error())
	}
	raised, everywhere := t.raised(action)
	if raised == nil {
		return l
	}
	to := slices.Index(levels, strings.Join(raised, " "))
	if to <= l && !everywhere {
		panic(action + ": an override must raise the level")
	}
	return max(l, to)
}

// raised is the level that an override gives an action, in any case; everywhere if it is for all actions of this name.
func (t *table) raised(action string) (l []string, everywhere bool) {
	_, own, _ := strings.Cut(action, ":")
	for name, l := range t.by.level {
		of, all := strings.CutPrefix(name, "*:")
		if strings.EqualFold(name, action) || all && strings.EqualFold(of, own) {
			t.by.used[name] = true
			return l, all
		}
	}
	return nil, false
}

// add writes one service.
func (t *table) add(m model) error {
	prefixes := t.prefixesOf(m)
	iamPrefix := ""
	if len(prefixes) > 0 {
		iamPrefix = prefixes[0]
	}
	signing := unique(append(m.signing, t.by.use(t.by.sign, m.name)...))
	t.lines = append(t.lines, strings.Join([]string{"M", m.name, strings.Join(signing, " "), iamPrefix,
		strings.Join(m.protocols(), " "), m.Metadata.TargetPrefix, m.Metadata.APIVersion,
		strings.Join(m.stems, " "), m.base, m.Metadata.ServiceID}, "\t"))
	if m.name == "s3" {
		t.lines = append(t.lines, "Q\t"+strings.Join(m.queryNames(), " "))
	}
	var names []string
	for name := range m.Operations {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		line, err := t.operation(m, iamPrefix, prefixes, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.lines = append(t.lines, line)
		t.operations++
	}
	return nil
}

// prefixesOf are the IAM prefixes where the actions of a model are: what an override says, else the one that is called
// as the service and knows most of its operations.
func (t *table) prefixesOf(m model) []string {
	if p := t.by.use(t.by.prefix, m.name); p != nil {
		return p
	}
	best, most := "", 0
	for _, p := range append(slices.Clone(m.signing), m.Metadata.EndpointPrefix, m.name) {
		p, n := strings.ToLower(p), 0
		for name := range m.Operations {
			if t.iam.named(p, name) != "" {
				n++
			}
		}
		if n > most {
			best, most = p, n
		}
	}
	if best == "" {
		return nil
	}
	return []string{best}
}

// operation writes one operation.
func (t *table) operation(m model, iamPrefix string, prefixes []string, name string) (string, error) {
	o := m.Operations[name]
	actions, err := t.actionsOf(m, prefixes, name)
	if err != nil {
		return "", err
	}
	l, resources := len(levels)-1, ""
	var flags []string
	if len(actions) == 0 {
		t.unmapped = append(t.unmapped, m.name+"."+name)
	} else {
		l = 0
		for _, a := range actions {
			l = max(l, t.level(a))
		}
		resources = t.resources(m, o, actions)
	}
	if t.passesRole(m, o, actions) {
		flags = append(flags, "p")
	}
	if m.takesLiteral(o) {
		flags = append(flags, "q")
	}
	for _, word := range t.by.use(t.by.grants, m.name+"."+name) {
		flags = append(flags, "g="+word)
	}
	method, uri := o.HTTP.Method, o.HTTP.RequestURI
	if !slices.Contains(m.protocols(), "rest") {
		method, uri = "", ""
	}
	if more := t.by.use(t.by.route, m.name+"."+name); more != nil {
		method, uri = method+" "+more[0], uri+" "+more[1]
	}
	prefix := o.Endpoint.HostPrefix
	fields := []string{"O", name, method, uri, fmt.Sprint(l), short(iamPrefix, name, actions),
		strings.Join(flags, " "), resources, prefix}
	return strings.TrimRight(strings.Join(fields, "\t"), "\t"), nil
}

// short writes a list of actions: - for the one that is called as the operation.
func short(prefix, name string, actions []string) string {
	if len(actions) == 1 && actions[0] == prefix+":"+name {
		return "-"
	}
	var out []string
	for _, a := range actions {
		if strings.HasPrefix(a, prefix+":") {
			a = a[len(prefix):]
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}

// actionsOf are the IAM actions of an operation: what an override says, else the action with its name.
func (t *table) actionsOf(m model, prefixes []string, name string) ([]string, error) {
	full := m.name + "." + name
	if actions := t.by.use(t.by.action, full); actions != nil {
		for i, a := range actions {
			if a == "HTTP" {
				actions[i] = "apigateway:" + m.Operations[name].HTTP.Method
			}
			if _, ok := t.iam.action(actions[i]); !ok {
				return nil, fmt.Errorf("overrides.txt: IAM has no action %s", a)
			}
		}
		return actions, nil
	}
	for _, p := range prefixes {
		if a := t.iam.named(p, name); a != "" {
			return []string{a}, nil
		}
	}
	if slices.Contains(prefixes, "apigateway") {
		return []string{"apigateway:" + m.Operations[name].HTTP.Method}, nil
	}
	return nil, nil
}

// passesRole says whether the operation may hand a role to a service.
func (t *table) passesRole(m model, o operation, actions []string) bool {
	for _, a := range actions {
		if t.iam.passRole[strings.ToLower(a)] {
			return true
		}
	}
	return m.names(o, func(name string) bool {
		name = strings.ToLower(name)
		return strings.HasSuffix(name, "rolearn") || strings.Contains(name, "instanceprofile")
	})
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// resources says where in the request the ARNs are, or what they are made of. It adds a * unless they are sure to be all
// that the actions are on: the data has resource types of each action, each type has a template, and a name that each
// request has is in a template, or else each request has what the templates need. A template begins with ! if it is the
// only one of a type that every call is on. A place after ? may have another name of what a template has.
func (t *table) resources(m model, o operation, actions []string) string {
	arns := arnMembers(m, o)
	out := map[string]bool{}
	for _, at := range arns {
		out["@"+at] = true
	}
	sure, open := true, false
	for _, full := range actions {
		prefix, _, _ := strings.Cut(full, ":")
		a, _ := t.iam.action(full)
		if len(a.ResourceTypes) == 0 {
			open = true
		}
		for _, r := range a.ResourceTypes {
			template, required, bound := bind(m, o, t.iam.resources[prefix][strings.ToLower(r.Name)])
			if bound {
				out[template] = true
			}
			members := named(arns, r.Name)
			switch {
			case !bound && len(members) == 0:
				open = true
			case bound && len(members) == 0 && r.Required:
				delete(out, template)
				out["!"+template] = true
			case !bound && len(members) == 1:
				delete(out, "@"+arns[members[0]])
				out["!@"+arns[members[0]]] = true
			}
			required = required || slices.ContainsFunc(members, func(name string) bool { return m.requires(o, name) })
			sure = sure && required
		}
	}
	required, optional := others(m, o, out)
	switch {
	case open || !sure && len(required) > 0:
		out["*"] = true
	case !sure:
		for _, place := range optional {
			out["?"+place] = true
		}
	}
	for template := range out { // both with and without !, for two types
		if out["!"+template] {
			delete(out, template)
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(out)), " ")
}

// bind writes an ARN with the members that its variables are called after; not if one has no member. It says whether
// each request has these members.
func bind(m model, o operation, arn string) (template string, required, ok bool) {
	ok, required = strings.HasPrefix(arn, "arn:${Partition}:"), true
	bound := 0
	out := variable.ReplaceAllStringFunc(strings.TrimPrefix(arn, "arn:${Partition}:"), func(v string) string {
		name := v[2 : len(v)-1]
		switch name {
		case "Region":
			return "%R"
		case "Account":
			return "%A"
		}
		var places []string
		for member, at := range m.inputs(o) {
			if strings.EqualFold(member, name) && m.Shapes[at.Shape].Type == "string" {
				places = append(places, "{"+m.place(member, at)+"}")
				required = required && m.requires(o, member)
			}
		}
		if ok = ok && len(places) == 1; !ok {
			return v
		}
		bound++
		return places[0]
	})
	ok = ok && bound > 0
	return out, ok && required, ok
}

// named are the members of arns that have the ARN of a resource type: those that are called after it, or after any
// resource.
func named(arns map[string]string, resourceType string) []string {
	kind, _, _ := strings.Cut(resourceType, "/")
	kind = plain(kind)
	var names []string
	for name := range arns {
		switch of := strings.TrimSuffix(plain(name), "arn"); of {
		case kind, "", "resource":
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// plain is a name in lower case without what separates its words.
func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name))
}

// nameLike is how a member ends that names something.
var nameLike = regexp.MustCompile(`(Id|Ids|IdList|Name|Names|NameList|Identifier|Identifiers|Arn|ARN|Arns|ArnList|Url|` +
	`Target|Bucket|Instances|Resource|Table|Cluster|name|id)$`)

// nameEnd is what the names of one thing differ in, as LaunchTemplateId and LaunchTemplateName.
var nameEnd = regexp.MustCompile(`(?:identifier|id|name|arn|list|s)+$`)

// others are the places of members that name something and that no template has: those that each request has, and of
// the others those that are called as one that a template has.
func others(m model, o operation, templates map[string]bool) (required, optional []string) {
	has, stems := map[string]bool{}, map[string]bool{}
	for template := range templates {
		for _, place := range placeIn.FindAllStringSubmatch(template, -1) {
			has[place[1]] = true
			stems[nameEnd.ReplaceAllString(strings.ToLower(place[1][2:]), "")] = true
		}
	}
	delete(stems, "")
	for name, at := range m.inputs(o) {
		place, kind := m.place(name, at), m.Shapes[at.Shape].Type
		switch {
		case !nameLike.MatchString(name) || kind != "string" && kind != "list" || has[place]:
		case m.requires(o, name):
			required = append(required, place)
		case stems[nameEnd.ReplaceAllString(strings.ToLower(name), "")]:
			optional = append(optional, place)
		}
	}
	return required, optional
}

// placeIn is a place in a template.
var placeIn = regexp.MustCompile(`[@{]([lqhb]:[^}]*)`)

// arnMembers are the members that have an ARN of what the operation is about, with their places: roles are not.
func arnMembers(m model, o operation) map[string]string {
	out := map[string]string{}
	for name, at := range m.inputs(o) {
		lower := strings.ToLower(name)
		if strings.HasSuffix(lower, "arn") && !strings.Contains(lower, "role") && m.Shapes[at.Shape].Type == "string" {
			out[name] = m.place(name, at)
		}
	}
	return out
}
