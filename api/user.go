package api

import "time"

// User is a person who signed in through the company's identity provider.
type User struct {
	ID        string    `json:"id" example:"usr_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	Issuer    string    `json:"issuer" doc:"The URL of the identity provider." example:"https://login.example.com"`
	Subject   string    `json:"subject" doc:"Who it is there." example:"248289761001"`
	Name      string    `json:"name" doc:"As the provider said last; may be empty." example:"Ada Lovelace"`
	Email     string    `json:"email" doc:"Likewise." example:"ada@example.com"`
	Access    string    `json:"access" enum:"admin,approver,read-only,none" doc:"What the person's groups gave when the provider was asked last." example:"approver"`
	CreatedAt time.Time `json:"created_at" doc:"When the person signed in for the first time." example:"2026-03-14T09:26:53Z"`
	SeenAt    time.Time `json:"seen_at" doc:"When the provider was asked about the person last." example:"2026-03-14T09:26:53Z"`
}

// SignInURLRequest asks where a person signs in for a command line that has a browser.
type SignInURLRequest struct {
	RedirectURL   string `json:"redirect_url" maxLength:"200" doc:"Where the command line listens: the path /callback at a port of a loopback address." example:"http://localhost:53682/callback"`
	State         string `json:"state" minLength:"20" maxLength:"200" doc:"A random text, which the answer of the identity provider repeats."`
	Nonce         string `json:"nonce" minLength:"20" maxLength:"200" doc:"Another one, which the ID token repeats."`
	CodeChallenge string `json:"code_challenge" minLength:"43" maxLength:"128" doc:"The SHA-256 of the code verifier, in base64url (RFC 7636)."`
}

// SignInURL is where a person signs in.
type SignInURL struct {
	URL string `json:"url" doc:"At the identity provider." example:"https://login.example.com/authorize?client_id=…"`
}

// SignInRequest signs a command line in, with the code that the identity provider sent to it.
type SignInRequest struct {
	RedirectURL  string `json:"redirect_url" maxLength:"200" doc:"As in the request for the URL." example:"http://localhost:53682/callback"`
	Code         Secret `json:"code" minLength:"1" maxLength:"4000" doc:"The code."`
	CodeVerifier Secret `json:"code_verifier" minLength:"43" maxLength:"128" doc:"The code verifier (RFC 7636)."`
	Nonce        string `json:"nonce" minLength:"20" maxLength:"200" doc:"As in the request for the URL."`
}

// NewSignIn is a sign-in of a command line. No other answer has the token.
type NewSignIn struct {
	Token     Secret    `json:"token" doc:"With which the command line uses this API, in place of an API key. Shown only once: the server stores its hash."`
	ExpiresAt time.Time `json:"expires_at" doc:"When it ends at the latest. It ends earlier if the identity provider no longer answers for the person." example:"2026-03-14T17:26:53Z"`
	Name      string    `json:"name" doc:"Who is signed in." example:"ada@example.com"`
	Access    string    `json:"access" enum:"admin,approver,read-only" example:"approver"`
}

// DeviceSignIn is a sign-in of a command line without a browser, which a person completes in a browser elsewhere.
type DeviceSignIn struct {
	DeviceCode Secret    `json:"device_code" doc:"With which the command line asks for the outcome."`
	UserCode   string    `json:"user_code" doc:"Which the person compares or types." example:"WDJB-MJHT"`
	URL        string    `json:"url" doc:"The page at the identity provider." example:"https://login.example.com/device"`
	FullURL    string    `json:"full_url" doc:"The same with the code in it; may be empty."`
	Interval   string    `json:"interval" doc:"The time between two questions to the provider." example:"5s"`
	ExpiresAt  time.Time `json:"expires_at" example:"2026-03-14T09:31:53Z"`
}

// DeviceSignInRequest asks for the outcome of a sign-in by a device code. The answer comes once somebody has signed in,
// or after some seconds.
type DeviceSignInRequest struct {
	DeviceCode Secret `json:"device_code" minLength:"1" maxLength:"4000" doc:"The device code."`
	Interval   string `json:"interval" doc:"As in the answer with the code, from 1s to 1m." example:"5s"`
}

// DeviceOutcome is the outcome of a sign-in by a device code.
type DeviceOutcome struct {
	Pending bool       `json:"pending" doc:"Nobody has signed in yet: ask again." example:"false"`
	SignIn  *NewSignIn `json:"sign_in,omitempty" doc:"The sign-in, unless it is pending."`
}
