package validate_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// oracle is an STS whose answers are a function of the call.
type oracle struct {
	mu       sync.Mutex
	identity error
	answer   func(a rolebroker.Assumption, calls int) *rolebroker.Refusal // nil: assumed
	calls    int
}

func (o *oracle) Identity(context.Context) (*rolebroker.Identity, error) {
	if o.identity != nil {
		return nil, o.identity
	}
	return &rolebroker.Identity{Account: platform, ARN: "arn:aws:iam::" + platform + ":user/rolebroker"}, nil
}

func (o *oracle) Try(_ context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	if refusal := o.answer(a, o.calls); refusal != nil {
		return nil, refusal
	}
	return &rolebroker.Assumed{RequestID: "request"}, nil
}

var (
	denied = &rolebroker.Refusal{Kind: rolebroker.RefusedDenied, Code: "AccessDenied",
		Message: "User: x is not authorized"}
	throttled = &rolebroker.Refusal{Kind: rolebroker.RefusedThrottled, Code: "Throttling", Message: "Rate exceeded"}
	unknown   = &rolebroker.Refusal{Kind: rolebroker.RefusedIdentity, Code: "InvalidClientTokenId",
		Message: "The security token included in the request is invalid."}
)

// right reports whether a call has the external ID of the integration.
func right(a rolebroker.Assumption) bool { return a.ExternalID == "rolebroker-right" }

// closed answers for a role that requires the external ID.
func closed(a rolebroker.Assumption, _ int) *rolebroker.Refusal {
	if right(a) {
		return nil
	}
	return denied
}

