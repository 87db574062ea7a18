package learn

import (
	"maps"
	"slices"
	"strings"
)

// siblings is how many resources below one parent stay apart. Those at the top, such as buckets or tables, are no siblings
// in this sense: more of them stay apart.
const (
	siblings = 5
	tops     = 20
	accounts = 50 // and regions
)

// limit is how many children a node may have that stay apart, where most is the limit of siblings.
func limit(depth, most int) int {
	switch depth {
	case 0:
		return accounts
	case 1:
		return tops
	}
	return most
}

// tree has resources by the steps of their names. A node with too many children is a pattern for all that begins as it
// does: it keeps no children.
type tree struct {
	children map[string]*tree
	here     bool // a resource ends here
	pattern  bool
}

// steps splits an ARN after its account, and after the type of its resource if it has one, and then after each / and :. A
// bucket and its objects differ by the /.
//
//	arn:aws:s3:::reports/2026/a.csv                     arn:aws:s3:::  reports/  2026/  a.csv
//	arn:aws:dynamodb:eu-west-1:444455556666:table/orders  arn:aws:dynamodb:eu-west-1:444455556666:table/  orders
func steps(resource string) (all []string) {
	if resource == "*" {
		return []string{"*"}
	}
	rest := resource
	if parts := strings.SplitN(resource, ":", 6); len(parts) == 6 {
		rest = parts[5]
		if parts[2] != "s3" {
			rest = rest[strings.IndexAny(rest, "/:")+1:]
		}
		all = append(all, strings.TrimSuffix(resource, rest))
	}
	for rest != "" {
		n := strings.IndexAny(rest, "/:") + 1
		if n == 0 {
			n = len(rest)
		}
		all, rest = append(all, rest[:n]), rest[n:]
	}
	return all
}

func (t *tree) add(steps []string) { t.addAt(0, steps) }

func (t *tree) addAt(depth int, steps []string) {
	switch {
	case t.pattern:
	case len(steps) == 0:
		t.here = true
	default:
		if t.children == nil {
			t.children = map[string]*tree{}
		}
		if t.children[steps[0]] == nil {
			t.children[steps[0]] = &tree{}
		}
		t.children[steps[0]].addAt(depth+1, steps[1:])
		if len(t.children) > limit(depth, siblings) {
			t.pattern, t.children = true, nil
		}
	}
}

// patterns are the sorted resources, where more than most siblings are one pattern. A "*" is all of them.
func (t *tree) patterns(most int) []string {
	var all []string
	t.collect(0, "", most, &all)
	if slices.Contains(all, "*") {
		return []string{"*"}
	}
	slices.Sort(all)
	return all
}

func (t *tree) collect(depth int, name string, most int, all *[]string) {
	if t.here {
		*all = append(*all, name)
	}
	if t.pattern || len(t.children) > limit(depth, most) {
		*all = append(*all, strings.TrimSuffix(name, "*")+"*")
		return
	}
	for _, step := range slices.Sorted(maps.Keys(t.children)) {
		t.children[step].collect(depth+1, name+step, most, all)
	}
}
