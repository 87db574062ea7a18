package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shared is the server of this process and, once it is made, the name of its
// database with the current schema. The first test that needs them makes them.
var shared struct {
	sync.Mutex
	server   *Server
	migrated string
}

// Postgres returns the URL of a new database, which is dropped when the test
// ends. It has the current schema and no rows. It is on a real PostgreSQL server
// that this test process starts once and that ends with the process. The server
// does not wait for the disk; NewServer starts one that does.
func Postgres(t testing.TB) (url string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	server := sharedServer(t)
	if shared.migrated == "" {
		name := server.create(t, "template1")
		if err := migrate(server.url(name)); err != nil {
			t.Fatal(err)
		}
		shared.migrated = name
	}
	return server.temporary(t, shared.migrated)
}

// EmptyPostgres returns the URL of a new database as Postgres does, but without a
// schema.
func EmptyPostgres(t testing.TB) (url string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	return sharedServer(t).temporary(t, "template1")
}

// temporary makes a copy of a database, which is dropped when the test ends, and
// returns its URL.
func (s *Server) temporary(t testing.TB, template string) (url string) {
	t.Helper()
	name := s.create(t, template)
	t.Cleanup(func() {
		if err := s.admin("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("dropping a database: %v", err)
		}
	})
	return s.url(name)
}

// sharedServer starts the shared server unless it runs. The caller has locked
// shared.
func sharedServer(t testing.TB) *Server {
	t.Helper()
	if shared.server == nil {
		server, err := start(false)
		if err != nil {
			t.Fatal(err)
		}
		shared.server = server
	}
	return shared.server
}

// Main runs the tests and then stops the server that Postgres started. Without
// Main the server stops by itself shortly after the process ends.
//
//	func TestMain(m *testing.M) { storetest.Main(m) }
func Main(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.Close()
	}
	os.Exit(code)
}

// Server is a PostgreSQL server. One from NewServer belongs to its test, which may
// stop it.
type Server struct {
	dir        string
	supervisor *exec.Cmd
	orders     io.WriteCloser
	answers    *bufio.Reader
	databases  atomic.Int64
}

// NewServer starts a PostgreSQL for this test alone. It writes commits to the disk
// before it acknowledges them.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := StartServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// StartServer starts a PostgreSQL as NewServer does, until Close.
func StartServer() (*Server, error) { return start(true) }

// Database makes a new, empty database, which lasts as long as the server, and
// returns its URL.
func (s *Server) Database(t testing.TB) (url string) {
	t.Helper()
	return s.url(s.create(t, "template1"))
}

// NewDatabase is Database outside of a test.
func (s *Server) NewDatabase() (url string, err error) {
	name, err := s.copy("template1")
	return s.url(name), err
}

// create makes a new database as a copy of another.
func (s *Server) create(t testing.TB, template string) (name string) {
	t.Helper()
	name, err := s.copy(template)
	if err != nil {
		t.Fatalf("creating a database: %v", err)
	}
	return name
}

// copy copies files, which is the fastest way on a server that does not wait for the disk.
func (s *Server) copy(template string) (name string, err error) {
	name = "test" + strconv.FormatInt(s.databases.Add(1), 10)
	return name, s.admin("CREATE DATABASE " + name + " TEMPLATE " + template + " STRATEGY file_copy")
}

// Crash stops the server at once, without a checkpoint.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.order("crash"); err != nil {
		t.Fatalf("crashing PostgreSQL: %v", err)
	}
}

// Start starts the server again after Crash.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) url(database string) string {
	query := url.Values{"host": {s.dir}, "user": {"postgres"}}
	return "postgres:///" + database + "?" + query.Encode()
}

// RequirePassword makes a user with the password, or changes the password. It ends the user's connections, and from
// then on all users but postgres need their passwords.
func (s *Server) RequirePassword(t testing.TB, user, password string) {
	t.Helper()
	rules := "local all postgres trust\nlocal all all scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(s.dir, "data", "pg_hba.conf"), []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"DO $$ BEGIN CREATE ROLE " + user + " LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
		"ALTER ROLE " + user + " PASSWORD '" + password + "'",
		"SELECT pg_reload_conf()",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + user + "'",
	} {
		if err := s.admin(sql); err != nil {
			t.Fatal(err)
		}
	}
}

