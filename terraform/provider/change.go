package provider

import "github.com/rolebroker/rolebroker"

// attempts is how often a change is tried again that somebody else's, to
// another part of the same thing, got ahead of.
const attempts = 10

// change makes a planned change to a thing, which must still be as the plan
// found it. What is there already, since somebody did the same or an answer got
// lost, is done. asPlanned may be nil: then nothing is there already.
//
// Only what Terraform keeps is compared: that an external ID is being changed
// or another connection was made does not get into the way.
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
			return zero, rolebroker.Errorf(rolebroker.CodeStale, "it was changed by someone else since this plan was made, and nothing was changed now").
				WithHint("Run terraform plan again: it shows what is there now.")
		}
		done, err := do(now)
		if rolebroker.CodeOf(err) != rolebroker.CodeStale {
			return done, err
		}
	}
	return zero, rolebroker.Errorf(rolebroker.CodeStale, "it is being changed by others all the time: %d attempts were overtaken", attempts).
		WithHint("Run terraform apply again.")
}
