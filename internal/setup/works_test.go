package setup_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// hostile is a path that IAM allows, with characters that are special in a shell, in
// HCL and in JSON.
const hostile = `/a'b"$(touch${IFS}here)` + "`touch\\there`" + `/#${c}%{d}$${e}\n{{x}}&<!--;|!1~[&@,:=]>/`

// The commands make roles that the platform can assume, with the external ID
// only and for as long as the integration says. They are run by the AWS CLI,
// and so is the change of a trust policy in the next test. It takes a second to
// start, so other tests read its arguments instead.
func TestCommandsMakeRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	readonly := role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")
	again := role(t, "readonly-us", "arn:aws:iam::444455556666:role/ReadOnly", 2*time.Hour)
	odd := role(t, "odd", "arn:aws:iam::444455556666:role"+hostile+"-x=y,z")
	w.paste(write(t, w.subject(readonly, again, odd)).AWSCLI)

	for _, r := range []rolebroker.Role{readonly, odd} {
		w.allow(r.Name, w.platform, r, externalID)
		w.allow(r.Name+" for a colleague, since the account is trusted", w.colleague, r, externalID)
		w.deny(r.Name+" without an external ID", w.platform, r, "")
		w.deny(r.Name+" with another", w.platform, r, nextID)
		made, _ := w.customer.Role(r.ARN.Name)
		if made.ARN != r.ARN.String() || made.Description != "Lent to AI agents by rolebroker as production/"+r.Name {
			t.Errorf("made %+v", made)
		}
	}
	if made, _ := w.customer.Role("ReadOnly"); made.MaxSessionDuration != 2*time.Hour {
		t.Errorf("the maximum session duration is %s", made.MaxSessionDuration)
	}
}

func TestExactPrincipalKeepsTheAccountOut(t *testing.T) {
	w := newWorld(t)
	s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
	s.Request.Principal = rolebroker.PrincipalExact
	w.run(write(t, s).AWSCLI)
	w.allow("the platform", w.platform, s.Roles[0], externalID)
	w.deny("a colleague", w.colleague, s.Roles[0], externalID)
}

func TestChangeOverAcceptsBothExternalIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
	s.ExternalIDs = []string{externalID, nextID}
	w.run(write(t, s).AWSCLI)
	w.allow("the current one", w.platform, s.Roles[0], externalID)
	w.allow("the next one", w.platform, s.Roles[0], nextID)
	w.deny("an earlier one", w.platform, s.Roles[0], earlierID)

	s.ExternalIDs, s.Earlier = []string{nextID}, []string{externalID}
	s = w.withCurrent(s)
	w.paste(write(t, s).AWSCLI)
	w.allow("the one it was changed to", w.platform, s.Roles[0], nextID)
	w.deny("the one it was changed from", w.platform, s.Roles[0], externalID)
}

// withCurrent is the subject with the current trust policy of its one role.
func (w *world) withCurrent(s setup.Subject) setup.Subject {
	made, _ := w.customer.Role(s.Roles[0].ARN.Name)
	s.Request.Role, s.Request.CurrentPolicy = s.Roles[0].Name, made.TrustPolicy
	return s
}

// The merged policy lets us in, and changes nothing for others.
func TestMergedPolicyKeepsWhatOthersCouldDo(t *testing.T) {
	w := newWorld(t)
	other := w.aws.Account(otherID).CreateUser("other", awssim.AllowAll).Key
	s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
	w.customer.CreateRole(awssim.Role{Name: "ReadOnly", TrustPolicy: `{"Version":"2012-10-17","Statement":[
		{"Sid":"Others","Effect":"Allow","Principal":{"AWS":["111122223333","777788889999"],"Service":"ec2.amazonaws.com"},"Action":"sts:*"},
		{"Sid":"Another","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:*","Condition":{"StringEquals":{"sts:ExternalId":"theirs"}}}]}`})
	w.allow("the platform without an external ID, before", w.platform, s.Roles[0], "")

	s = w.withCurrent(s)
	done := write(t, s)
	w.run(done.AWSCLI)
	w.allow("the platform", w.platform, s.Roles[0], externalID)
	w.deny("the platform without an external ID", w.platform, s.Roles[0], "")
	w.allow("another integration of the platform", w.platform, s.Roles[0], "theirs")
	w.allow("another account", other, s.Roles[0], "")
	if _, err := w.customer.ServiceSession(awssim.ServiceSession{Service: "ec2.amazonaws.com",
		Role: "ReadOnly"}); err != nil {
		t.Errorf("the service that it trusted: %v", err)
	}
	if again := write(t, w.withCurrent(s)); again.Roles[0].Diff != "" || strings.Contains(again.AWSCLI, "\naws ") {
		t.Errorf("a second time there is still something to change:\n%s", again.Roles[0].Diff)
	}
}

