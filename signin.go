package rolebroker

import "time"

// SignIn is what the server remembers of a person who is signed in to the web
// app, or may sign in once by a link. It stands for an API key for a while:
// what that key opens now, and nothing once the key is gone or another.
type SignIn struct {
	ID        SignInID
	APIKey    APIKeyID
	KeyHash   []byte // of the key at that time
	Hash      []byte // SHA-256 of what the browser, or the link, shows
	Link      bool   // it is a link, which can be used once
	CreatedAt time.Time
	ExpiresAt time.Time
}
