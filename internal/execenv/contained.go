package execenv

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/contain"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/egress"
)

// Containment says that the command runs in namespaces of its own, where every name is this process: requests to AWS go
// to the gateway, and other connections leave only for hosts that are listed. Package contain makes the namespaces, and
// package egress serves them.
type Containment struct {
	Hosts   []egress.Pattern // that the command may reach by TLS on port 443
	Private []egress.Pattern // that it may reach at a private address, too

	// Paths are files and directories in the directories that are new and empty in there, such as /tmp, which the command
	// gets all the same. It always gets its working directory and the programs in PATH.
	Paths []string

	// TokenFile is the file with the agent's token, which the command must not see; empty: none.
	TokenFile string

	// SignInFile is the file with the sign-in of the person who runs exec. The command sees neither it nor its
	// directory. Empty: none.
	SignInFile string
}

// emptied are the directories in which hosts have sockets: they are new and empty inside.
var emptied = []string{"/run", "/var/run", "/tmp"}

// inside is a contained command, seen from this process.
type inside struct {
	process   *contain.Process
	listeners *contain.Listeners
	authority *egress.Authority
	egress    *egress.Egress
}

// checkContained refuses what contradicts the containment, before anything starts.
func (o Options) checkContained() error {
	switch {
	case o.Contained == nil:
		return nil
	case o.Listen != "":
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"--contained excludes --listen: nothing outside reaches the command").
			WithHint("leave one of them out")
	case o.Gateway == nil:
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"this program cannot reach a gateway, which a contained command needs")
	case o.Proxied != nil:
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"a contained command needs no proxy: every address is the gateway").
			WithHint("leave --proxy or --contained out")
	case os.Geteuid() == 0 && o.User == "":
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"--contained keeps the user of the command, and root can write files with which to get out later").
			WithHint("name another user, as in --user agent; or, in a container of its own, permit it with --user root")
	}
	return nil
}

// enter starts the first process of the namespaces, and serves what is inside.
func (r *room) enter(o Options, family *family, endpoint http.Handler) error {
	world, err := o.world(r.dir)
	if err != nil {
		return err
	}
	authority, err := egress.NewAuthority(o.Now())
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInternal, "the room's certificate cannot be made: %w", err)
	}
	if err = r.writeInside(o, authority); err == nil {
		err = o.account.handOver(r.dir)
	}
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the private files cannot be written: %s", err)
	}
	first := exec.Command("/proc/self/exe")
	first.Args = []string{"rolebroker", contain.InitCommand}
	first.Stdin, first.Stdout, first.Stderr = o.Stdin, o.Stdout, o.Stderr
	o.account.apply(first)
	first.Env = outside(o.Env)
	process, err := contain.New(first)
	if err != nil {
		return err
	}
	if err := process.Start(func() error { return family.start(first) }); err != nil {
		return err
	}
	r.inside = &inside{process: process, authority: authority}
	if r.inside.listeners, err = process.Enter(world); err != nil {
		return err
	}
	return r.serveInside(o, endpoint)
}

// serveInside serves the listeners that are open inside.
func (r *room) serveInside(o Options, endpoint http.Handler) (err error) {
	in := r.inside
	in.egress, err = o.newEgress(egress.Options{Authority: in.authority, Allowed: slices.Concat(o.Contained.Hosts,
		o.Contained.Private), Private: o.Contained.Private})
	if err != nil {
		return err
	}
	go in.egress.ServeDNS(in.listeners.DNS)
	go in.egress.ServeDNSOverTCP(in.listeners.DNSTCP)
	go in.egress.ServeTLS(in.listeners.TLS)
	go in.egress.ServePlain(in.listeners.Plain)
	r.servePort(in.listeners.Private, endpoint, o)
	r.url = "http://" + r.ports[0].address.String()
	return nil
}