// The statement of AllowPlatform is enough for an identity without other policies.
func TestAllowPlatformIsEnough(t *testing.T) {
	w := newWorld(t)
	odd := role(t, "odd", "arn:aws:iam::444455556666:role"+hostile+"Odd")
	next := role(t, "next", "arn:aws:iam::444455556666:role/Odd2")
	s := w.subject(odd, next)
	for _, r := range s.Roles {
		w.customer.CreateRole(awssim.Role{Name: r.ARN.Name, Path: r.ARN.Path, TrustPolicy: s.TrustPolicy(r)})
	}
	narrow := w.aws.Account(vendorID).CreateUser("narrow", `{"Version":"2012-10-17","Statement":[`+
		setup.AllowPlatform(odd.ARN)+`]}`).Key
	w.allow("the role", narrow, odd, externalID)
	w.deny("another", narrow, next, externalID)
}

// template is a template as CloudFormation reads it.
type template struct {
	Metadata struct {
		Rolebroker struct{ CurrentPolicy, LeftOut, FillIn, Use []string }
	}
	Parameters map[string]any `json:"Parameters"`
	Resources  map[string]struct {
		Type       string `json:"Type"`
		Properties struct {
			RoleName                 string `json:"RoleName"`
			Path                     string `json:"Path"`
			Description              string `json:"Description"`
			MaxSessionDuration       int    `json:"MaxSessionDuration"`
			AssumeRolePolicyDocument any    `json:"AssumeRolePolicyDocument"`
		} `json:"Properties"`
	} `json:"Resources"`
	Outputs map[string]any `json:"Outputs"`
}

// templates are the templates in a text, and how many bytes each one has.
func templates(t *testing.T, text string) (all []template, sizes []int) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	for before := int64(0); ; before = decoder.InputOffset() {
		var one template
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, sizes
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		all, sizes = append(all, one), append(sizes, int(decoder.InputOffset()-before))
	}
}

func TestCloudFormationMakesRoles(t *testing.T) {
	w := newWorld(t)
	readonly := role(t, "read-only", "arn:aws:iam::444455556666:role/ReadOnly")
	same := role(t, "read.only", "arn:aws:iam::444455556666:role/team/ReadOnly2", 12*time.Hour)
	odd := role(t, "1", "arn:aws:iam::444455556666:role"+hostile+"+x")
	elsewhere := role(t, "no", "arn:aws:iam::777788889999:role/yes")
	s := w.subject(readonly, elsewhere, same, odd)
	all, _ := templates(t, write(t, s).CloudFormation)
	if len(all) != 2 || len(all[0].Resources) != 3 || len(all[1].Resources) != 1 || len(all[0].Outputs) != 3 ||
		len(all[0].Parameters) != 3 {
		t.Fatalf("templates %+v", all)
	}
	accounts := []*awssim.Account{w.customer, w.aws.Account(otherID)}
	for i, one := range all {
		for id, resource := range one.Resources {
			if resource.Type != "AWS::IAM::Role" || strings.Trim(id,
				"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
				t.Errorf("resource %s of type %s", id, resource.Type)
			}
			p := resource.Properties
			trust, err := json.Marshal(p.AssumeRolePolicyDocument)
			if err != nil {
				t.Fatal(err)
			}
			accounts[i].CreateRole(awssim.Role{Name: p.RoleName, Path: p.Path, Description: p.Description,
				TrustPolicy: string(trust), MaxSessionDuration: time.Duration(p.MaxSessionDuration) * time.Second})
		}
	}
	for _, r := range s.Roles {
		w.allow(r.Name, w.platform, r, externalID)
		w.deny(r.Name+" without an external ID", w.platform, r, "")
	}
	if made, _ := w.customer.Role("ReadOnly2"); made.MaxSessionDuration != 12*time.Hour {
		t.Errorf("the maximum session duration is %s", made.MaxSessionDuration)
	}
}

