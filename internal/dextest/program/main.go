// Command dex is Dex, the identity provider, for tests. Its people are in a file that a test rewrites: who is no longer
// in it has left the company, and whose groups change has others at the next look.
//
//	dex -listen 127.0.0.1:5556 -people people.json -clients clients.json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
)

// person is one of the people, by the name with which they sign in.
type person struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Password string   `json:"password"`
	Groups   []string `json:"groups"`
}

// directory is the company's people, in a file.
type directory struct {
	File string `json:"file"`
}

func (d *directory) Open(string, *slog.Logger) (connector.Connector, error) { return d, nil }

func (d *directory) Prompt() string { return "Name" }

func (d *directory) find(name string) (person, error) {
	data, err := os.ReadFile(d.File)
	if err != nil {
		return person{}, err
	}
	people := map[string]person{}
	if err := json.Unmarshal(data, &people); err != nil {
		return person{}, err
	}
	if p, ok := people[name]; ok {
		return p, nil
	}
	return person{}, errors.New("there is nobody called " + name)
}

func (d *directory) identity(name string, p person) connector.Identity {
	return connector.Identity{UserID: p.ID, Username: p.Name, PreferredUsername: name, Email: p.Email,
		EmailVerified: true,
		Groups:        p.Groups, ConnectorData: []byte(name)}
}

func (d *directory) Login(
	_ context.Context, _ connector.Scopes, name, password string,
) (connector.Identity, bool, error) {
	p, err := d.find(name)
	if err != nil || p.Password != password {
		return connector.Identity{}, false, nil
	}
	return d.identity(name, p), true, nil
}

func (d *directory) Refresh(
	_ context.Context, _ connector.Scopes, before connector.Identity,
) (connector.Identity, error) {
	name := string(before.ConnectorData)
	p, err := d.find(name)
	if err != nil {
		return connector.Identity{}, err
	}
	return d.identity(name, p), nil
}

func main() {
	listen := flag.String("listen", "127.0.0.1:5556", "serve on `ADDRESS`")
	people := flag.String("people", "people.json", "`FILE` with the people")
	clients := flag.String("clients", "clients.json", "`FILE` with the clients")
	flag.Parse()
	if err := run(*listen, *people, *clients); err != nil {
		log.Fatal(err)
	}
}

func run(listen, people, clients string) error {
	server.ConnectorsConfig["directory"] = func() server.ConnectorConfig { return new(directory) }
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	keep := memory.New(logger)
	config, err := json.Marshal(directory{File: people})
	if err != nil {
		return err
	}
	if err := keep.CreateConnector(context.Background(),
		storage.Connector{ID: "directory", Type: "directory", Name: "The company", Config: config}); err != nil {
		return err
	}
	data, err := os.ReadFile(clients)
	if err != nil {
		return err
	}
	var known []storage.Client
	if err := json.Unmarshal(data, &known); err != nil {
		return err
	}
	for _, client := range known {
		if err := keep.CreateClient(context.Background(), client); err != nil {
			return err
		}
	}
	const disableRotation = false
	refresh, err := server.NewRefreshTokenPolicy(logger, disableRotation, "", "", "0s")
	if err != nil {
		return err
	}
	dex, err := server.NewServer(context.Background(), server.Config{Issuer: "http://" + listen, Storage: keep,
		SkipApprovalScreen: true, IDTokensValidFor: 10 * time.Minute, RefreshTokenPolicy: refresh, Logger: logger})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", dex)
	mux.HandleFunc("DELETE /test/sign-ins", func(w http.ResponseWriter, r *http.Request) { // ends all of them
		tokens, err := keep.ListRefreshTokens()
		for _, token := range tokens {
			err = errors.Join(err, keep.DeleteRefresh(token.ID))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return http.ListenAndServe(listen, mux)
}