// newEgress completes options with what serves AWS, and with the proxies of the caller.
func (o Options) newEgress(options egress.Options) (_ *egress.Egress, err error) {
	options.Upstream, err = egress.Upstream(func(name string) string { return lookup(o.Env, name) })
	if err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "%s", err).
			WithHint("name an HTTP proxy in HTTPS_PROXY, or none")
	}
	aws := containercreds.NewServer(o.Gateway, o.Log)
	aws.ReadHeaderTimeout, aws.IdleTimeout = 30*time.Second, 5*time.Minute
	options.AWS, options.Log = aws, o.Log
	return egress.New(options), nil
}

// close ends the command with everything inside.
func (in *inside) close() {
	if in == nil {
		return
	}
	in.process.Close()
	in.process.Command.Wait() // an error means that somebody has waited
	if in.listeners != nil {
		in.listeners.Close()
	}
	if in.egress != nil {
		in.egress.Close()
	}
}

// The private files that replace those of the system inside.
const (
	nothingFile  = "nothing"
	resolvFile   = "resolv.conf"
	hostsFile    = "hosts"
	nsswitchFile = "nsswitch.conf"
)

// writeInside writes the private files of a contained command: the authorities that it trusts, and how names resolve.
func (r *room) writeInside(o Options, authority *egress.Authority) error {
	host, _ := os.Hostname()
	order, _ := os.ReadFile("/etc/nsswitch.conf")
	for name, content := range map[string][]byte{
		caFile:       append(publicRoots(o.Env), authority.PEM...),
		nothingFile:  nil,
		resolvFile:   []byte(written + "nameserver 127.0.0.1\n"),
		hostsFile:    []byte(written + "127.0.0.1 localhost " + host + "\n::1 localhost\n"),
		nsswitchFile: byFilesAndDNS(order),
	} {
		if err := os.WriteFile(filepath.Join(r.dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// byFilesAndDNS is nsswitch.conf with hosts looked up in files and DNS only.
func byFilesAndDNS(conf []byte) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(conf)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "hosts:") {
			b.WriteString(line)
		}
	}
	b.WriteString("\nhosts: files dns\n")
	return []byte(b.String())
}

// world is what the command sees.
func (o Options) world(dir string) (contain.World, error) {
	here, err := os.Getwd()
	if err == nil {
		here, err = filepath.EvalSymlinks(here)
	}
	if err != nil {
		return contain.World{}, rolebroker.Errorf(rolebroker.CodeUnavailable, "the working directory: %s", err)
	}
	w := contain.World{Dir: here, Empty: emptied, Nobody: filepath.Join(dir, nothingFile)}
	for _, path := range o.Contained.Paths {
		if _, err := os.Stat(path); err != nil {
			return w, rolebroker.Errorf(rolebroker.CodeInvalid, "--allow-path: %s", err)
		}
	}
	for _, path := range append([]string{here}, o.Contained.Paths...) {
		w.Shown = append(w.Shown, shown(path, false)...)
	}
	for _, path := range append(o.programs(), o.Self) {
		w.Shown = append(w.Shown, shown(path, true)...)
	}
	w.Shown = outermost(w.Shown)
	w.Shown = append(w.Shown, contain.Bind{From: dir, To: dir, ReadOnly: true})
	for file, path := range map[string]string{resolvFile: "/etc/resolv.conf", hostsFile: "/etc/hosts",
		nsswitchFile: "/etc/nsswitch.conf"} {
		if to, ok := placeOf(path); ok {
			w.Shown = append(w.Shown, contain.Bind{From: filepath.Join(dir, file), To: to, ReadOnly: true})
		}
	}
	token, err := o.hideToken(w)
	w.Hidden = slices.Concat(token, keyFiles(o.Env, o.Contained.SignInFile), sockets())
	return w, err
}

// programs are where the command finds programs: its own, and the directories in PATH.
func (o Options) programs() []string {
	program, _, err := findProgram(o.Command[0], o.Env)
	all := filepath.SplitList(lookup(o.Env, "PATH"))
	if err == nil {
		all = append(all, program)
	}
	return slices.DeleteFunc(all, func(path string) bool { return !filepath.IsAbs(path) })
}

// shown is how to show a path that is below an emptied directory, by its name or in fact. The emptied directories
// themselves are not shown.
func shown(path string, optional bool) (all []contain.Bind) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	for _, to := range []string{filepath.Clean(path), real} {
		if b := (contain.Bind{From: real, To: to, Optional: optional}); isEmptied(to) && !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	return all
}

// isEmptied reports whether a path is below an emptied directory.
func isEmptied(path string) bool {
	return slices.ContainsFunc(emptied, func(dir string) bool { return path != dir && isBelow(path, dir) })
}

// isBelow reports whether a path is a directory or below it.
func isBelow(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// outermost leaves out what another one shows, in an order in which none covers another.
func outermost(all []contain.Bind) (kept []contain.Bind) {
	slices.SortStableFunc(all, func(a, b contain.Bind) int { return cmp.Compare(len(a.To), len(b.To)) })
	for _, b := range all {
		if !slices.ContainsFunc(kept, func(k contain.Bind) bool {
			return isBelow(b.To, k.To) && (b.Optional || !k.Optional)
		}) {
			kept = append(kept, b)
		}
	}
	return kept
}

// placeOf is the place of a file of the system, behind links. It is not ok if there is none.
func placeOf(path string) (string, bool) {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	if isEmptied(path) {
		return path, true
	}
	_, err := os.Stat(path)
	return path, err == nil
}

// hideToken hides the directory of the agent's token: a token that replaces the file would appear in its place.
func (o Options) hideToken(w contain.World) ([]string, error) {
	if o.Contained.TokenFile == "" {
		return nil, nil
	}
	path, err := filepath.Abs(o.Contained.TokenFile)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path
	}
	var hidden []string
	for _, path := range []string{path, real} {
		dir := filepath.Dir(path)
		if isEmptied(path) && !slices.ContainsFunc(w.Shown, func(b contain.Bind) bool { return isBelow(path, b.To) }) {
			continue // it is not there
		}
		for _, needed := range slices.Concat([]string{w.Dir, lookup(o.Env, "HOME"), o.Self, "/etc/hosts", "/usr/bin",
			"/var/lib", "/opt"}, o.programs()) {
			if needed != "" && isBelow(needed, dir) {
				return nil, rolebroker.Errorf(rolebroker.CodeDenied, "the agent's token is in %s, which a contained command "+
					"needs, and with it could read the token", dir).
					WithHint("put the token in a directory of its own, or in ROLEBROKER_TOKEN")
			}
		}
		hidden = append(hidden, dir)
	}
	return hidden, nil
}

// keyFiles are files of the user's that may have AWS keys, or lead to them, and the directory of the person's sign-in,
// where another may replace it. Inside they are empty.
func keyFiles(env []string, signIn string) (all []string) {
	if signIn != "" {
		all = append(all, filepath.Dir(signIn))
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_FILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_LOGIN_CACHE_DIRECTORY", "BOTO_CONFIG",
		"EC2_PRIVATE_KEY"} {
		if path := lookup(env, name); filepath.IsAbs(path) {
			all = append(all, path)
		}
	}
	if home := lookup(env, "HOME"); filepath.IsAbs(home) {
		for _, name := range []string{".aws", ".boto", ".ssh/agent", ".docker/run", ".docker/desktop"} {
			all = append(all, filepath.Join(home, name))
		}
	}
	all = append(all, "/etc/boto.cfg")
	for _, path := range slices.Clone(all) { // where links lead
		if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
			all = append(all, real)
		}
	}
	return all
}

