package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/rolebroker/rolebroker"
)

// bindings is the part of the broker that binds service accounts to agents.
type bindings interface {
	Bindings(ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page) ([]rolebroker.Token, error)
	BindingsOfIssuer(ctx context.Context, who rolebroker.Caller, issuer string, page rolebroker.Page) (
		[]rolebroker.Token, error)
	Bind(ctx context.Context, who rolebroker.Caller, agent string,
		account rolebroker.ServiceAccount, labels rolebroker.Labels) (*rolebroker.Token, error)
	Unbind(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) error
}

// bindingRow is a service account, or several of a namespace, that are bound to the agent.
type bindingRow struct {
	rolebroker.Token
	Believed    rolebroker.Runner // the server believes it about the account; without an ID: no runner
	Bound, Used moment
}

// issuer is an issuer of service-account tokens, and the runner that the server
// believes about them.
type issuer struct {
	URL    string
	Runner rolebroker.Runner
}

// issuers are the issuers of runners, by the name of the runner.
func (s *server) issuers(ctx context.Context, v *visit) (found []issuer, err error) {
	runners, err := readAll(ctx, v, runnerName, s.Broker.Runners)
	for _, runner := range runners {
		if runner.Issuer != "" {
			found = append(found, issuer{runner.Issuer, runner})
		}
	}
	return found, err
}

// addBindings adds the service accounts to the page of an agent.
func (s *server) addBindings(ctx context.Context, v *visit, page *agentTokensPage) (err error) {
	if page.Issuers, err = s.issuers(ctx, v); err != nil {
		return err
	}
	if page.Account == (rolebroker.ServiceAccount{}) && len(page.Issuers) == 1 {
		page.Account.Issuer = page.Issuers[0].URL
	}
	page.BindingPages.Of = "service accounts"
	found, err := readPage(&page.BindingPages, tokensSize, page.at("accounts"), tokenID,
		func(p rolebroker.Page) ([]rolebroker.Token, error) {
			return s.Broker.Bindings(ctx, v.who, string(page.Agent.ID), p)
		})
	for _, b := range found {
		row := bindingRow{Token: b, Bound: when(b.CreatedAt, page.Now), Used: when(b.UsedAt, page.Now)}
		for _, i := range page.Issuers {
			if i.URL == b.Account.Issuer {
				row.Believed = i.Runner
			}
		}
		page.Bindings = append(page.Bindings, row)
	}
	return err
}

// allBindings reads all service accounts that are bound to an agent.
func (s *server) allBindings(ctx context.Context, v *visit, agent rolebroker.AgentID) ([]rolebroker.Token, error) {
	return readAll(ctx, v, tokenID, func(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) (
		[]rolebroker.Token, error) {
		return s.Broker.Bindings(ctx, who, string(agent), page)
	})
}

func (s *server) bindAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &agentTokensPage{Account: rolebroker.ServiceAccount{
		Issuer:    formValue(r, "issuer"),
		Namespace: formValue(r, "namespace"),
		Name:      formValue(r, "service_account"),
	}}
	page.Labels = formValue(r, "labels")
	labels, err := rolebroker.ParseLabels(page.Labels)
	if err != nil {
		page.Errors = map[string]string{"labels": sentence(err.Error())}
		return s.renderTokens(w, r, v, http.StatusUnprocessableEntity, page)
	}
	_, err = s.Broker.Bind(r.Context(), v.who, r.PathValue("agent"), page.Account, labels)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		page.Errors = map[string]string{"service_account": sentence(rolebroker.AsError(err).Message)}
		return s.renderTokens(w, r, v, http.StatusConflict, page)
	}
	if page.Errors = fieldErrors(err); page.Errors != nil {
		return s.renderTokens(w, r, v, statusOf(err), page)
	}
	return s.toAgent(w, r, err, "/tokens", "bound")
}

func (s *server) unbindAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	err := s.Broker.Unbind(r.Context(), v.who, r.PathValue("agent"), rolebroker.TokenID(r.PathValue("binding")))
	return s.toAgent(w, r, err, "/tokens", "unbound")
}

// Selected names the service accounts as the page shows them.
func (b bindingRow) Selected() string {
	if len(b.Labels) > 0 {
		return b.Account.Namespace + "/" + b.Labels.String()
	}
	return b.Account.Namespace + "/" + b.Account.Name
}

// Pod is the manifest of a pod that borrows roles with its service account, as in
// docs/kubernetes.md. It is for the first binding, which has to exist.
func (p *agentTokensPage) Pod() string {
	account, role := p.Bindings[0].Account, ""
	if account.Name == rolebroker.AnyAccount {
		account.Name = "default"
	}
	if p.MustName {
		role = "/" + p.First
	}
	return fmt.Sprintf(podManifest, p.Agent.Name, account.Namespace, account.Name, p.Region, podTokenSeconds, role)
}

// podTokenSeconds is how long the token of such a pod is valid: the shortest time
// that Kubernetes allows, because a copy of the token is valid as long.
const podTokenSeconds = 600

// podManifest takes the agent, the namespace, the service account, the region,
// podTokenSeconds, and the end of the path, which may name a role.
const podManifest = `apiVersion: v1
kind: Pod
metadata:
  name: %[1]s
  namespace: %[2]s
spec:
  serviceAccountName: %[3]s
  automountServiceAccountToken: false
  containers:
    - name: agent
      image: my-agent
      env:
        - name: AWS_CONTAINER_CREDENTIALS_FULL_URI
          value: https://runner.example.com/v1/credentials%[6]s
        - name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
          value: /var/run/secrets/rolebroker/token
        - name: AWS_REGION
          value: %[4]s
        - name: AWS_DEFAULT_REGION
          value: %[4]s
      volumeMounts:
        - name: rolebroker
          mountPath: /var/run/secrets/rolebroker
          readOnly: true
  volumes:
    - name: rolebroker
      projected:
        sources:
          - serviceAccountToken:
              path: token
              audience: rolebroker
              expirationSeconds: %[5]d`