// outcome validates one role.
func outcome(t *testing.T, o *oracle, opts validate.Options,
	change ...func(*validate.Subject)) rolebroker.RoleValidation {
	t.Helper()
	opts.STS = o
	subject := validate.Subject{Integration: rolebroker.Integration{Enabled: true, ID: "int_x", Name: "production",
		AssumptionMode: rolebroker.ModePlatform, ExternalID: "rolebroker-right",
		Roles: []rolebroker.Role{{Name: "readonly", Region: "us-east-1", Enabled: true,
			ARN: rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/", Name: "ReadOnly"}}}}}
	for _, c := range change {
		c(&subject)
	}
	return validate.New(opts).Roles(t.Context(), subject, nil)[0]
}

func TestACallWithoutAnswerProvesNothing(t *testing.T) {
	tagged := func(s *validate.Subject) { s.Integration.SessionTags = true }
	rotated := func(s *validate.Subject) { s.Earlier = []string{"rolebroker-earlier"} }
	for name, c := range map[string]struct {
		oracle *oracle
		change func(*validate.Subject)
		code   rolebroker.ValidationCode
	}{
		"who we are, while the role works": {&oracle{identity: denied, answer: closed}, nil, rolebroker.ValidAssumable},
		"who we are in another region": {&oracle{identity: unknown, answer: closed}, nil,
			rolebroker.ValidAssumable},
		"whether others could have it": {&oracle{answer: func(a rolebroker.Assumption, _ int) *rolebroker.Refusal {
			if right(a) {
				return nil
			}
			return throttled
		}}, nil, rolebroker.ValidThrottled},
		"whether it works without tags": {&oracle{answer: func(a rolebroker.Assumption, _ int) *rolebroker.Refusal {
			if a.Tags == (rolebroker.Tags{}) {
				return throttled
			}
			return denied
		}}, tagged, rolebroker.ValidThrottled},
		"whether an earlier external ID works, while ours does not": {&oracle{answer: func(a rolebroker.Assumption,
			_ int) *rolebroker.Refusal {
			if a.ExternalID == "rolebroker-earlier" {
				return throttled
			}
			return denied
		}}, rotated, rolebroker.ValidThrottled},
		"whether an earlier external ID works, while ours does": {&oracle{answer: func(a rolebroker.Assumption,
			n int) *rolebroker.Refusal {
			if a.ExternalID == "rolebroker-earlier" {
				return throttled
			}
			return closed(a, n)
		}}, rotated, rolebroker.ValidThrottled},
	} {
		change := c.change
		if change == nil {
			change = func(*validate.Subject) {}
		}
		if got := outcome(t, c.oracle, validate.Options{}, change); got.Code != c.code ||
			got.Code == rolebroker.ValidThrottled && got.Status != rolebroker.StatusUnknown {
			t.Errorf("%s: it is %s (%s): %s", name, got.Status, got.Code, got.Message)
		}
	}
}

func TestAKeyThatIsValidElsewhereIsNotCalledInvalid(t *testing.T) {
	got := outcome(t, &oracle{answer: func(rolebroker.Assumption, int) *rolebroker.Refusal { return unknown }},
		validate.Options{})
	if got.Code != rolebroker.ValidIdentityRegion || len(got.Hint) == 0 {
		t.Errorf("it is %s: %s", got.Code, got.Message)
	}
	got = outcome(t, &oracle{identity: unknown, answer: func(rolebroker.Assumption,
		int) *rolebroker.Refusal {
		return unknown
	}}, validate.Options{})
	if got.Code != rolebroker.ValidIdentityInvalid {
		t.Errorf("it is %s: %s", got.Code, got.Message)
	}
}

// A change of a trust policy reaches one part of IAM before another.
func TestAChangeThatIsSpreadingIsTriedTwice(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(a rolebroker.Assumption, calls int) *rolebroker.Refusal
		code   rolebroker.ValidationCode
	}{
		"opened, and others are let in a little later": {func(a rolebroker.Assumption, calls int) *rolebroker.Refusal {
			if calls <= 3 || calls <= 6 && !right(a) {
				return denied
			}
			return nil
		}, rolebroker.ValidExternalIDOpen},
		"a source identity is allowed, and known a little later": {func(a rolebroker.Assumption,
			calls int) *rolebroker.Refusal {
			if right(a) && (a.SourceIdentity == "" || calls > 4) {
				return nil
			}
			return denied
		}, rolebroker.ValidAssumable},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := outcome(t, &oracle{answer: c.answer},
				validate.Options{Patience: validate.DefaultPatience}); got.Code != c.code {
				t.Errorf("%s: it is %s", name, got.Code)
			}
		})
	}
}

func TestOurOwnRateLimitIsNotAnOutageOfSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{answer: closed}
		v := validate.New(validate.Options{STS: o, Rate: 1})
		subject := validate.Subject{Integration: rolebroker.Integration{Enabled: true,
			AssumptionMode: rolebroker.ModePlatform,
			ExternalID:     "rolebroker-right"}}
		for range 40 {
			subject.Integration.Roles = append(subject.Integration.Roles,
				rolebroker.Role{Name: "r", Region: "us-east-1",
					ARN: rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/", Name: "R"}})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		codes := count(v.Roles(ctx, subject, nil))
		if codes[rolebroker.ValidUnreachable] != 0 ||
			codes[rolebroker.ValidNotChecked]+codes[rolebroker.ValidAssumable] != 40 ||
			codes[rolebroker.ValidAssumable] == 0 {
			t.Errorf("there are %v", codes)
		}
	})
}

// The message and the hint name the party that asked STS.
func TestAValidationNamesThePartyThatAsked(t *testing.T) {
	refused := func(kind rolebroker.RefusalKind, change ...func(*rolebroker.Refusal)) *oracle {
		r := &rolebroker.Refusal{Kind: kind, Code: "Code", Message: "AWS's words"}
		for _, c := range change {
			c(r)
		}
		return &oracle{answer: func(rolebroker.Assumption, int) *rolebroker.Refusal { return r }}
	}
	by := func(d rolebroker.Denier) func(*rolebroker.Refusal) {
		return func(r *rolebroker.Refusal) { r.DeniedBy = d }
	}
	oracles := func() []*oracle {
		open := &oracle{answer: func(rolebroker.Assumption, int) *rolebroker.Refusal { return nil }}
		nobody := refused(rolebroker.RefusedNoIdentity)
		nobody.identity = nobody.answer(rolebroker.Assumption{}, 0)
		return []*oracle{open, nobody, refused(rolebroker.RefusedDenied),
			refused(rolebroker.RefusedDenied, by(rolebroker.DeniedByIdentity)),
			refused(rolebroker.RefusedDenied, by(rolebroker.DeniedByTrust)),
			refused(rolebroker.RefusedDenied, by(rolebroker.DeniedByOrganization)),
			refused(rolebroker.RefusedThrottled), refused(rolebroker.RefusedUnreachable),
			refused(rolebroker.RefusedIdentityExpired),
			refused(rolebroker.RefusedIdentity), refused(rolebroker.RefusedRegion), refused(rolebroker.RefusedDuration),
			refused(rolebroker.RefusedDuration, func(r *rolebroker.Refusal) { r.Chained = true }),
			refused(rolebroker.RefusedOther)}
	}
	elsewhere := func(s *validate.Subject) {
		s.Integration.Roles[0].ARN.Partition, s.Integration.Roles[0].Region = "aws-cn", "cn-north-1"
	}
	for other, party := range map[string]rolebroker.Party{"runner": {}, "server": {Runner: true}} {
		says := func(got rolebroker.RoleValidation) {
			t.Helper()
			if text := got.Message + "\n" + got.Hint.String(); strings.Contains(text, other) {
				t.Errorf("%s, said of %s:\n%s", got.Code, party, text)
			}
		}
		for _, o := range oracles() {
			says(outcome(t, o, validate.Options{By: party}))
		}
		says(outcome(t, oracles()[0], validate.Options{By: party}, elsewhere))
	}
}

// A trust policy for web identity can name agents too.
func TestATokenIsTriedInTheNamesOfAgents(t *testing.T) {
	named := func(pattern string) *oracle {
		return &oracle{answer: func(a rolebroker.Assumption, _ int) *rolebroker.Refusal {
			if strings.HasPrefix(a.SessionName, pattern) {
				return nil
			}
			return denied
		}}
	}
	for pattern, c := range map[string]struct {
		code rolebroker.ValidationCode
		says string
	}{
		"scout":    {rolebroker.ValidAssumable, "under the session name scout"},
		"reader":   {rolebroker.ValidAgentRefused, "under the session name reader, and not under scout"},
		"scout@":   {rolebroker.ValidAgentRefused, "under the session name scout@validation, and not under scout"},
		"somebody": {rolebroker.ValidDenied, "4. no condition in the trust policy, such as one on sts:RoleSessionName"},
	} {
		names := rolebroker.Tried{Agents: []string{"scout", "reader"}, Connected: pattern != "scout"}
		subject := validate.Subject{Tried: names, Integration: rolebroker.Integration{Enabled: true, ID: "int_x",
			Name: "production", AssumptionMode: rolebroker.ModeCluster, Roles: []rolebroker.Role{{Name: "readonly",
				Region: "us-east-1", ARN: rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/",
					Name: "ReadOnly"}}}}}
		got := validate.New(validate.Options{STS: named(pattern), By: rolebroker.Party{Runner: true}}).
			WithToken(t.Context(), subject, rolebroker.ServiceAccount{})[0]
		if got.Code != c.code || !strings.Contains(got.Message+"\n"+got.Hint.String(), c.says) {
			t.Errorf("%s: it is %s: %s\n%s", pattern, got.Code, got.Message, got.Hint)
		}
		if got.Code == rolebroker.ValidAgentRefused && (strings.Contains(got.Hint.String(), "sts:SourceIdentity") ||
			!strings.Contains(got.Hint.String(), "a condition on sts:RoleSessionName names agents")) {
			t.Errorf("%s: the hint is %s", pattern, got.Hint)
		}
	}
}