// Own makes a user the owner of a database, whose URL Database returned.
func (s *Server) Own(t testing.TB, database, user string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.admin("ALTER DATABASE " + strings.TrimPrefix(u.Path, "/") + " OWNER TO " + user); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) admin(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// supervise is a POSIX shell script that runs the server while its own standard
// input is open, that is, while the test process lives. Even a killed test process
// leaves nothing behind.
const supervise = `
dir=$1; shift; pid=
end() { [ -z "$pid" ] || { kill -"$1" "$pid"; wait "$pid"; pid=; } 2>/dev/null; }
trap 'end QUIT; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
while read -r order; do
	case $order in
	start) "$@" >>"$dir/log" 2>&1 </dev/null & pid=$! ;;
	crash) end QUIT ;;
	stop) end INT ;;
	esac
	echo done
done
`

// start makes a server and starts it. A durable one waits for the disk at each
// commit.
func start(durable bool) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	as, err := serverUser()
	if err != nil {
		return nil, err
	}
	s := &Server{}
	if s.dir, err = directory(as, durable); err != nil {
		return nil, err
	}
	if err := initialise(bin, s.dir, as); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.startSupervisor(bin, as, durable); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.run(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// find returns the directory of the server's programs.
func find() (string, error) {
	candidates, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian keeps them off the PATH
	slices.Sort(candidates)
	if path, err := exec.LookPath("initdb"); err == nil {
		candidates = append(candidates, path)
	}
	if len(candidates) == 0 {
		return "", errors.New("PostgreSQL is needed: run make setup")
	}
	path, err := filepath.EvalSymlinks(candidates[len(candidates)-1])
	return filepath.Dir(path), err
}

// serverUser returns the user to run the server as: nil for the current user, or
// postgres if that is root, as which PostgreSQL refuses to run.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL is needed: run make setup: %w", err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

// directory makes one whose name is short enough for a socket in it. Unless the
// server is durable, it is in memory if it can be.
func directory(owner *syscall.Credential, durable bool) (string, error) {
	const enough = 1 << 30
	parent := os.TempDir()
	if len(parent) > 60 || owner != nil {
		parent = "/tmp"
	}
	if memory, ok := memoryWith(enough); ok && !durable {
		parent = memory
	}
	dir, err := os.MkdirTemp(parent, "rolebroker-postgres-")
	if err != nil || owner == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(owner.Uid), int(owner.Gid))
}

// command makes a command that runs in dir as the user, in its own session, so
// that Ctrl-C does not reach the server.
func command(dir string, as *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setsid: true}
	return cmd
}

// initialise makes the database cluster, with a locale that does not sort by
// bytes.
func initialise(bin, dir string, as *syscall.Credential) error {
	args := []string{"-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
		"--locale-provider=icu", "--icu-locale=en"}
	out, err := command(dir, as, filepath.Join(bin, "initdb"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) startSupervisor(bin string, as *syscall.Credential, durable bool) (err error) {
	flushes := strconv.FormatBool(durable)
	s.supervisor = command(s.dir, as, "/bin/sh", "-c", supervise, "supervise", s.dir,
		filepath.Join(bin, "postgres"), "-D", filepath.Join(s.dir, "data"),
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+s.dir,
		"-c", "fsync="+flushes, "-c", "full_page_writes="+flushes, "-c", "synchronous_commit="+flushes,
		"-c", "max_connections=300", "-c", "shared_buffers=32MB", "-c", "dynamic_shared_memory_type=mmap",
		"-c", "autovacuum=off", "-c", "jit=off",
		"-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "deadlock_timeout=50ms")
	if s.orders, err = s.supervisor.StdinPipe(); err != nil {
		return err
	}
	answers, err := s.supervisor.StdoutPipe()
	if err != nil {
		return err
	}
	s.answers = bufio.NewReader(answers)
	return s.supervisor.Start()
}

// order sends a command to the supervisor and waits until it is done.
func (s *Server) order(what string) error {
	if _, err := io.WriteString(s.orders, what+"\n"); err != nil {
		return err
	}
	_, err := s.answers.ReadString('\n')
	return err
}

// run starts the server and waits until it answers.
func (s *Server) run() error {
	if err := s.order("start"); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		err := s.admin("SELECT 1")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("PostgreSQL does not start: %w\n%s", err, strings.TrimSpace(string(log)))
		}
	}
	return nil
}

// Close stops the server and removes its files.
func (s *Server) Close() {
	_ = s.order("stop")
	_ = s.orders.Close()
	_ = s.supervisor.Wait()
	_ = os.RemoveAll(s.dir)
}