// sockets are the sockets with a path that are open in this network: an agent of SSH, a container engine. Those in
// emptied directories are among them, for those are shown where the command works.
//
// Source: unix(7); proc_net_unix in proc(5).
func sockets() (found []string) {
	text, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(text)) {
		_, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " /")
		if !ok || slices.Contains(found, "/"+path) {
			continue
		}
		if info, err := os.Lstat("/" + path); err == nil && info.Mode()&fs.ModeSocket != 0 {
			found = append(found, "/"+path)
		}
	}
	return found
}

// outsideVars lead out of a contained command, or to a socket that it does not see.
var outsideVars = []string{"SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO", "DBUS_SESSION_BUS_ADDRESS",
	"DBUS_SYSTEM_BUS_ADDRESS", "DOCKER_HOST", "CONTAINER_HOST", "BUILDKIT_HOST", "XDG_RUNTIME_DIR",
	"WAYLAND_DISPLAY", "DISPLAY", "XAUTHORITY", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "FTP_PROXY", "ftp_proxy"}

// formVars are variables of AWS that say how, and neither who nor where.
var formVars = []string{"AWS_CLI_AUTO_PROMPT", "AWS_CLI_FILE_ENCODING", "AWS_CLI_HISTORY_FILE", "AWS_DEFAULT_OUTPUT",
	"AWS_MAX_ATTEMPTS", "AWS_PAGER", "AWS_RETRY_MODE", "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE", "AWS_SDK_UA_APP_ID"}

