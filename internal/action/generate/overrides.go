package main

import (
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
)

// overrides are the corrections by hand: lines of a verb, what it is about, and values; then a # and the reason.
//
//	prefix  MODEL PREFIX...          where the IAM actions of the model's operations are
//	action  MODEL.OPERATION ACTION...
//	level   ACTION LEVEL             raised above what the data says
//	level   *:NAME LEVEL             the same for the actions with this name in all services
//	grants  MODEL.OPERATION WORD     a request with this word in it manages permissions too
//	route   MODEL.OPERATION METHOD PATH   a second form of the operation
//	sign    MODEL NAME...            further names that requests are signed with
type overrides struct {
	prefix, action, level, grants, route, sign map[string][]string
	used                                       map[string]bool
}

func readOverrides(file string) (*overrides, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	o := &overrides{map[string][]string{}, map[string][]string{}, map[string][]string{}, map[string][]string{},
		map[string][]string{}, map[string][]string{}, map[string]bool{}}
	kinds := map[string]map[string][]string{"prefix": o.prefix, "action": o.action, "sign": o.sign, "level": o.level,
		"route": o.route, "grants": o.grants}
	for i, line := range strings.Split(string(text), "\n") {
		data, reason, _ := strings.Cut(line, "#")
		words := strings.Fields(data)
		if len(words) == 0 {
			continue
		}
		kind, ok := kinds[words[0]]
		if !ok || len(words) < 3 || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: want a verb, what it is about, values, # and a reason", file, i+1)
		}
		if kind[words[1]] != nil {
			return nil, fmt.Errorf("%s:%d: %s is there twice", file, i+1, words[1])
		}
		kind[words[1]] = words[2:]
	}
	return o, nil
}

// use is what a list says of a name, and remembers that it was asked for.
func (o *overrides) use(list map[string][]string, name string) []string {
	if list[name] != nil {
		o.used[name] = true
	}
	return list[name]
}

// unused is an error that names the overrides that concern nothing.
func (o *overrides) unused() error {
	var names []string
	for _, list := range []map[string][]string{o.prefix, o.action, o.sign, o.level, o.route, o.grants} {
		for name := range list {
			if !o.used[name] {
				names = append(names, name)
			}
		}
	}
	sort.Strings(names)
	if names = slices.Compact(names); len(names) > 0 {
		return fmt.Errorf("overrides.txt: nothing is called %s", strings.Join(names, ", "))
	}
	return nil
}
