package setup_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// stack is a template of CloudFormation in one account, with its parameters.
type stack struct {
	testing.TB
	account    string
	parameters map[string]any
	conditions map[string]any
}

// deploy makes the roles of a template in an account, as CloudFormation does, and returns their names.
func deploy(t testing.TB, in *awssim.Account, account, template string, parameters map[string]any) (made []string) {
	t.Helper()
	var text struct {
		Parameters map[string]struct {
			Type    string `json:"Type"`
			Default any    `json:"Default"`
		} `json:"Parameters"`
		Conditions map[string]any `json:"Conditions"`
		Resources  map[string]struct {
			Type       string         `json:"Type"`
			Condition  string         `json:"Condition"`
			Properties map[string]any `json:"Properties"`
		} `json:"Resources"`
	}
	if err := json.Unmarshal([]byte(template), &text); err != nil {
		t.Fatalf("%v\n%s", err, template)
	}
	s := &stack{TB: t, account: account, parameters: map[string]any{}, conditions: text.Conditions}
	for name, p := range text.Parameters {
		value, given := parameters[name]
		if !given {
			value = p.Default
		}
		if text, ok := value.(string); ok && p.Type == "CommaDelimitedList" {
			value = list(strings.Split(text, ","))
		}
		if value == nil {
			t.Fatalf("the parameter %s has no value", name)
		}
		s.parameters[name] = value
	}
	for _, r := range text.Resources {
		if r.Condition != "" && !s.holds(r.Condition) {
			continue
		}
		p := s.value(r.Properties).(map[string]any)
		trust, err := json.Marshal(p["AssumeRolePolicyDocument"])
		if err != nil || r.Type != "AWS::IAM::Role" {
			t.Fatalf("%s: %v", r.Type, err)
		}
		seconds, _ := p["MaxSessionDuration"].(float64)
		path, _ := p["Path"].(string)
		in.CreateRole(awssim.Role{Name: p["RoleName"].(string), Path: path, Description: p["Description"].(string),
			TrustPolicy: string(trust), MaxSessionDuration: time.Duration(seconds) * time.Second})
		made = append(made, p["RoleName"].(string))
	}
	slices.Sort(made)
	return made
}

func list(all []string) (values []any) {
	for _, one := range all {
		values = append(values, one)
	}
	return values
}

func (s *stack) holds(name string) bool {
	s.Helper()
	c, ok := s.conditions[name]
	if !ok {
		s.Fatalf("there is no condition %s", name)
	}
	return s.value(c).(bool)
}

// nothing is AWS::NoValue, which takes its member out.
var nothing = new(int)

// value is what an intrinsic function, or a value with some in it, comes to.
func (s *stack) value(v any) any {
	s.Helper()
	switch v := v.(type) {
	case []any:
		all := []any{}
		for _, one := range v {
			all = append(all, s.value(one))
		}
		return all
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return s.call(name, argument)
				}
			}
		}
		o := map[string]any{}
		for name, one := range v {
			if value := s.value(one); value != nothing {
				o[name] = value
			}
		}
		return o
	}
	return v
}

func (s *stack) call(name string, argument any) any {
	s.Helper()
	args, _ := argument.([]any)
	switch name {
	case "Ref":
		switch argument {
		case "AWS::NoValue":
			return nothing
		case "AWS::AccountId":
			return s.account
		}
		value, ok := s.parameters[argument.(string)]
		if !ok {
			s.Fatalf("there is no parameter %s", argument)
		}
		return value
	case "Fn::If":
		if s.holds(args[0].(string)) {
			return s.value(args[1])
		}
		return s.value(args[2])
	case "Fn::Not":
		return !s.value(args[0]).(bool)
	case "Fn::Equals":
		return s.value(args[0]) == s.value(args[1])
	case "Fn::Or":
		if len(args) < 2 || len(args) > 10 {
			s.Fatalf("Fn::Or has %d conditions", len(args))
		}
		return slices.ContainsFunc(args, func(a any) bool { return s.value(a).(bool) })
	case "Fn::Join":
		var all []string
		for _, one := range s.value(args[1]).([]any) {
			all = append(all, one.(string))
		}
		return strings.Join(all, args[0].(string))
	case "Fn::Sub":
		text := strings.ReplaceAll(argument.(string), "${AWS::AccountId}", s.account)
		return strings.ReplaceAll(text, "${!", "${")
	}
	s.Fatalf("the function %s", name)
	return nil
}

