package rolebroker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AnyAccount stands for every service account of a namespace, where a binding or a setup has the name of one.
const AnyAccount = "*"

// CheckBinding checks what t binds: one service account, every one of a namespace, or those of a namespace that have
// labels. It returns every field that is wrong. Codes: invalid.
func (t *Token) CheckBinding() error {
	var p problems
	p.check("issuer", checkTokenIssuer(t.Account.Issuer))
	p.check("namespace", checkKubernetesName(t.Account.Namespace, 63, ""))
	if t.Account.Name != AnyAccount {
		p.check("service_account", checkKubernetesName(t.Account.Name, 253, "."))
		if len(t.Labels) > 0 {
			p.add("labels", "select among the service accounts of a namespace: leave out the name of one")
		}
	}
	p.check("labels", t.Labels.check())
	return p.err("the binding")
}

// Selects describes the service accounts that t binds, for people.
func (t *Token) Selects() string {
	switch {
	case len(t.Labels) > 0:
		return fmt.Sprintf("every service account of the namespace %s with the labels %s", t.Account.Namespace,
			t.Labels)
	case t.Account.Name == AnyAccount:
		return "every service account of the namespace " + t.Account.Namespace
	}
	return "the service account " + t.Account.String()
}

// rank orders bindings: one that names the service account comes before one by labels, and that before one of the
// whole namespace. It is 0 if t does not bind the service account.
func (t *Token) rank(account ServiceAccount, labels Labels) int {
	whole := t.Account
	whole.Name = account.Name
	switch {
	case whole != account:
		return 0
	case t.Account == account:
		return 3
	case t.Account.Name != AnyAccount:
		return 0
	case len(t.Labels) == 0:
		return 1
	case labels.Have(t.Labels):
		return 2
	}
	return 0
}

// BindingOf returns the binding that counts for a service account with these labels: the most exact one. With nil labels,
// which means that they cannot be read, a wider binding does not stand in for one by labels that may count. Codes:
// not_found; conflict, if bindings to several agents are equally exact, or the labels would have to be known.
func BindingOf(all []Token, account ServiceAccount, labels Labels) (*Token, error) {
	var found *Token
	best, agents := 1, map[AgentID]bool{}
	for i := range all {
		rank := all[i].rank(account, labels)
		if rank < best {
			continue
		}
		if rank > best {
			clear(agents)
			found = nil
		}
		if found == nil {
			found = &all[i]
		}
		best, agents[all[i].Agent] = rank, true
	}
	switch {
	case labels == nil && best < 3 && dependsOnLabels(all, account, found):
		return nil, Errorf(CodeConflict, "the labels of the service account %s of the issuer %s cannot be read, and "+
			"it depends on them which agent it is", account, account.Issuer).
			WithHint("let the runner get serviceaccounts from its API server, or bind the service account by its name")
	case found == nil:
		return nil, Errorf(CodeNotFound, "no agent is bound to the service account %s of the issuer %s", account,
			account.Issuer)
	case len(agents) > 1:
		return nil, Errorf(CodeConflict, "the labels of the service account %s of the issuer %s fit bindings of %d "+
			"agents, so none of them counts", account, account.Issuer, len(agents)).
			WithHint("bind the service account by its name, or change its labels")
	}
	return found, nil
}

// dependsOnLabels reports whether a binding by labels may count for a service account, and is not of the agent of found.
func dependsOnLabels(all []Token, account ServiceAccount, found *Token) bool {
	return slices.ContainsFunc(all, func(t Token) bool {
		return len(t.Labels) > 0 && t.rank(account, t.Labels) > 0 && (found == nil || t.Agent != found.Agent)
	})
}

// Labels are the labels of a Kubernetes object, or those that it must have.
type Labels map[string]string

// String returns the labels as kubectl writes a selector: app=scout,team=ml. ParseLabels reads it.
func (l Labels) String() string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(l)) {
		all = append(all, key+"="+l[key])
	}
	return strings.Join(all, ",")
}

// ParseLabels parses labels that are written as String writes them. Spaces around the commas do not matter. It does
// not check the names and values.
func ParseLabels(text string) (Labels, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	all := Labels{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := all[key]; !found || twice {
			return nil, fmt.Errorf("%q is not a list of labels, each once, as in team=ml,app=scout", text)
		}
		all[key] = value
	}
	return all, nil
}

// Have reports whether l contains all of the wanted labels.
func (l Labels) Have(wanted Labels) bool {
	for key, value := range wanted {
		if have, ok := l[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// maxLabels bounds the labels of a binding.
const maxLabels = 10

// check checks the labels of a binding.
//
// Source: Kubernetes documentation, "Labels and Selectors", syntax and character set.
func (l Labels) check() error {
	if len(l) > maxLabels {
		return fmt.Errorf("are %d; at most %d are allowed", len(l), maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(l)) {
		prefix, name, found := strings.Cut(key, "/")
		if !found {
			prefix, name = "", key
		}
		if found && checkKubernetesName(prefix, 253, ".") != nil || name == "" || !isLabelText(name) {
			return fmt.Errorf("%q is not the name of a label, as in team or example.com/team", key)
		}
		if !isLabelText(l[key]) {
			return fmt.Errorf("%q is not the value of a label", l[key])
		}
	}
	return nil
}

// isLabelText reports whether a text can be the value of a label, or the last part of its name.
func isLabelText(text string) bool {
	return len(text) <= 63 && only(text, isNameByte) && strings.Trim(text, "-._") == text
}
