package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/keyfile"
	"github.com/rolebroker/rolebroker/internal/openid"
)

func newLogin(a *app) *cobra.Command {
	var (
		at     string
		device bool
	)
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in with the company's account",
		Long: `Sign in to a server with the company's account, in a browser. Commands then act for you,
as far as your groups permit, until the sign-in ends: after eight hours, or earlier if
the company says so. ROLEBROKER_TOKEN and ROLEBROKER_TOKEN_FILE take precedence.

Where there is no browser, or with --device, it shows a code and a page that you open in
a browser on any machine. Approve no code that you did not ask for: a command line of
somebody else would act as you.

The sign-in is saved in a file that only you can read. Programs that run as you can read it
too, so run no agent as a user who is signed in.`,
		Example: `  rolebroker login --url https://rolebroker.example.com
  rolebroker login --device`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.LoadLogin(a.outside(), at)
			if err != nil {
				return usageError{err}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			return a.login(ctx, cfg, device || !a.hasBrowser())
		},
	}
	cmd.Flags().StringVar(&at, "url", "", "`URL` of the server (default: ROLEBROKER_URL, or where you signed in last)")
	cmd.Flags().BoolVar(&device, "device", false, "sign in with a browser on another machine")
	return cmd
}

func newLogout(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Sign out",
		Long: `End the sign-in of rolebroker login, at the server and on this machine. You stay signed
in at the company.`,
		Example: `  rolebroker logout`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.logout(cmd.Context()) },
	}
}

// login signs in and saves the sign-in.
func (a *app) login(ctx context.Context, cfg config.Client, device bool) error {
	path := config.SignInFile(a.getenv)
	if path == "" {
		return usage("there is no folder for the sign-in; set HOME")
	}
	c, err := client.New(client.Options{URL: cfg.URL, AllowInsecure: cfg.AllowInsecure, UserAgent: "rolebroker-cli",
		Now: a.Now})
	if err != nil {
		return err
	}
	a.note("Whoever signs in now permits this command line to act as them at %s.", cfg.URL)
	how := a.loginHere
	if device {
		how = a.loginElsewhere
	}
	made, err := how(ctx, c)
	if err != nil {
		return err
	}
	saved := config.SignIn{URL: cfg.URL, Token: rolebroker.NewSecret(made.Token.Reveal()), Name: made.Name,
		ExpiresAt: made.ExpiresAt}
	if err := saveSignIn(path, saved); err != nil {
		return fmt.Errorf("saving the sign-in: %w", err)
	}
	a.note("Signed in to %s as %s (%s), until %s at the latest.", cfg.URL, made.Name, made.Access,
		made.ExpiresAt.Local().Format("15:04"))
	return nil
}

func saveSignIn(path string, in config.SignIn) error {
	text, err := in.Encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, os.ErrNotExist) { // a crash left it
		return err
	}
	return keyfile.Replace(path, text)
}

// loginPatience is how long login waits for the person.
const loginPatience = 10 * time.Minute

// loginHere signs in with a browser on this machine, which comes back to a port of this process.
func (a *app) loginHere(ctx context.Context, c *client.Client) (api.NewSignIn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return api.NewSignIn{}, err
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	// Providers that permit any port do so for the name, as a rule, and some for the name only. Who takes the name
	// gets a code that is worth nothing without the verifier.
	host := net.JoinHostPort("localhost", port)
	attempt, redirect := openid.NewAttempt(), "http://"+host+"/callback"
	question := attempt.Ask(redirect)
	at, err := c.SignInURL(ctx, api.SignInURLRequest{RedirectURL: redirect, State: question.State,
		Nonce:         question.Nonce,
		CodeChallenge: question.Challenge})
	if err != nil {
		return api.NewSignIn{}, err
	}
	a.note("Sign in in your browser. If it does not open, open this page yourself:\n%s", at.URL)
	a.browse(at.URL)
	ctx, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	code, err := awaitCode(ctx, listener, host, attempt)
	if err != nil {
		return api.NewSignIn{}, err
	}
	return c.SignIn(ctx, api.SignInRequest{RedirectURL: redirect, Code: api.Secret(code.Reveal()),
		CodeVerifier: api.Secret(attempt.Verifier()), Nonce: question.Nonce})
}

// arrival is how the browser came back.
type arrival struct {
	code rolebroker.Secret
	err  error
}

// awaitCode waits until the browser comes back with a code. It ignores requests that do not belong to the attempt.
func awaitCode(
	ctx context.Context, listener net.Listener, host string, attempt openid.Attempt,
) (rolebroker.Secret, error) {
	arrived := make(chan arrival, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		Handler: callback(host, attempt, arrived)}
	go server.Serve(listener)
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		server.Shutdown(ending) // after the page is sent
	}()
	select {
	case came := <-arrived:
		return came.code, came.err
	case <-ctx.Done():
		return rolebroker.Secret{}, rolebroker.Errorf(rolebroker.CodeExpired, "nobody signed in").
			WithHint("if the browser is on another machine: rolebroker login --device")
	}
}