const templateURL = "https://acme.s3.eu-central-1.amazonaws.com/rolebroker-role.json"

func parseTemplate(t testing.TB, address string) rolebroker.TemplateURL {
	t.Helper()
	parsed, err := rolebroker.ParseTemplateURL(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// fragment is the page and the query that an address of the console has after the '#'.
func fragment(t testing.TB, address string) (page string, query url.Values) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	page, rest, _ := strings.Cut(u.EscapedFragment(), "?")
	if query, err = url.ParseQuery(rest); err != nil {
		t.Fatal(err)
	}
	return page, query
}

// A quick-create link fills the template in, and the role that comes of it can be assumed.
func TestQuickCreateMakesARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	readonly := role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")
	odd := role(t, "odd", "arn:aws:iam::444455556666:role/team/a%20b/&c=d/+=,.@_-x", 4*time.Hour)
	s := w.subject(readonly, odd)
	s.Template = parseTemplate(t, templateURL)
	s.ExternalIDs = []string{externalID, nextID}
	for _, one := range write(t, s).Roles {
		page, values := fragment(t, one.Console.QuickCreate)
		if !strings.HasPrefix(one.Console.QuickCreate,
			"https://console.aws.amazon.com/cloudformation/home?region=eu-central-1#") ||
			page != "/stacks/quickcreate" || values.Get("templateURL") != templateURL ||
			!strings.HasPrefix(values.Get("stackName"), "rolebroker-production-") {
			t.Errorf("the link is %s", one.Console.QuickCreate)
		}
		parameters := map[string]any{}
		for name := range values {
			if parameter, ok := strings.CutPrefix(name, "param_"); ok {
				parameters[parameter] = values.Get(name)
			}
		}
		if seconds, ok := parameters["MaxSessionDuration"]; ok {
			parameters["MaxSessionDuration"] = map[string]any{"14400": 14400.0}[seconds.(string)]
		}
		deploy(t, w.customer, customerID, setup.GenericTemplate(), parameters)
		made, _ := w.customer.Role(one.Role.ARN.Name)
		if made.ARN != one.Role.ARN.String() || made.MaxSessionDuration != one.Role.Duration() ||
			made.Description != "Lent to AI agents by rolebroker as production/"+one.Role.Name {
			t.Errorf("made %+v", made)
		}
		w.allow(one.Role.Name, w.platform, one.Role, externalID)
		w.allow(one.Role.Name+" with the next external ID", w.platform, one.Role, nextID)
		w.deny(one.Role.Name+" without an external ID", w.platform, one.Role, "")
	}
}

// The wizard gets the account and the external ID, in the console of the role's partition.
func TestConsoleLinks(t *testing.T) {
	for _, c := range []struct{ partition, region, console, domain string }{
		{"aws", "eu-west-1", "https://console.aws.amazon.com", "amazonaws.com"},
		{"aws-cn", "cn-north-1", "https://console.amazonaws.cn", "amazonaws.com.cn"},
		{"aws-us-gov", "us-gov-west-1", "https://console.amazonaws-us-gov.com", "amazonaws.com"},
	} {
		r := role(t, "readonly", "arn:"+c.partition+":iam::444455556666:role/Read+Only=@")
		r.Region = rolebroker.Region(c.region)
		platform := rolebroker.Identity{Account: vendorID, ARN: "arn:" + c.partition + ":iam::111122223333:user/broker"}
		s := setup.Subject{Integration: "production", ExternalIDs: []string{externalID}, Roles: []rolebroker.Role{r},
			Platform: platform,
			Template: parseTemplate(t, "https://acme.s3."+c.region+"."+c.domain+"/rolebroker-role.json")}
		links := write(t, s).Roles[0].Console
		page, values := fragment(t, links.CreateRole)
		if page != "/roles/create" || values.Get("awsAccount") != vendorID || values.Get("externalId") != externalID ||
			values.Get("isThirdParty") != "true" || values.Get("trustedEntityType") != "AWS_ACCOUNT" {
			t.Errorf("%s: the wizard is %s", c.partition, links.CreateRole)
		}
		trust := c.console + "/iam/home#/roles/details/Read%2BOnly%3D%40?section=trust_relationships"
		if links.TrustPolicy != trust {
			t.Errorf("the trust policy is at %s, want %s", links.TrustPolicy, trust)
		}
		for _, link := range []string{links.CreateRole, links.TrustPolicy, links.QuickCreate, links.CreateStack} {
			if !strings.HasPrefix(link, c.console+"/") {
				t.Errorf("%s: %s", c.partition, link)
			}
		}
		create := c.console + "/cloudformation/home?region=" + c.region + "#/stacks/create"
		if links.CreateStack != create {
			t.Errorf("a stack is created at %s, want %s", links.CreateStack, create)
		}
	}
}

