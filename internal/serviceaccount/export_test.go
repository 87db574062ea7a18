package serviceaccount

// RememberAtMost bounds how many tokens are believed without another look.
func (v *Verifier) RememberAtMost(n int) { v.most = n }

// Remembered is how many tokens are believed without another look.
func (v *Verifier) Remembered() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.verified)
}
