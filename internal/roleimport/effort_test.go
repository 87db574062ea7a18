package roleimport

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What fits into a form is read in no time, or refused.
func TestLargeListsTakeLittleEffort(t *testing.T) {
	var same, chain, apart strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&same, "%sp%d/A\n", arn, i)
		if i < 20_000 {
			fmt.Fprintf(&chain, "[profile %d]\nrole_arn = %s%[1]d\nsource_profile = %[3]d\n", i, arn, i+1)
			fmt.Fprintf(&apart, "[profile %d]\nrole_arn = %s%[1]d\n", i, arn)
		}
	}
	for name, text := range map[string]string{
		"one name": same.String(), "a chain": chain.String(), "profiles": apart.String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			list, err := Read(text)
			added := list.After(nil)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%d bytes take %s: %d roles, %v", len(text), took, len(added), err)
			}
		})
	}
}
