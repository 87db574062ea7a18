package web

import (
	"slices"
	"strings"
	"unicode"

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
		{"ask-calls", "Reads the buckets that you name, asks a person for everything else",
			"It holds no AWS key: this server sends its calls, and all but these reads wait for a person’s yes.",
			rolebroker.AccessFull, rolebroker.KeysWithheld, rolebroker.ApprovalCall},
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
	if !p.HasBuckets() {
		limits.ExemptPolicy = ""
	}
}

// is reports whether limits are those of the preset.
func (p preset) is(limits *broker.Limits) bool {
	return limits.Access == p.Access && limits.Keys == p.Keys && limits.Approval == p.Approval
}

// HasBuckets reports whether buckets are named with the preset.
func (p preset) HasBuckets() bool { return p.Approval == rolebroker.ApprovalCall }

// presetChoice is a preset that can be chosen.
type presetChoice struct {
	preset
	Chosen bool
}

// bucketsIn are the names in a field for buckets.
func bucketsIn(field string) []string {
	return strings.FieldsFunc(field, func(c rune) bool { return c == ',' || unicode.IsSpace(c) })
}

// bucketsError is what is wrong with the buckets that were named.
func bucketsError(err error) string {
	fields := rolebroker.AsError(err).Fields
	switch {
	case len(fields) == 0:
		return sentence(rolebroker.AsError(err).Message)
	case strings.HasPrefix(fields[0].Message, "is required"):
		return "Name a bucket that it reads without asking, or choose what else it may do."
	}
	return sentence(fields[0].Message)
}

// exemptBuckets sets the exempt policy that lets the agent read the buckets of a field, with the roles of an
// integration.
func exemptBuckets(limits *broker.Limits, in *rolebroker.Integration, field string) error {
	partition := "aws"
	if len(in.Roles) > 0 {
		partition = in.Roles[0].ARN.Partition
	}
	policy, err := rolebroker.ReadBuckets(partition, bucketsIn(field))
	limits.ExemptPolicy = policy
	return err
}

// presetChoices are all presets. The one that the limits are is chosen; if they are none, no one is.
func presetChoices(limits *broker.Limits) (all []presetChoice) {
	for _, p := range presets() {
		all = append(all, presetChoice{p, p.is(limits)})
	}
	return all
}