// callback answers the browser that comes back.
func callback(host string, attempt openid.Attempt, arrived chan<- arrival) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		query := r.URL.Query()
		if r.Method != http.MethodGet || r.URL.Path != "/callback" || r.Host != host ||
			!attempt.Is(query.Get("state")) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintln(w, page("This is not the sign-in that the command line waits for."))
			return
		}
		came := arrival{code: rolebroker.NewSecret(query.Get("code"))}
		says := "You can close this page: the command line on this machine now acts as you. rolebroker logout ends that."
		if came.code.IsZero() {
			came.err = rolebroker.Errorf(rolebroker.CodeUnauthenticated,
				"the identity provider did not let you in (%s)",
				rolebroker.Shown(query.Get("error")))
			says = "You are not signed in: the command line says why."
		}
		fmt.Fprintln(w, page(says))
		select {
		case arrived <- came:
		default: // it came before
		}
	})
}

func page(says string) string {
	return `<!doctype html><html lang="en"><meta charset="utf-8"><title>rolebroker</title><h1>rolebroker</h1><p>` +
		says +
		`</p></html>`
}

// loginElsewhere signs in with a browser on any machine, by a device code.
func (a *app) loginElsewhere(ctx context.Context, c *client.Client) (api.NewSignIn, error) {
	begun, err := c.BeginDeviceSignIn(ctx)
	if err != nil {
		return api.NewSignIn{}, err
	}
	at := begun.FullURL
	if !isWebPage(at) {
		at = begun.URL
	}
	if !isWebPage(at) {
		return api.NewSignIn{}, rolebroker.Errorf(rolebroker.CodeUnavailable,
			"the identity provider names no page to open")
	}
	a.note("Open this page in a browser on any machine, and sign in with the code %s:\n%s", begun.UserCode, at)
	for a.Now().Before(begun.ExpiresAt) {
		outcome, err := c.AwaitDeviceSignIn(ctx, api.DeviceSignInRequest{DeviceCode: begun.DeviceCode,
			Interval: begun.Interval})
		if err != nil {
			return api.NewSignIn{}, err
		}
		if !outcome.Pending && outcome.SignIn != nil {
			return *outcome.SignIn, nil
		}
	}
	return api.NewSignIn{}, rolebroker.Errorf(rolebroker.CodeExpired, "nobody signed in with the code in time").
		WithHint("rolebroker login --device shows another one")
}

func isWebPage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

// hasBrowser guesses whether a browser on this machine can be opened.
func (a *app) hasBrowser() bool {
	switch {
	case a.getenv("BROWSER") != "":
		return true
	case a.getenv("SSH_CONNECTION") != "":
		return false
	case runtime.GOOS == "windows" || runtime.GOOS == "darwin":
		return true
	}
	return a.getenv("DISPLAY") != "" || a.getenv("WAYLAND_DISPLAY") != ""
}

// browse opens a page in the browser. If it cannot, the person does: the address is on the screen.
func (a *app) browse(address string) {
	if !isWebPage(address) {
		return
	}
	var opener *exec.Cmd
	switch {
	case a.getenv("BROWSER") != "":
		opener = exec.Command(a.getenv("BROWSER"), address)
	case runtime.GOOS == "windows":
		opener = exec.Command("rundll32", "url.dll,FileProtocolHandler", address)
	case runtime.GOOS == "darwin":
		opener = exec.Command("open", address)
	default:
		opener = exec.Command("xdg-open", address)
	}
	if err := opener.Start(); err == nil {
		go opener.Wait() // so that nothing is left of it
	}
}

// logout ends the sign-in at the server, and forgets it in any case.
func (a *app) logout(ctx context.Context) error {
	path := config.SignInFile(a.getenv)
	saved, err := config.LoadSignIn(a.outside())
	if err != nil || saved.Token.IsZero() {
		if err == nil {
			a.note("Nobody is signed in.")
			return nil
		}
		return errors.Join(err, os.Remove(path))
	}
	ended := a.endSignIn(ctx, saved)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	switch rolebroker.CodeOf(ended) {
	case "", rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeNotFound, rolebroker.CodeDenied:
		a.note("Signed out of %s.", saved.URL)
		return nil
	}
	a.note("The sign-in is gone from this machine. The server could not be told; there it ends at %s at the latest.",
		saved.ExpiresAt.Local().Format("15:04"))
	return ended
}

func (a *app) endSignIn(ctx context.Context, saved config.SignIn) error {
	cfg, err := config.LoadLogin(a.outside(), saved.URL)
	if err != nil {
		return err
	}
	c, err := client.New(client.Options{URL: saved.URL, Token: saved.Token, AllowInsecure: cfg.AllowInsecure,
		UserAgent: "rolebroker-cli", Now: a.Now})
	if err != nil {
		return err
	}
	return c.SignOut(ctx)
}
