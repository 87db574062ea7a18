package provider

import "github.com/rolebroker/rolebroker"

// attempts bounds how often a change is tried again because another change of
// the same object came first.
const attempts = 10

// change applies a planned change to an object of the server. It refuses with
// CodeStale unless the object is still as the plan found it. It does nothing if
// the object is already as planned, because someone else made the same change or
// the answer to an earlier request was lost. asPlanned is nil for a deletion.
//
// The conditions look only at what Terraform keeps of the object. Other changes,
// such as a rotation of the external ID or a new connection, are no obstacle:
// change reads the object again and retries.
func change[T any](read func() (T, error), asFound, asPlanned func(T) bool, do func(now T) (T, error)) (T, error) {
	var zero T
	for range attempts {
		now, err := read()
		switch {
		case err != nil:
			return zero, err
		case asPlanned != nil && asPlanned(now):
			return now, nil
		case !asFound(now):
			return zero, rolebroker.Errorf(rolebroker.CodeStale,
				"it was changed by someone else since this plan was made, and nothing was changed now").
				WithHint("Run terraform plan again: it shows the current values.")
		}
		done, err := do(now)
		if rolebroker.CodeOf(err) != rolebroker.CodeStale {
			return done, err
		}
	}
	return zero, rolebroker.Errorf(rolebroker.CodeStale,
		"others keep changing it: all %d attempts came too late", attempts).
		WithHint("Run terraform apply again.")
}
