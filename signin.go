package rolebroker

import "time"

// SignIn is the record of a browser or a command line that is signed in, or of a sign-in link. One that an API key
// made has the access of the key, and ends when the key is deleted or replaced. One of a person has the access that
// the person's groups give, and ends when the identity provider does not answer for the person any more.
type SignIn struct {
	ID        SignInID
	APIKey    APIKeyID // empty for a person
	KeyHash   []byte   // of the key when the browser signed in
	User      UserID   // empty for an API key
	Hash      []byte   // SHA-256 of the secret in the browser's cookie, in the link, or of the command line
	Link      bool     // it is a link, which can be used once
	CreatedAt time.Time
	ExpiresAt time.Time

	// Of a person only.
	CommandLine bool      // it is of a command line, which signs in as another client of the provider
	Renewal     []byte    // with what the provider is asked again, sealed with the secret; empty: it gave nothing
	CheckedAt   time.Time // when the provider answered for the person last
	CheckAt     time.Time // when it is to be asked again
}
