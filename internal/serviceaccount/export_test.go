package serviceaccount

// RememberAtMost bounds the verified tokens that are remembered.
func (v *Verifier) RememberAtMost(n int) { v.maxVerified = n }

// Remembered is the number of verified tokens that are remembered.
func (v *Verifier) Remembered() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.verified)
}
