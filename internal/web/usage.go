package web

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// usage has the commands and snippets with which an agent's processes use its token. They read the token from a file.
type usage struct {
	Agent  string
	URL    string // of this server, as the browser reached it
	Local  bool   // the URL works on this machine only
	Plain  bool   // the URL is plain HTTP over a network
	Region rolebroker.Region
	Role   string            // a reference to a role that is not the default; empty: there is none
	Other  rolebroker.Region // the region of Role
	Named  bool              // there is no default role, so the agent has to name one
}

// usageOf returns the usage for an agent that may borrow the offers.
func (s *server) usageOf(r *http.Request, agent string, offers []rolebroker.Offer) usage {
	u := usage{Agent: agent, Region: "us-east-1"}
	u.URL, u.Local = s.address(r)
	u.Plain = !u.Local && strings.HasPrefix(u.URL, "http:")
	if len(offers) == 0 {
		return u
	}
	u.Region, u.Named = offers[0].Region, !offers[0].Default // the default comes first
	for _, offer := range offers {
		if !offer.Default {
			u.Role, u.Other = offer.Reference, offer.Region
			break
		}
	}
	return u
}

// hostForm returns the pattern of a host and port that are safe in a shell command.
var hostForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)
})

// address returns the URL by which the browser reached this server, and whether it is a loopback address.
func (s *server) address(r *http.Request) (url string, local bool) {
	host := r.Host
	if !hostForm().MatchString(host) {
		host = "rolebroker.example.com"
	}
	scheme := "http"
	if s.Secure || r.TLS != nil {
		scheme = "https"
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	return scheme + "://" + host, rolebroker.IsLoopback(name)
}

// File returns the path of the token file, as a word for a shell.
func (u usage) File() string { return `"$HOME/.rolebroker-` + u.Agent + `"` }

// Keep returns the command that writes the token to that file, which only its owner can read.
func (u usage) Keep(token string) string {
	return "(umask 077; printf %s '" + token + "' \\\n  > " + u.File() + ")"
}

// Shell returns the commands that run a program as the agent.
func (u usage) Shell() string {
	lines := []string{"export ROLEBROKER_URL=" + u.URL, "export ROLEBROKER_TOKEN_FILE=" + u.File()}
	if !u.Named {
		lines = append(lines, "rolebroker exec -- aws sts get-caller-identity")
	}
	if u.Role != "" {
		lines = append(lines, "rolebroker exec --role "+u.Role+" -- \\\n  aws sts get-caller-identity")
	}
	return strings.Join(lines, "\n")
}

// exec returns the arguments of rolebroker that run a program as the agent.
func (u usage) exec() []string {
	if u.Named {
		return []string{"exec", "--role", u.Role, "--", "python3", "agent.py"}
	}
	return []string{"exec", "--", "python3", "agent.py"}
}

// Docker returns the command that runs a container as the agent.
func (u usage) Docker() string {
	run := "docker run --rm"
	if u.Local {
		run += " --network host" // else its loopback is not ours
	}
	return strings.Join([]string{run,
		"-e ROLEBROKER_URL=" + u.URL,
		"-e ROLEBROKER_TOKEN_FILE=/run/secrets/rolebroker-token",
		"-v " + u.File() + ":/run/secrets/rolebroker-token:ro",
		`-v "$(command -v rolebroker)":/usr/local/bin/rolebroker:ro`,
		"--entrypoint rolebroker my-agent",
		strings.Join(u.exec(), " ")}, " \\\n  ")
}

// Secret returns the command that puts the token into a cluster.
func (u usage) Secret() string {
	return "kubectl create secret generic rolebroker-token \\\n  --from-file=token=" + u.File()
}

// Pod returns the containers of the agent's pod.
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

// Python returns a program to run with rolebroker exec.
func (u usage) Python() string {
	lines := []string{"import boto3"}
	if !u.Named {
		lines = append(lines, `print(boto3.client("sts").get_caller_identity()["Arn"])`)
	}
	if u.Role != "" {
		lines = append(lines, `other = boto3.Session(profile_name="`+u.Role+`",`,
			`                      region_name="`+string(u.Other)+`")`,
			`print(other.client("sts").get_caller_identity()["Arn"])`)
	}
	return strings.Join(lines, "\n")
}

// SDK returns the commands that run a program whose AWS SDK asks the server itself.
func (u usage) SDK() string {
	path := "/v1/credentials"
	if u.Named {
		path += "/" + u.Role
	}
	return strings.Join([]string{
		"export AWS_CONTAINER_CREDENTIALS_FULL_URI=" + u.URL + path,
		"export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + u.File(),
		"export AWS_REGION=" + string(u.Region) + " AWS_DEFAULT_REGION=" + string(u.Region),
		"python3 agent.py"}, "\n")
}
