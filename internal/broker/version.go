package broker

import "github.com/rolebroker/rolebroker"

// maxAttempts is how often an update without a version is tried when other updates come in between.
// Each is short, and one of all that compete succeeds each time.
const maxAttempts = 100

// expected returns the version that an update replaces: the caller's, or the current one if the caller gave none.
func expected(ifVersion, current int64) int64 {
	if ifVersion == 0 {
		return current
	}
	return ifVersion
}

// retryStale repeats update while it fails because of another update, unless the caller gave a version.
func retryStale(ifVersion int64, update func() error) (err error) {
	for range maxAttempts {
		err = update()
		if ifVersion != 0 || rolebroker.CodeOf(err) != rolebroker.CodeStale {
			return err
		}
	}
	return err
}