func TestCloudFormationHasNoReferences(t *testing.T) {
	w := newWorld(t)
	s := w.subject(role(t, "odd", "arn:aws:iam::444455556666:role/{{resolve:ssm:x}}/Odd"),
		role(t, "plain", "arn:aws:iam::444455556666:role/Plain"))
	all, _ := templates(t, write(t, s).CloudFormation)
	if len(all) != 1 || len(all[0].Resources) != 1 {
		t.Errorf("templates %+v", all)
	}
}

// A template stays below 51,200 bytes, however many roles there are.
func TestCloudFormationStaysBelowItsLimits(t *testing.T) {
	w := newWorld(t)
	var roles []rolebroker.Role
	for i := range 100 {
		name := strings.Repeat("n", 62) + string(rune('a'+i/26)) + string(rune('a'+i%26))
		roles = append(roles, role(t, name, "arn:aws:iam::444455556666:role/"+strings.Repeat("p", 100)+"/"+name))
	}
	_, sizes := templates(t, write(t, w.subject(roles...)).CloudFormation)
	if len(sizes) != 5 || slices.Max(sizes) > 51200 {
		t.Errorf("the templates have %v bytes", sizes)
	}
}

// resources are the roles that Terraform would create from a text.
func resources(t *testing.T, text string) (all []awssim.Role) {
	t.Helper()
	if formatted := hclwrite.Format([]byte(text)); !bytes.Equal(formatted, []byte(text)) {
		t.Errorf("it is not as terraform fmt writes it:\n%s", text)
	}
	file, problems := hclsyntax.ParseConfig([]byte(text), "roles.tf", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatalf("%v\n%s", problems, text)
	}
	names := map[string]bool{}
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if block.Type != "resource" {
			continue
		}
		if name := block.Labels[1]; names[name] || !hclsyntax.ValidIdentifier(name) {
			t.Errorf("the resource is called %q", name)
		}
		names[block.Labels[1]] = true
		all = append(all, resource(t, block))
	}
	return all
}

func resource(t *testing.T, block *hclsyntax.Block) awssim.Role {
	t.Helper()
	functions := &hcl.EvalContext{Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc}}
	values := map[string]cty.Value{}
	for name, attribute := range block.Body.Attributes {
		value, problems := attribute.Expr.Value(functions)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		values[name] = value
	}
	made := awssim.Role{Name: values["name"].AsString(), Path: values["path"].AsString(),
		Description: values["description"].AsString(), TrustPolicy: values["assume_role_policy"].AsString()}
	if d, ok := values["max_session_duration"]; ok {
		seconds, _ := d.AsBigFloat().Int64()
		made.MaxSessionDuration = time.Duration(seconds) * time.Second
	}
	return made
}

func TestTerraformMakesRoles(t *testing.T) {
	w := newWorld(t)
	readonly := role(t, "read-only", "arn:aws:iam::444455556666:role/ReadOnly")
	same := role(t, "read.only", "arn:aws:iam::444455556666:role/team/ReadOnly2", 12*time.Hour)
	odd := role(t, "1", "arn:aws:iam::444455556666:role"+hostile+"+x")
	s := w.subject(readonly, same, odd)
	s.ExternalIDs = []string{externalID, nextID}
	for _, made := range resources(t, write(t, s).Terraform) {
		w.customer.CreateRole(made)
	}
	for _, r := range s.Roles {
		w.allow(r.Name, w.platform, r, externalID)
		w.allow(r.Name+" with the next external ID", w.platform, r, nextID)
		w.deny(r.Name+" without an external ID", w.platform, r, "")
	}
	if made, _ := w.customer.Role("ReadOnly2"); made.MaxSessionDuration != 12*time.Hour {
		t.Errorf("the maximum session duration is %s", made.MaxSessionDuration)
	}
}

