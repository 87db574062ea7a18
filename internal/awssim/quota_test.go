package awssim

import (
	"fmt"
	"strings"
	"testing"
)

// The length of trust policies is a quota, which does not count white space.
func TestTrustPolicyLength(t *testing.T) {
	policy := func(n int) string {
		text := `{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"a.b"},"Sid":"%s"}]}`
		return strings.Repeat(" ", 100) + fmt.Sprintf(text, strings.Repeat("x", n-len(text)+2))
	}
	for quota, limit := range map[int]int{0: 2048, 4096: 4096, 8192: 8192} {
		sim := New(Options{TrustPolicyLength: quota})
		sim.Account("111122223333")
		in := sim.accounts["111122223333"]
		if _, err := sim.parseTrustPolicy(in, policy(limit)); err != nil {
			t.Errorf("%d characters: %v", limit, err)
		}
		want := fmt.Sprintf("Cannot exceed quota for ACLSizePerRole: %d", limit)
		if _, err := sim.parseTrustPolicy(in, policy(limit+1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d characters: %v", limit+1, err)
		}
	}
}
