// Command plain does what rolebroker does in the least Go code, with the
// standard library only. The benchmarks compare rolebroker with it.
//
//	plain serve ADDRESS     answers every request
//	plain credentials       prints borrowed credentials
//	plain exec CMD [ARG…]   borrows, opens a loopback port, writes two private
//	                        files and runs a command
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func run(command string, args []string) error {
	switch command {
	case "serve":
		return http.ListenAndServe(args[0], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	case "credentials":
		return credentials()
	case "exec":
		return execute(args)
	}
	return fmt.Errorf("there is no command %s", command)
}

// lent is the body of the container-credentials protocol.
type lent struct{ AccessKeyId, SecretAccessKey, Token, Expiration, RoleArn, AccountId string }

func credentials() error {
	var answer lent
	if err := get("/v1/credentials", &answer); err != nil {
		return err
	}
	text, err := json.MarshalIndent(answer, "", "  ")
	fmt.Println(string(text))
	return err
}

func execute(command []string) error {
	var (
		answer             lent
		roles              any
		lentErr, rolesErr  error
		both               sync.WaitGroup
		listener, servErr  = net.Listen("tcp4", "127.0.0.1:0")
		directory, makeErr = os.MkdirTemp("", "plain-")
	)
	if err := errors.Join(servErr, makeErr); err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	both.Go(func() { lentErr = get("/v1/credentials", &answer) })
	both.Go(func() { rolesErr = get("/v1/roles", &roles) })
	go http.Serve(listener, http.NotFoundHandler())
	both.Wait()
	files := errors.Join(
		os.WriteFile(filepath.Join(directory, "config"), []byte(answer.RoleArn), 0o600),
		os.WriteFile(filepath.Join(directory, "credentials"), nil, 0o600))
	if err := errors.Join(lentErr, rolesErr, files); err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// get asks the server that the environment names, as the agent whose token is
// there.
func get(path string, answer any) error {
	request, err := http.NewRequest(http.MethodGet, os.Getenv("ROLEBROKER_URL")+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("ROLEBROKER_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