// For a role that exists, every format has the merged policy.
func TestEveryFormatHasTheMergedPolicy(t *testing.T) {
	w := newWorld(t)
	s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
	s.Request.Role = "readonly"
	s.Request.CurrentPolicy = `{"Statement":{"Sid":"it's \"${x}\" %{y} $${z} %%{~} \\ \u00e9\u0085 <&> {{ }}","Effect":"Allow","Principal":{"Service":"a.b"},
		"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:SecureTransport":[true,"true"]},"NumericLessThan":{"aws:EpochTime":2000000000},"Null":{"for":"no","null":"~","1":"- a: b #"}}}}`
	done := write(t, s)
	want := decoded(t, done.Roles[0].Merged)
	for _, made := range resources(t, done.Terraform) {
		if got := decoded(t, made.TrustPolicy); got != want {
			t.Errorf("Terraform has %s, want %s", got, want)
		}
	}
	made, _ := templates(t, done.CloudFormation)
	trust, err := json.Marshal(made[0].Resources["ReadonlyRole"].Properties.AssumeRolePolicyDocument)
	if err != nil {
		t.Fatal(err)
	}
	if got := decoded(t, string(trust)); got != want {
		t.Errorf("CloudFormation has %s, want %s", got, want)
	}
	if argv := arguments(t, done.AWSCLI); len(argv) != 1 || decoded(t, argv[0][5]) != want {
		t.Errorf("the command has %q, want %s", argv, want)
	}
}

// decoded is JSON in a canonical form.
func decoded(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// arguments are those of each call of aws iam in a script.
func arguments(t testing.TB, text string) (calls [][]string) {
	t.Helper()
	run := bash(t, `aws() { if [ "$1" = sts ]; then echo `+customerID+`; else printf '%s\0' "$@" $'\001'; fi; }`+"\n"+
		text)
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, call := range strings.Split(strings.TrimSuffix(string(out), "\x00\x01\x00"), "\x00\x01\x00") {
		calls = append(calls, strings.Split(call, "\x00"))
	}
	return calls
}

// Every character that IAM allows in a path stays text in a shell.
func TestCommandsAreInert(t *testing.T) {
	w := newWorld(t)
	var every []byte
	for c := byte(0x21); c <= 0x7e; c++ {
		if c != '*' && c != '?' {
			every = append(every, c)
		}
	}
	for _, path := range []string{hostile, "/" + string(every) + "/", `/\/`, `/'/`, `/"/`, "/`/", "/$HOME/", "/!!/",
		`/'\''/`, "/~/", "//"} {
		s := w.subject()
		r := role(t, "odd", "arn:aws:iam::444455556666:role/Odd")
		r.ARN.Path, r.ARN.Name = path, "-odd"
		s.Roles = []rolebroker.Role{r}
		done := write(t, s)
		calls := arguments(t, done.AWSCLI)
		want := []string{"iam", "create-role", "--role-name=-odd", "--path", path}
		if len(calls) != 1 || strings.Join(calls[0][:5], "\n") != strings.Join(want, "\n") {
			t.Errorf("called with %q, want %q", calls, want)
		}
		if got := resources(t, done.Terraform); len(got) != 1 || got[0].Path != path {
			t.Errorf("Terraform makes %+v, want the path %s", got, path)
		}
		all, _ := templates(t, done.CloudFormation)
		if got := all[0].Resources["OddRole"].Properties.Path; got != path {
			t.Errorf("CloudFormation makes the path %s, want %s", got, path)
		}
	}
}

// Commands with placeholders do not run.
func TestCommandsWithPlaceholdersAreComments(t *testing.T) {
	w := newWorld(t)
	s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
	s.Platform = rolebroker.Identity{}
	unknown := write(t, s)
	if unknown.PlatformProblem == "" || unknown.Principal != "arn:aws:iam::PLATFORM_ACCOUNT_ID:root" {
		t.Errorf("the problem is %q, the principal %s", unknown.PlatformProblem, unknown.Principal)
	}
	s.Mode = rolebroker.ModeCluster
	for _, done := range []*rolebroker.Setup{unknown, write(t, s)} {
		if got := arguments(t, done.AWSCLI); got[0][0] != "" {
			t.Errorf("called with %q", got)
		}
	}
}

// With credentials of another account no command runs: bash -e ends, and a shell into
// which the commands are pasted continues after those of the account.
func TestCommandsAreForOneAccount(t *testing.T) {
	w := newWorld(t)
	readonly, archive := role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"),
		role(t, "archive", "arn:aws:iam::777788889999:role/Archive")
	done := write(t, w.subject(readonly, archive))
	stub := `aws() { if [ "$1" = sts ]; then echo ` + otherID + `; else echo called; fi; }` + "\n"
	run := func(text string) (string, error) {
		out, err := bash(t, stub+text).CombinedOutput()
		return string(out), err
	}
	if out, err := run(done.AWSCLI); err == nil || out != "these are not credentials of account 444455556666\n" {
		t.Errorf("in another account it ends with %v and\n%s", err, out)
	}
	own := write(t, w.subject(archive)).AWSCLI
	if out, err := run(own); err != nil || out != "called\n" {
		t.Errorf("in its own account it ends with %v and\n%s", err, out)
	}
	paste := bash(t, "bash -s")
	paste.Stdin = strings.NewReader(stub + done.AWSCLI + "echo still here\n")
	if out, err := paste.CombinedOutput(); err != nil || string(out) != "these are not credentials of account "+
		"444455556666\ncalled\nstill here\n" {
		t.Errorf("pasted it ends with %v and\n%s", err, out)
	}
	if out, err := run(strings.Replace(own, "aws iam create-role", "false\naws iam create-role", 1)); err == nil ||
		out != "" {
		t.Errorf("when a command fails it ends with %v and\n%s", err, out)
	}
}

// A comment stays a comment, whatever characters a name has.
func TestNamesDoNotEndComments(t *testing.T) {
	w := newWorld(t)
	for _, end := range []string{"\n", "\r\n", "\r", "\u0085", "\u2028"} {
		for _, draft := range []bool{false, true} {
			s := w.subject(role(t, "a'"+end+"touch here; aws iam x"+end, "arn:aws:iam::444455556666:role/ReadOnly"))
			s.Integration, s.Draft = "b"+end+"touch here'"+end, draft
			done := write(t, s)
			if calls := arguments(t, done.AWSCLI); len(calls) != 1 || calls[0][1] != "create-role" {
				t.Errorf("%q: called with %q", end, calls)
			}
			if made := resources(t, done.Terraform); len(made) != 1 {
				t.Errorf("%q: Terraform makes %+v", end, made)
			}
			if all, _ := templates(t, done.CloudFormation); len(all) != 1 || len(all[0].Resources) != 1 {
				t.Errorf("%q: the templates are %+v", end, all)
			}
			s.Platform = rolebroker.Identity{}
			if calls := arguments(t, write(t, s).AWSCLI); calls[0][0] != "" {
				t.Errorf("%q: called with %q", end, calls)
			}
		}
	}
}

// token is a service account's token, signed by the cluster's issuer.
func token(t *testing.T, key *ecdsa.PrivateKey, subject, audience string) *string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "one"}},
		nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	raw, err := jwt.Signed(signer).Claims(jwt.Claims{Issuer: idp, Subject: subject, Audience: jwt.Audience{audience},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute))}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return &raw
}

