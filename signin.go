package rolebroker

import "time"

// SignIn is the record of a browser that is signed in to the web app, or of a sign-in link. It has the access of an API
// key, and ends when the key is deleted or replaced.
type SignIn struct {
	ID        SignInID
	APIKey    APIKeyID
	KeyHash   []byte // of the key when the browser signed in
	Hash      []byte // SHA-256 of the secret in the browser's cookie or the link
	Link      bool   // it is a link, which can be used once
	CreatedAt time.Time
	ExpiresAt time.Time
}
