package web

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/hosts"
)

// usage has snippets to copy with which an agent's processes use its token. They
// read the token from a file and do not contain it.
type usage struct {
	reachable
	Agent    string
	Region   rolebroker.Region // of the default role
	Role     string            // a reference to another role; empty: there is none
	MustName bool              // there is no default role, so a role has to be named
	Withheld bool              // the AWS keys of some of its roles are withheld
	Asks     bool              // calls wait for a person, but none of its roles waits as a whole
}

// usageOf makes the snippets for an agent that may borrow the offers.
func (s *server) usageOf(r *http.Request, agent string, offers []rolebroker.Offer) usage {
	u := usage{reachable: s.address(r), Agent: agent, Region: "us-east-1"}
	if len(offers) == 0 {
		return u
	}
	u.Region, u.MustName = offers[0].Region, !offers[0].Default // the default comes first
	for _, offer := range offers {
		if !offer.Default && u.Role == "" {
			u.Role = offer.Reference
		}
		u.Withheld = u.Withheld || offer.Keys == rolebroker.KeysWithheld
		u.Asks = u.Asks || offer.ChangesNeedApproval || offer.CallsNeedApproval
	}
	u.Asks = u.Asks && !slices.ContainsFunc(offers, func(o rolebroker.Offer) bool { return o.NeedsApproval })
	return u
}

// reachable is the address of this server, as the browser reached it.
type reachable struct {
	URL   string
	Local bool // only this machine can reach the address
}

// hostForm matches a host and port that are safe in a shell command.
var hostForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)
})

// address is the address of this server: the one that the operator has set, or the one at which the browser reached it.
// On the browser's own machine that has the IP address in place of the name, which is for the browser alone.
func (s *server) address(r *http.Request) reachable {
	if u, err := url.Parse(s.URL); err == nil && s.URL != "" {
		return reachable{URL: s.URL, Local: hosts.IsLoopback(u.Hostname())}
	}
	host := r.Host
	if !hostForm().MatchString(host) {
		host = "rolebroker.example.com"
	}
	scheme := "http"
	if s.overHTTPS(r) {
		scheme = "https"
	}
	local := hosts.IsLoopback(hosts.Name(r))
	if local {
		host = loopbackAddress(r) + hosts.Port(r)
	}
	return reachable{URL: scheme + "://" + host, Local: local}
}

// loopbackAddress is the address of this machine that a listener has which r came to.
func loopbackAddress(r *http.Request) string {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && at.IP.Equal(net.IPv6loopback) {
		return "[::1]"
	}
	return "127.0.0.1"
}

// File is the path of the file with the token.
func (u usage) File() string { return `"$HOME/.rolebroker-` + u.Agent + `"` }

// Keep writes a token to the file, which only its owner can read.
func (u usage) Keep(token string) string {
	return "(umask 077; printf %s '" + token + "' \\\n  > " + u.File() + ")"
}

// Shell runs commands as the agent.
func (u usage) Shell() string {
	lines := []string{"export ROLEBROKER_URL=" + u.URL, "export ROLEBROKER_TOKEN_FILE=" + u.File()}
	if !u.MustName {
		lines = append(lines, "rolebroker exec -- aws sts get-caller-identity")
	}
	if u.Role != "" {
		lines = append(lines, "rolebroker exec --role "+u.Role+" -- \\\n  aws sts get-caller-identity")
	}
	return strings.Join(lines, "\n")
}

// exec are the arguments of rolebroker that run a program as the agent.
func (u usage) exec() []string {
	if u.MustName {
		return []string{"exec", "--role", u.Role, "--", "python3", "agent.py"}
	}
	return []string{"exec", "--", "python3", "agent.py"}
}

// Docker runs a container as the agent.
func (u usage) Docker() string {
	run := "docker run --rm"
	if u.Local {
		run += " --network host" // else the container has a loopback of its own
	}
	return strings.Join([]string{run,
		"-e ROLEBROKER_URL=" + u.URL,
		"-e ROLEBROKER_TOKEN_FILE=/run/secrets/rolebroker-token",
		"-v " + u.File() + ":/run/secrets/rolebroker-token:ro",
		`-v "$(command -v rolebroker)":/usr/local/bin/rolebroker:ro`,
		"--entrypoint rolebroker my-agent",
		strings.Join(u.exec(), " ")}, " \\\n  ")
}

// Secret puts the token into a cluster.
func (u usage) Secret() string {
	return "kubectl create secret generic rolebroker-token \\\n  --from-file=token=" + u.File()
}

// Pod is the part of a pod's manifest that runs the agent.
func (u usage) Pod() string {
	return `containers:
- name: agent
  image: my-agent # with rolebroker in it
  command: ["rolebroker", "` + strings.Join(u.exec(), `", "`) + `"]
  env:
  - name: ROLEBROKER_URL
    value: ` + u.URL + `
  - name: ROLEBROKER_TOKEN
    valueFrom: {secretKeyRef: {name: rolebroker-token, key: token}}`
}

// Python is a program that rolebroker exec runs.
func (u usage) Python() string {
	lines := []string{"import boto3"}
	if !u.MustName {
		lines = append(lines, `print(boto3.client("sts").get_caller_identity()["Arn"])`)
	}
	if u.Role != "" {
		lines = append(lines,
			`other = boto3.Session(profile_name="`+u.Role+`")`,
			`print(other.client("sts").get_caller_identity()["Arn"])`)
	}
	return strings.Join(lines, "\n")
}

// SDK is the environment in which an AWS SDK asks the server, without rolebroker exec.
func (u usage) SDK() string {
	path := "/v1/credentials"
	if u.MustName {
		path += "/" + u.Role
	}
	return strings.Join([]string{
		"export AWS_CONTAINER_CREDENTIALS_FULL_URI=" + u.URL + path,
		"export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + u.File(),
		"export AWS_REGION=" + string(u.Region) + " AWS_DEFAULT_REGION=" + string(u.Region),
		"python3 agent.py"}, "\n")
}