func TestWhatIsWrongWithATokenHasItsOwnHint(t *testing.T) {
	account := rolebroker.ServiceAccount{Issuer: "https://oidc.example.com/id/A", Namespace: "rolebroker",
		Name: "runner"}
	for kind, c := range map[rolebroker.RefusalKind]struct {
		code rolebroker.ValidationCode
		hint string
	}{
		rolebroker.RefusedIssuer:     {rolebroker.ValidIssuerUnreachable, "/.well-known/openid-configuration"},
		rolebroker.RefusedNoProvider: {rolebroker.ValidNoProvider, "create the provider in account 444455556666"},
		rolebroker.RefusedAudience:   {rolebroker.ValidAudience, "add-client-id-to-open-id-connect-provider"},
		rolebroker.RefusedIdentity:   {rolebroker.ValidIdentityInvalid, "check that account 444455556666 has"},
	} {
		o := &oracle{answer: func(rolebroker.Assumption, int) *rolebroker.Refusal {
			return &rolebroker.Refusal{Kind: kind, Code: "Code", Message: "AWS's words"}
		}}
		subject := validate.Subject{Integration: rolebroker.Integration{Enabled: true, ID: "int_x", Name: "production",
			AssumptionMode: rolebroker.ModeCluster, Roles: []rolebroker.Role{{Name: "readonly", Region: "us-east-1",
				ARN: rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/", Name: "ReadOnly"}}}}}
		got := validate.New(validate.Options{STS: o, By: rolebroker.Party{Runner: true}}).
			WithToken(t.Context(), subject, account)[0]
		if got.Code != c.code || got.Status != rolebroker.StatusFailed || !strings.Contains(got.Hint.String(), c.hint) {
			t.Errorf("%s: it is %s (%s): %s\n%s", kind, got.Status, got.Code, got.Message, got.Hint)
		}
	}
}
