package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// SignIn is a person's sign-in that rolebroker login saved. Commands use it where the environment has no token.
type SignIn struct {
	URL       string // of the server
	Token     rolebroker.Secret
	Name      string // who is signed in
	ExpiresAt time.Time
}

// savedSignIn is a SignIn in its file.
type savedSignIn struct {
	URL       string    `json:"url"`
	Token     string    `json:"token"`
	Name      string    `json:"name"`
	ExpiresAt time.Time `json:"expires_at"`
}

// SignInFile returns the file of the sign-in, below the person's folder for settings; empty if there is no such folder.
func SignInFile(getenv func(string) string) string {
	folder := getenv("XDG_CONFIG_HOME")
	switch {
	case folder != "" && filepath.IsAbs(folder):
	case runtime.GOOS == "windows":
		folder = getenv("APPDATA")
	case getenv("HOME") != "":
		folder = filepath.Join(getenv("HOME"), ".config")
	default:
		folder = ""
	}
	if folder == "" {
		return ""
	}
	return filepath.Join(folder, "rolebroker", "sign-in.json")
}

// Encode returns the sign-in as it is in its file, with the token.
func (in SignIn) Encode() (string, error) {
	text, err := json.Marshal(savedSignIn{in.URL, in.Token.Reveal(), in.Name, in.ExpiresAt})
	return string(text) + "\n", err
}

// LoadSignIn reads the sign-in; the zero SignIn if there is none. Its error does not repeat what is in the file.
func LoadSignIn(outside Outside) (SignIn, error) {
	path := SignInFile(outside.Getenv)
	if path == "" {
		return SignIn{}, nil
	}
	text, err := outside.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return SignIn{}, nil
	}
	if err != nil {
		return SignIn{}, err
	}
	var saved savedSignIn
	if err := json.Unmarshal(text, &saved); err != nil || saved.Token == "" || urlProblem(saved.URL) != "" {
		return SignIn{}, rolebroker.Errorf(rolebroker.CodeInvalid, "%s is not a sign-in that rolebroker login saved",
			path).
			WithHint("sign in again: rolebroker login")
	}
	return SignIn{URL: saved.URL, Token: rolebroker.NewSecret(saved.Token), Name: saved.Name,
		ExpiresAt: saved.ExpiresAt}, nil
}

// IsAt reports whether the sign-in is at the server with a URL.
func (in SignIn) IsAt(url string) bool {
	return in.URL != "" && strings.TrimSuffix(in.URL, "/") == strings.TrimSuffix(url, "/")
}

// LoadLogin reads the settings of a client that signs in, which has no token yet. url may be empty: then it is that
// of the environment, or of the last sign-in.
func LoadLogin(outside Outside, url string) (Client, error) {
	c := Client{URL: url}
	source := "--url"
	if c.URL == "" {
		c.URL, source = outside.Getenv(urlEnv), urlEnv
	}
	if c.URL == "" {
		saved, _ := LoadSignIn(outside) // one that cannot be read is replaced
		c.URL = saved.URL
	}
	if c.URL == "" {
		c.URL = defaultURL
	}
	var p problems
	if problem := urlProblem(c.URL); problem != "" {
		p.add(source, "%s", problem)
	}
	c.loadInsecure(outside, &p)
	if err := p.err(); err != nil {
		return Client{}, err
	}
	if isExposed(c.URL) && !c.AllowInsecure {
		p.add(source, "is plain HTTP to another machine, and others could read the sign-in; write https://")
	}
	return c, p.err()
}
