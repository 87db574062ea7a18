package setup_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// roles are n roles in a number of accounts.
func roles(t testing.TB, n, accounts int) (all []rolebroker.Role) {
	for i := range n {
		all = append(all, role(t, fmt.Sprint("r", i), fmt.Sprintf("arn:aws:iam::%012d:role/R%d", i%accounts+1, i)))
	}
	return all
}

// large are subjects with n of something, by what they have n of.
func large(t testing.TB, n int) map[string]setup.Subject {
	of := func(all []rolebroker.Role, change func(*setup.Subject)) setup.Subject {
		s := setup.Subject{Integration: "production", Platform: placed, ExternalIDs: []string{externalID}, Roles: all}
		change(&s)
		return s
	}
	same := func(*setup.Subject) {}
	irsa := func(s *setup.Subject) { s.Mode, s.Request.Cluster.Issuer = rolebroker.ModeCluster, idp }
	alike := roles(t, n, 1)
	for i := range alike {
		// to Terraform they are one
		alike[i].Name = "a" + strings.NewReplacer("0", "-", "1", ".").Replace(fmt.Sprintf("%012b", i))
	}
	each := func(format string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = strings.ReplaceAll(format, "#", fmt.Sprint(i))
		}
		return strings.Join(parts, ",")
	}
	when := func(raw string) setup.Subject {
		return merging(t, st(awsOf(root), action(actAll), condition(`{`+raw+`}`)))
	}
	return map[string]setup.Subject{
		"roles in one account":               of(roles(t, n, 1), same),
		"roles in as many accounts":          of(roles(t, n, n), same),
		"roles in as many accounts, by IRSA": of(roles(t, n, n), irsa),
		"roles of one name in Terraform":     of(alike, same),
		"keys of one operator":               when(`"StringEquals":{` + each(`"a:#":"v"`) + `}`),
		"operators":                          when(each(`"#":{"k":"v"}`)),
		"values of one key":                  when(`"StringEquals":{"a:b":[` + each(`"#"`) + `]}`),
		"external IDs":                       when(`"StringLike":{"sts:ExternalId":[` + each(`"rb-#*"`) + `]}`),
		"principals":                         merging(t, st(`{"AWS":["`+root+`",`+each(`"#"`)+`]}`, action(`"sts:*"`))),
		"actions": merging(t, st(awsOf(root),
			action(`["sts:AssumeRole",`+each(`"sts:#"`)+`]`))),
		"kinds of principals": merging(t, st(`{"AWS":"`+root+`",`+each(`"#":"*"`)+`}`,
			action(`"sts:*"`))),
	}
}

// A subject that is twice as large takes little more than twice the work.
func TestEffortIsLinear(t *testing.T) {
	const n, most = 200, 1500 // allocations for each; the race detector makes some more
	twice := large(t, 2*n)
	effort := func(s setup.Subject) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		write(t, s)
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	for name, s := range large(t, n) {
		once, both := effort(s), effort(twice[name])
		if 2*both > 5*once || both > 2*n*most {
			t.Errorf("%s: %d take %d allocations, and twice as many %d", name, n, once, both)
		}
	}
}

// The size of a setup is bounded, whatever policy a request contains.
func TestSetupIsNotMuchLargerThanThePolicy(t *testing.T) {
	const room = 8<<10 - 400
	long := strings.Repeat("k", room/2)
	for name, when := range map[string]string{
		"a long key among short ones": `"StringEquals":{"` + long + `":"v"` + shortKeys(room/2) + `}`,
		"what is escaped":             `"StringEquals":{"k":"` + strings.Repeat("'", room) + `"}`,
	} {
		done := write(t, merging(t, st(awsOf(root), action(actAll), condition(`{`+when+`}`))))
		for i, text := range []string{done.Text, done.AWSCLI, done.CloudFormation, done.Terraform} {
			if len(text) > 2<<20 {
				t.Errorf("%s: text %d has %d bytes", name, i, len(text))
			}
		}
	}
}

// shortKeys are further members of a JSON object, of about size bytes.
func shortKeys(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size-12; i++ {
		fmt.Fprintf(&b, `,"%x":""`, i)
	}
	return b.String()
}

// until is a context that ends after a number of calls to Err.
type until struct {
	context.Context
	left int
}

func (u *until) Err() error {
	if u.left--; u.left < 0 {
		return context.Canceled
	}
	return nil
}

// Writing stops soon after ctx ends, wherever it is.
func TestWritingEndsWithTheContext(t *testing.T) {
	s := setup.Subject{Integration: "production", Platform: placed, ExternalIDs: []string{externalID},
		Roles: roles(t, 40, 3)}
	whole := &until{t.Context(), 1 << 20}
	if _, err := setup.New(whole, s); err != nil {
		t.Fatal(err)
	}
	asked := 1<<20 - whole.left
	if asked < 5*len(s.Roles) {
		t.Errorf("it is asked %d times whether it goes on", asked)
	}
	for left := range asked {
		ctx := &until{t.Context(), left}
		if _, err := setup.New(ctx, s); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			t.Errorf("broken off after %d: %v", left, err)
		}
		if after := -ctx.left; after > 20 {
			t.Errorf("broken off after %d, it goes on for %d more", left, after)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for name, s := range map[string]setup.Subject{
		"10,000 roles":                    {Roles: roles(b, 10_000, 1)},
		"10,000 roles in 10,000 accounts": {Roles: roles(b, 10_000, 10_000)},
		"a policy of 2,000 keys":          large(b, 2000)["keys of one operator"],
	} {
		s.Integration, s.Platform, s.ExternalIDs = "production", placed, []string{externalID}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := setup.New(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
