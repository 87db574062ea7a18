package containercreds

// Patterns are the routes of the endpoint: method and path.
func Patterns() (all []string) {
	for _, r := range routes() {
		all = append(all, r.method+" "+r.path)
	}
	return all
}