func TestServiceAccountAssumesWithItsToken(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
	s.Mode, s.Request.Cluster.Issuer = rolebroker.ModeCluster, idp
	provider := w.customer.AddOIDCProvider(idp, []string{"sts.amazonaws.com", "else"},
		jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one"}}})
	done := write(t, s)
	if done.Principal != provider || len(done.ExternalIDs) != 0 {
		t.Errorf("the principal is %s with external IDs %v, want %s", done.Principal, done.ExternalIDs, provider)
	}
	w.run(done.AWSCLI)
	assume := func(subject, audience string) error {
		_, err := w.sts(awssim.Credentials{}).AssumeRoleWithWebIdentity(context.Background(),
			&sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String(s.Roles[0].ARN.String()), RoleSessionName: aws.String("scout"),
				WebIdentityToken: token(t, key, subject, audience)})
		return err
	}
	if err := assume("system:serviceaccount:rolebroker:rolebroker-runner", "sts.amazonaws.com"); err != nil {
		t.Errorf("the service account: %v", err)
	}
	denied(t, "another service account", assume("system:serviceaccount:rolebroker:other", "sts.amazonaws.com"))
	denied(t, "another namespace", assume("system:serviceaccount:other:rolebroker-runner", "sts.amazonaws.com"))
	denied(t, "another audience", assume("system:serviceaccount:rolebroker:rolebroker-runner", "else"))
	w.deny("the platform", w.platform, s.Roles[0], externalID)
}