// outside is the caller's environment without what a contained command does not get.
func outside(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return isIdentity(name) || strings.HasPrefix(name, "AWS_") && !slices.Contains(formVars, name) ||
			slices.Contains(outsideVars, name) || slices.Contains(proxyVars, name) || slices.Contains(noProxyVars, name)
	})
}

// needsWithheld is why nothing may be lent in a room whose AWS keys are not withheld; empty: it may.
type needsWithheld string

const (
	containedNeeds needsWithheld = "a contained command holds no AWS key"
	proxiedNeeds   needsWithheld = "with --proxy every request to AWS goes to the gateway, which does not know them"
)

func (o Options) needsWithheld() needsWithheld {
	switch {
	case o.Contained != nil:
		return containedNeeds
	case o.Proxied != nil:
		return proxiedNeeds
	}
	return ""
}

// checkKeys refuses roles whose keys are lent.
func (r roles) checkKeys(why needsWithheld) error {
	for _, o := range r.offers {
		if isWithheld(o) {
			continue
		}
		e := why.lentError(qualified(o))
		if r.named == "" && len(r.offers) > 1 {
			return e.WithHint("withhold them, with rolebroker agent connect AGENT %s --keys withheld; or name a role whose "+
				"keys are withheld, as in --role ROLE", o.Integration)
		}
		return e.WithHint("an administrator withholds them with rolebroker agent connect AGENT %s --keys withheld",
			o.Integration)
	}
	return nil
}

func (why needsWithheld) lentError(role string) *rolebroker.Error {
	return rolebroker.Errorf(rolebroker.CodeDenied, "the AWS keys of role %s are lent, and %s", role, string(why))
}

// runInside starts the command in the namespaces and waits for it.
func (r *relay) runInside(in *inside, cmd *exec.Cmd, o Options) (int, error) {
	if err := r.startInside(in, cmd, o); err != nil {
		if code, quiet := r.failed(err); quiet == nil {
			return code, nil
		}
		var path *fs.PathError
		if errors.As(err, &path) {
			return startError(cmd.Args[0], err)
		}
		return 1, err
	}
	_, err := r.family.wait(in.process.Command, o.Grace)
	code, known := in.process.ExitCode()
	var exit *exec.ExitError
	switch {
	case !known && in.process.Command.ProcessState != nil:
		return exitCode(in.process.Command.ProcessState), nil
	case !known:
		return 1, err
	case err != nil && !errors.As(err, &exit):
		return max(code, 1), fmt.Errorf("waiting for the contained command: %w", err) // copying a stream failed
	}
	return code, nil
}

func (r *relay) startInside(in *inside, cmd *exec.Cmd, o Options) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.early != nil {
		return os.ErrProcessDone
	}
	if err := in.process.Run(cmd.Path, cmd.Args, cmd.Env, o.Grace); err != nil {
		return err
	}
	r.process = in.process
	return nil
}
