package store

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolebroker/rolebroker"
)

// asUnreachable is the error for an operator if PostgreSQL gave no connection: where it was looked for, why, and what to
// check. The driver says that once for each address and attempt. It is nil for another err.
func asUnreachable(err error) *rolebroker.Error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return nil
	}
	host, port := failed.Config.Host, strconv.Itoa(int(failed.Config.Port))
	address := host
	if !strings.HasPrefix(host, "/") { // the folder of a socket
		address = net.JoinHostPort(host, port)
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		u := url.URL{Scheme: "postgres", User: url.User(failed.Config.User), Host: address, Path: "/" + failed.Config.Database}
		if address == host {
			u.Host, u.RawQuery = "", url.Values{"host": {host}, "port": {port}}.Encode()
		}
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "PostgreSQL at %s refused the connection: %s", address,
			refused.Message).WithSteps(rolebroker.Step{Text: "check the user, the password and the name of the database:",
			Command: rolebroker.ShellCommand("psql", u.String(), "-c", "SELECT 1")})
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "PostgreSQL at %s cannot be reached: %s", address,
		whyUnreachable(failed, host)).WithSteps(rolebroker.Step{
		Text:    "check that it runs there, that --database has the right host and port, and that no firewall is between:",
		Command: rolebroker.ShellCommand("pg_isready", "--host", host, "--port", port)})
}

// whyUnreachable says in a few words why there is no connection.
func whyUnreachable(err error, host string) string {
	var unknown *net.DNSError
	var errno syscall.Errno
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound:
		return "there is no host " + rolebroker.Quote(host)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		return "it does not answer"
	case errors.As(err, &errno):
		return errno.Error()
	}
	_, why, _ := strings.Cut(err.Error(), "): ") // behind the first address
	first, _, _ := strings.Cut(why, "\n")
	return first
}
