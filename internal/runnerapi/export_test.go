package runnerapi

// Patterns are the routes of the door, also those that it has only with access requests and a gateway.
func Patterns() []string {
	return New(Options{Requests: anyRequests{}, Gateway: anyGateway{}}).(*server).patterns
}

type anyRequests struct{ Requests }

type anyGateway struct{ Gateway }