// Roles can trust a whole namespace, or the whole cluster, and then say what that means.
func TestNamespaceAssumesWithItsTokens(t *testing.T) {
	for _, test := range []struct {
		namespace   string
		in, out     []string
		says, quote string
	}{
		{"agents", []string{"agents:scout", "agents:other"}, []string{"other:scout", "agents2:scout"},
			"every service account of the namespace agents, also those", `"system:serviceaccount:agents:*"`},
		{"*", []string{"agents:scout", "other:scout"}, nil, "every service account of the cluster, also those",
			`"system:serviceaccount:*:*"`},
	} {
		w := newWorld(t)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
		s.Mode, s.Request.Cluster = rolebroker.ModeCluster, rolebroker.ClusterIdentity{Issuer: idp,
			Namespace: test.namespace, ServiceAccount: rolebroker.AnyAccount}
		w.customer.AddOIDCProvider(idp, []string{"sts.amazonaws.com", "else"},
			jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one"}}})
		done := write(t, s)
		w.run(done.AWSCLI)
		assume := func(subject, audience string) error {
			_, err := w.sts(awssim.Credentials{}).AssumeRoleWithWebIdentity(context.Background(),
				&sts.AssumeRoleWithWebIdentityInput{
					RoleArn: aws.String(s.Roles[0].ARN.String()), RoleSessionName: aws.String("scout"),
					WebIdentityToken: token(t, key, subject, audience)})
			return err
		}
		for _, account := range test.in {
			if err := assume("system:serviceaccount:"+account, "sts.amazonaws.com"); err != nil {
				t.Errorf("%s for %s: %v", account, test.namespace, err)
			}
			denied(t, "another audience", assume("system:serviceaccount:"+account, "else"))
		}
		for _, account := range test.out {
			denied(t, account, assume("system:serviceaccount:"+account, "sts.amazonaws.com"))
		}
		if len(done.Notes) != 1 || !strings.Contains(done.Notes[0], test.says) ||
			!strings.Contains(strings.Join(strings.Fields(done.Text), " "), test.says) ||
			!strings.Contains(done.TrustPolicy, `"StringLike"`) || !strings.Contains(done.TrustPolicy, test.quote) {
			t.Errorf("%s: %v\n%s", test.namespace, done.Notes, done.TrustPolicy)
		}
	}
}

func TestServiceAccountAssumesByPodIdentity(t *testing.T) {
	w := newWorld(t)
	s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
	s.Mode = rolebroker.ModeCluster
	s.Request.Cluster = rolebroker.ClusterIdentity{Variant: rolebroker.ClusterPodIdentity, Namespace: "agents",
		ServiceAccount: "runner"}
	w.run(write(t, s).AWSCLI)
	session := func(namespace, account string) error {
		_, err := w.customer.ServiceSession(awssim.ServiceSession{Service: "pods.eks.amazonaws.com", Role: "ReadOnly",
			Tags: map[string]string{
				"eks-cluster-name": "c", "kubernetes-namespace": namespace, "kubernetes-service-account": account}})
		return err
	}
	if err := session("agents", "runner"); err != nil {
		t.Errorf("the service account: %v", err)
	}
	for _, other := range [][2]string{{"default", "runner"}, {"agents", "default"}} {
		var refusal *awssim.Error
		if err := session(other[0], other[1]); !errors.As(err, &refusal) || refusal.Code != "AccessDenied" {
			t.Errorf("%v: want AccessDenied, got %v", other, err)
		}
	}
	w.deny("the platform", w.platform, s.Roles[0], externalID)

	t.Run("a namespace", func(t *testing.T) {
		w = newWorld(t)
		s.Request.Cluster.ServiceAccount = rolebroker.AnyAccount
		w.run(write(t, s).AWSCLI)
		if err := errors.Join(session("agents", "runner"), session("agents", "default")); err != nil {
			t.Error(err)
		}
		var refusal *awssim.Error
		if err := session("default", "runner"); !errors.As(err, &refusal) || refusal.Code != "AccessDenied" {
			t.Errorf("another namespace: want AccessDenied, got %v", err)
		}
	})
}