// No link leads to a page that would make a role that cannot be assumed.
func TestConsoleLinksThatWouldNotWorkAreLeftOut(t *testing.T) {
	whole := func() setup.Subject {
		return setup.Subject{Integration: "production", ExternalIDs: []string{externalID}, Platform: user,
			Template: parseTemplate(t, templateURL),
			Roles:    []rolebroker.Role{role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")}}
	}
	for why, c := range map[string]struct {
		change              func(*setup.Subject)
		wizard, quick, tabs bool
	}{
		"nothing":           {func(s *setup.Subject) {}, true, true, true},
		"no template":       {func(s *setup.Subject) { s.Template = rolebroker.TemplateURL{} }, true, false, true},
		"no identity":       {func(s *setup.Subject) { s.Platform = rolebroker.Identity{} }, false, false, true},
		"a service account": {func(s *setup.Subject) { s.Mode = rolebroker.ModeCluster }, false, false, true},
		"a path":            {func(s *setup.Subject) { s.Roles[0].ARN.Path = "/team/" }, false, true, true},
		"another partition": {func(s *setup.Subject) { s.Roles[0].ARN.Partition = "aws-cn" }, false, false, false},
		"a template in China": {func(s *setup.Subject) {
			s.Template = parseTemplate(t, "https://acme.s3.cn-north-1.amazonaws.com.cn/a.json")
		}, true, false, true},
		"a partition without a console": {func(s *setup.Subject) {
			s.Roles[0].ARN.Partition, s.Platform.ARN = "aws-iso", "arn:aws-iso:iam::111122223333:user/broker"
		}, false, false, false},
	} {
		s := whole()
		c.change(&s)
		links := write(t, s).Roles[0].Console
		if (links.CreateRole != "") != c.wizard || (links.QuickCreate != "") != c.quick ||
			(links.TrustPolicy != "") != c.tabs || (links.CreateStack != "") != c.tabs {
			t.Errorf("%s: %+v", why, links)
		}
	}
}

// A stack set makes the roles of each account in that account, and nothing elsewhere.
func TestStackSetMakesTheRolesOfEachAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	accounts := []string{customerID, otherID}
	var roles []rolebroker.Role
	for i := range 12 {
		accounts = append(accounts, "3000000000"+string(rune('1'+i/10))+string(rune('0'+i%10)))
	}
	for i, account := range accounts {
		name := string(rune('a' + i))
		roles = append(roles, role(t, "readonly-"+name, "arn:aws:iam::"+account+":role/ReadOnly"))
		if i != 2 {
			roles = append(roles, role(t, "deployer-"+name, "arn:aws:iam::"+account+":role/team/Deployer", 2*time.Hour))
		}
	}
	roles = append(roles, role(t, "archive", "arn:aws:iam::777788889999:role/Archive"))
	sets := write(t, w.subject(roles...)).StackSets
	if len(sets) != 1 || len(sets[0].Accounts) != 14 || sets[0].Name != "rolebroker-production" {
		t.Fatalf("stack sets %+v", sets)
	}
	for _, account := range sets[0].Accounts {
		got := strings.Join(deploy(t, w.aws.Account(account), account, sets[0].Template, nil), " ")
		want := "Deployer ReadOnly"
		switch account {
		case otherID:
			want = "Archive Deployer ReadOnly"
		case accounts[2]:
			want = "ReadOnly"
		}
		if got != want {
			t.Errorf("in %s it makes %s, want %s", account, got, want)
		}
	}
	for _, r := range roles {
		w.allow(r.Name, w.platform, r, externalID)
		w.deny(r.Name+" without an external ID", w.platform, r, "")
	}
	for _, account := range sets[0].Accounts {
		if !strings.Contains(sets[0].Commands, account) {
			t.Errorf("the commands do not have %s:\n%s", account, sets[0].Commands)
		}
	}
}

// Roles that trust a cluster name the account that they are in.
func TestStackSetForAClusterNamesEachAccount(t *testing.T) {
	s := subjects(t)["cluster-irsa"]
	s.Roles = append(s.Roles, role(t, "readonly-2", "arn:aws:iam::777788889999:role/ReadOnly"))
	sets := write(t, s).StackSets
	if len(sets) != 1 {
		t.Fatalf("stack sets %+v", sets)
	}
	aws := awssim.New(awssim.Options{})
	for account, want := range map[string]string{customerID: "ReadOnly", otherID: "Archive ReadOnly"} {
		if got := strings.Join(deploy(t, aws.Account(account), account, sets[0].Template, nil), " "); got != want {
			t.Errorf("in %s it makes %s, want %s", account, got, want)
		}
		made, _ := aws.Account(account).Role("ReadOnly")
		trust := decoded(t, made.TrustPolicy)
		for _, one := range write(t, s).Roles {
			if one.Role.ARN.Account == account && decoded(t, one.TrustPolicy) != trust {
				t.Errorf("in %s it is\n%s\nwant\n%s", account, trust, decoded(t, one.TrustPolicy))
			}
		}
	}
}

// A template of a stack set is short enough to be sent along, however many accounts there are.
func TestStackSetsStayBelowTheirLimits(t *testing.T) {
	var roles []rolebroker.Role
	for i := range 300 {
		account := fmt.Sprintf("3%011d", i)
		roles = append(roles, role(t, "r"+account, "arn:aws:iam::"+account+":role/ReadOnly"))
		if i%2 == 0 {
			roles = append(roles, role(t, "d"+account, "arn:aws:iam::"+account+":role/Deployer"))
		}
		if i%3 == 0 {
			roles = append(roles, role(t, "e"+account, "arn:aws:iam::"+account+":role/E"+account))
		}
	}
	seen := map[string]bool{}
	s := setup.Subject{Platform: user, ExternalIDs: []string{externalID}, Roles: roles}
	for _, set := range write(t, s).StackSets {
		if len(set.Template) > 51_200 || seen[set.Name] {
			t.Errorf("%s has %d bytes", set.Name, len(set.Template))
		}
		seen[set.Name] = true
	}
	if len(seen) < 2 {
		t.Errorf("there are %d stack sets", len(seen))
	}
}

// One account needs no stack set.
func TestOneAccountHasNoStackSet(t *testing.T) {
	if sets := write(t, subjects(t)["platform"]).StackSets; len(sets) != 0 {
		t.Errorf("%+v", sets)
	}
	s := subjects(t)["platform-accounts"]
	s.Request.Account = otherID
	done := write(t, s)
	if len(done.Roles) != 1 || done.Roles[0].Role.Name != "archive.eu" || len(done.StackSets) != 0 {
		t.Errorf("the roles of account %s are %+v", otherID, done.Roles)
	}
	s.Request.Account = "300000000000"
	if _, err := setup.New(t.Context(), s); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("an account without roles: %v", err)
	}
}

