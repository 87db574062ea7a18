package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// mostUsed are the services that are compared in public: those that most accounts use.
var mostUsed = strings.Fields(`acm apigateway apigatewayv2 athena autoscaling backup batch bedrock bedrock-runtime
	cloudformation cloudfront cloudtrail cloudwatch codebuild codepipeline cognito-idp config dynamodb ebs ec2 ecr ecs efs
	eks elasticache elasticbeanstalk elb elbv2 emr events firehose glue guardduty iam kinesis kms lambda logs organizations
	rds redshift route53 s3 sagemaker secretsmanager sns sqs ssm stepfunctions sts wafv2`)

// iamDataset is map.json of iann0036/iam-dataset.
type iamDataset struct {
	Mappings map[string][]struct{ Action string } `json:"sdk_method_iam_mappings"`
}

// verify compares the actions of operations with those of another source, and levels with those of a third one. It
// writes what differs, and prints how much agrees.
//
// An operation agrees if the other source has all our actions, and we have its first one. The source adds actions that
// only some requests need, so there may be more of them.
func verify(t *table, models []model, mapFile, floyd, out string) error {
	var other iamDataset
	if err := readJSON(mapFile, &other); err != nil {
		return err
	}
	theirs := map[string][]string{}
	for name, list := range other.Mappings {
		for _, a := range list {
			theirs[strings.ToLower(name)] = append(theirs[strings.ToLower(name)], strings.ToLower(a.Action))
		}
	}
	differ, report := []string{}, map[bool][2]int{}
	for _, m := range models {
		prefixes := t.prefixesOf(m)
		for _, name := range sortedNames(m) {
			ours, err := t.actionsOf(m, prefixes, name)
			if err != nil {
				return err
			}
			their := theirs[strings.ToLower(strings.ReplaceAll(m.Metadata.ServiceID, " ", "")+"."+name)]
			if len(their) == 0 {
				continue
			}
			same := agrees(ours, their)
			for _, used := range []bool{false, slices.Contains(mostUsed, m.name)} {
				n := report[used]
				n[0]++
				if same {
					n[1]++
				}
				report[used] = n
				if !used && slices.Contains(mostUsed, m.name) {
					continue
				}
				break
			}
			if !same {
				line := fmt.Sprintf("%s.%s: %s", m.name, name, orNone(ours))
				if low := t.lower(ours, their); low != "" {
					line += " (a lower level)"
				}
				differ = append(differ, line)
			}
		}
	}
	fmt.Printf("actions, all services: %s\n", share(report[false]))
	fmt.Printf("actions, the %d most used: %s\n", len(mostUsed), share(report[true]))
	if floyd != "" {
		more, err := verifyLevels(t, floyd)
		if err != nil {
			return err
		}
		differ = append(differ, more...)
	}
	text := "# Operations whose actions are not those of the second source, with ours; see SOURCES.md.\n" +
		strings.Join(differ, "\n") + "\n"
	return os.WriteFile(filepath.Join(out, "differences.txt"), []byte(text), 0o644)
}

// lower is an action of the other source with a higher level than all of ours; empty if there is none. What only some
// requests need is left out where package action looks for it in the request.
func (t *table) lower(ours, theirs []string) string {
	most := 0
	for _, a := range ours {
		most = max(most, t.level(a))
	}
	for _, a := range theirs {
		if _, ok := t.iam.action(a); !ok || a == "iam:passrole" || a == "s3:putobjectacl" || len(ours) == 0 {
			continue
		}
		if t.level(a) > most {
			return a
		}
	}
	return ""
}

func sortedNames(m model) []string {
	var names []string
	for name := range m.Operations {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func agrees(ours, theirs []string) bool {
	if len(ours) == 0 || !slices.Contains(lower(ours), theirs[0]) {
		return false
	}
	for _, a := range lower(ours) {
		if !slices.Contains(theirs, a) {
			return false
		}
	}
	return true
}

func lower(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	return out
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func share(n [2]int) string {
	return fmt.Sprintf("%d of %d agree, %.2f %%", n[1], n[0], 100*float64(n[1])/float64(n[0]))
}

var (
	floydPrefix = regexp.MustCompile(`this\.servicePrefix = '([^']+)'`)
	floydLevel  = regexp.MustCompile(`(?s)(?:'?)(List|Read|Tagging|Write|Permissions management)(?:'?): \[(.*?)\]`)
	floydName   = regexp.MustCompile(`'([A-Za-z0-9]+)'`)
)

// verifyLevels compares levels with those of the npm package iam-floyd.
func verifyLevels(t *table, dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "lib", "generated", "policy-statements", "*.js"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no statements in %q (%v)", dir, err)
	}
	theirs := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		prefix := floydPrefix.FindSubmatch(text)
		at := strings.Index(string(text), "this.accessLevelList = {")
		if prefix == nil || at < 0 {
			continue
		}
		for _, block := range floydLevel.FindAllStringSubmatch(string(text[at:]), -1) {
			for _, name := range floydName.FindAllStringSubmatch(block[2], -1) {
				if action := t.iam.named(string(prefix[1]), name[1]); action != "" {
					theirs[action] = worse(theirs[action], slices.Index(levels, block[1]))
				}
			}
		}
	}
	var differ []string
	n := [2]int{len(theirs), 0}
	for action, their := range theirs {
		switch l := t.level(action); {
		case l == their:
			n[1]++
		case l < their:
			differ = append(differ, fmt.Sprintf("level of %s: %s; iam-floyd: %s", action, levels[l], levels[their]))
		}
	}
	sort.Strings(differ)
	fmt.Printf("levels: %s, %d lower than there\n", share(n), len(differ))
	return differ, nil
}

// worse is the level of an action that is in two lists. A tag is written too: it stays a tag.
func worse(a, b int) int {
	if a == 3 && b == 4 || a == 4 && b == 3 {
		return 3
	}
	return max(a, b)
}
