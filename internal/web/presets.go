package web

import (
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// preset is what a connection may let its agent do, as people ask for it: an access, keys and an approval in one.
type preset struct {
	Word     string // in forms
	Name     string // for people
	Means    string
	Access   rolebroker.Access
	Keys     rolebroker.Keys
	Approval rolebroker.Approval
}

// presets are those that can be chosen. The first is what New Agent has chosen at first.
func presets() []preset {
	return []preset{
		{"ask-changes", "Reads freely, asks a person before each change",
			"It holds no AWS key: this server sends its calls, and changes only after a person’s yes.",
			rolebroker.AccessFull, rolebroker.KeysWithheld, rolebroker.ApprovalWrite},
		{"read-only", "Reads, changes nothing",
			"It gets AWS keys. AWS refuses every change, also one that a person approved.",
			rolebroker.AccessReadOnly, rolebroker.KeysLent, rolebroker.ApprovalNone},
		{"ask-roles", "Asks a person before it uses a role",
			"After the yes it gets AWS keys, and may do everything that the role allows until the time is up.",
			rolebroker.AccessFull, rolebroker.KeysLent, rolebroker.ApprovalBorrow},
		{"full", "Everything the roles allow", "It gets AWS keys and asks nobody.",
			rolebroker.AccessFull, rolebroker.KeysLent, rolebroker.ApprovalNone},
	}
}

// presetOf is the preset with a word; the first if there is none.
func presetOf(word string) preset {
	all := presets()
	return all[max(slices.IndexFunc(all, func(p preset) bool { return p.Word == word }), 0)]
}

// set puts what the preset says into limits, and leaves the roles as they are.
func (p preset) set(limits *broker.Limits) {
	limits.Access, limits.Keys, limits.Approval = p.Access, p.Keys, p.Approval
}

// is reports whether limits are those of the preset.
func (p preset) is(limits *broker.Limits) bool {
	return limits.Access == p.Access && limits.Keys == p.Keys && limits.Approval == p.Approval
}

// presetChoice is a preset that can be chosen.
type presetChoice struct {
	preset
	Chosen bool
}

// presetChoices are all presets. The one that the limits are is chosen; if they are none, no one is.
func presetChoices(limits *broker.Limits) (all []presetChoice) {
	for _, p := range presets() {
		all = append(all, presetChoice{p, p.is(limits)})
	}
	return all
}