// What merging changes is said in words.
func TestChangesAreInWords(t *testing.T) {
	us := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}`
	mfa := `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole",` +
		`"Condition":{"NumericLessThan":{"aws:EpochTime":"2000000000"}}}`
	both := `{"Effect":"Allow","Principal":{"AWS":["111122223333","777788889999"],"Service":"ec2.amazonaws.com"},` +
		`"Action":"sts:AssumeRole"}`
	for current, want := range map[string][]string{
		ec2:               {"Add this statement:"},
		us:                {"Replace the statement that trusts 111122223333 with this:"},
		ec2 + "," + us:    {"Replace the statement that trusts 111122223333 with this:"},
		us + "," + us:     {"Replace the 2 statements that trust 111122223333 with this:"},
		us + "," + mfa:    {"Replace the 2 statements that trust 111122223333 with this:"},
		ours() + "," + us: {"Remove the statement that trusts 111122223333: another one suffices."},
		ours():            nil,
		both: {"Take 111122223333 out of the statement that also trusts 777788889999 and ec2.amazonaws.com.",
			"Add this statement:"},
	} {
		s := setup.Subject{Platform: user, ExternalIDs: []string{externalID},
			Roles:   []rolebroker.Role{role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")},
			Request: rolebroker.SetupRequest{Role: "readonly", CurrentPolicy: document(current)}}
		done := write(t, s).Roles[0]
		var got []string
		for _, change := range done.Changes {
			got = append(got, change.Words)
			if strings.HasSuffix(change.Words, ":") != (change.Statement != "") {
				t.Errorf("%s\n%s", change.Words, change.Statement)
			}
		}
		if !slices.Equal(got, want) || (len(got) == 0) != (done.Diff == "") {
			t.Errorf("%s:\n%q, want\n%q", current, got, want)
		}
	}
}
