package runnerapi

// Patterns are the routes of the door, also those that it has only if it takes access requests.
func Patterns() []string { return New(Options{Requests: anyRequests{}}).(*server).patterns }

type anyRequests struct{ Requests }
