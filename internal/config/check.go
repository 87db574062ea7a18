package config

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/rolebroker/rolebroker"
)

// MinAdminKey is the least length of AdminKey, in characters. What `openssl
// rand -hex 32` prints has 64.
const MinAdminKey = 24

// The bounds of how roles are validated.
const (
	minRevalidation = time.Second
	maxConcurrency  = 1000
	maxRetry        = 30 * time.Second // the whole of it has to fit into a request
)

// problems collects what is wrong, so that a person hears of all of it at once.
type problems []rolebroker.Field

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, rolebroker.Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the configuration is not valid", Fields: p}
}

// problems checks every setting but those that are known to be bad already, and
// names each by its place in the file or, where it is not from there, by its
// spellings.
func (c *Server) problems(known map[string]bool, sources map[string]string) problems {
	var p problems
	check := func(flag, problem string) {
		switch {
		case problem == "" || known[flag]:
		case sources[flag] != "":
			p.add(sources[flag], "%s", problem)
		default:
			p.add(spellings(flag), "%s", problem)
		}
	}
	check("listen", c.listenProblem())
	check("database", c.Database.problem())
	if c.TLSCert == "" && c.TLSKey != "" {
		check("tls-cert", "is missing; --tls-key needs the certificate it belongs to")
	}
	if c.TLSKey == "" && c.TLSCert != "" {
		check("tls-key", "is missing; --tls-cert needs its private key")
	}
	if n := len(c.AdminKey.Reveal()); n > 0 && n < MinAdminKey {
		p.add(adminKey, "has %d characters; at least %d are required: make one with `openssl rand -hex 32`", n, MinAdminKey)
	}
	if _, ok := levels[c.LogLevel]; !ok {
		check("log-level", fmt.Sprintf("%q is not one of debug, info, warn, error", c.LogLevel))
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		check("log-format", fmt.Sprintf("%q is not one of text, json", c.LogFormat))
	}
	if c.SessionRetention < time.Hour {
		check("session-retention", fmt.Sprintf("is %s; write at least 1h, as in 30d", FormatDuration(c.SessionRetention)))
	}
	if c.MaxSessionsPerAgent < 1 {
		check("max-sessions-per-agent", fmt.Sprintf("is %d; write at least 1, as in 64", c.MaxSessionsPerAgent))
	}
	if c.RevalidateEvery < 0 || c.RevalidateEvery > 0 && c.RevalidateEvery < minRevalidation {
		check("revalidate-every", fmt.Sprintf("is %s; write 0s, for never, or at least %s, as in 6h", FormatDuration(c.RevalidateEvery), FormatDuration(minRevalidation)))
	}
	if c.ValidationConcurrency < 1 || c.ValidationConcurrency > maxConcurrency {
		check("validation-concurrency", fmt.Sprintf("is %d; write 1 to %d, as in 4", c.ValidationConcurrency, maxConcurrency))
	}
	if c.ValidationRate < 1 {
		check("validation-rate", fmt.Sprintf("is %d; write at least 1, as in 300", c.ValidationRate))
	}
	if c.ValidationRetry < 0 || c.ValidationRetry > maxRetry {
		check("validation-retry", fmt.Sprintf("is %s; write 0s to %s, as in 7s", FormatDuration(c.ValidationRetry), FormatDuration(maxRetry)))
	}
	if c.AWSRoleARN != "" {
		if _, err := rolebroker.ParseRoleARN(c.AWSRoleARN); err != nil {
			check("aws-role-arn", err.Error())
		}
	}
	if c.ShutdownTimeout < 0 {
		check("shutdown-timeout", fmt.Sprintf("is %s; write a duration that is not negative, as in 30s", FormatDuration(c.ShutdownTimeout)))
	}
	return p
}

// listenProblem is what is wrong with Listen, "" if nothing is.
func (c *Server) listenProblem() string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Sprintf("%q is not host:port; write for example 127.0.0.1:8484", c.Listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("%q has the port %q; write a number up to 65535, as in %s", c.Listen, port, net.JoinHostPort(host, "8484"))
	}
	if c.secure() || rolebroker.IsLoopback(host) {
		return ""
	}
	return fmt.Sprintf("%q can be reached from other machines, and tokens and AWS credentials would cross the network unencrypted; "+
		"set --tls-cert and --tls-key, or --tls-terminated-by-proxy if something in front does TLS, or listen on 127.0.0.1:%s", c.Listen, port)
}

func (c *Server) secure() bool {
	return c.TLSTerminatedByProxy || c.TLSCert != "" && c.TLSKey != ""
}
