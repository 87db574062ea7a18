package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// iamData is what the Service Authorization Reference says, by the prefix of the service.
type iamData struct {
	actions   map[string]map[string]iamAction // by prefix and lower-case name
	resources map[string]map[string]string    // ARNs by prefix and lower-case name of the resource type
	passRole  map[string]bool                 // prefix:lower-case name of actions that depend on iam:PassRole
}

type iamAction struct {
	Name, AccessLevel string
	ResourceTypes     []struct {
		Name             string
		Required         bool
		DependentActions []string
	}
	DependentActions []string
}

func readIAM(dir string) (*iamData, error) {
	d := &iamData{map[string]map[string]iamAction{}, map[string]map[string]string{}, map[string]bool{}}
	err := eachService(filepath.Join(dir, "data", "actions"), func(prefix, file string) error {
		actions := map[string]iamAction{}
		d.actions[prefix] = actions
		return readJSON(file, &actions)
	})
	if err != nil {
		return nil, err
	}
	return d, eachService(filepath.Join(dir, "data", "resourceTypes"), func(prefix, file string) error {
		var types map[string]struct{ Key, ARN string }
		if err := readJSON(file, &types); err != nil {
			return err
		}
		arns := map[string]string{}
		for _, t := range types {
			arns[strings.ToLower(t.Key)] = t.ARN
		}
		d.resources[prefix] = arns
		return nil
	})
}

// readPassRole reads which actions depend on iam:PassRole. The newest data does not say it.
func (d *iamData) readPassRole(dir string) error {
	return eachService(filepath.Join(dir, "data", "actions"), func(prefix, file string) error {
		actions := map[string]iamAction{}
		if err := readJSON(file, &actions); err != nil {
			return err
		}
		for name, a := range actions {
			all := a.DependentActions
			for _, r := range a.ResourceTypes {
				all = append(all, r.DependentActions...)
			}
			for _, dependent := range all {
				if strings.EqualFold(dependent, "iam:PassRole") {
					d.passRole[prefix+":"+name] = true
				}
			}
		}
		return nil
	})
}

func eachService(dir string, f func(prefix, file string) error) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		prefix := strings.TrimSuffix(file.Name(), ".json")
		if err := f(prefix, filepath.Join(dir, file.Name())); err != nil {
			return err
		}
	}
	return nil
}

// named is the action of a prefix with a name in any case, as prefix:Name; empty if there is none.
func (d *iamData) named(prefix, name string) string {
	if a, ok := d.actions[prefix][strings.ToLower(name)]; ok {
		return prefix + ":" + a.Name
	}
	return ""
}

func (d *iamData) action(full string) (iamAction, bool) {
	prefix, name, _ := strings.Cut(full, ":")
	a, ok := d.actions[prefix][strings.ToLower(name)]
	return a, ok
}

// levels are the access levels in the order of what they may do, as package action numbers them.
var levels = []string{"", "List", "Read", "Tagging", "Write", "Permissions management"}

// level is the highest level in a list such as "Tagging, Write". A tag is written too: it stays a tag.
func level(list string) (int, error) {
	switch list {
	case "Tagging, Write":
		return 3, nil
	case "Permissions management, Write":
		return 5, nil
	}
	for i, l := range levels {
		if l == list && i > 0 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("the access level %q is not known", list)
}

// prefixes are all prefixes in order.
func (d *iamData) prefixes() []string {
	var all []string
	for p := range d.actions {
		all = append(all, p)
	}
	sort.Strings(all)
	return all
}
