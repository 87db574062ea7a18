package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// typed returns a field of the API as the person typed it: as a flag or an argument. What a file sets keeps its path.
func typed(cmd *cobra.Command, path string) string {
	if file := cmd.Flags().Lookup("file"); file != nil && file.Changed {
		return path
	}
	flag := strings.ReplaceAll(path, "_", "-")
	switch {
	case cmd.Flags().Lookup(flag) != nil:
		return "--" + flag
	case cmd.Flags().Lookup(strings.TrimSuffix(flag, "s")) != nil: // a list, from a flag that can be repeated
		return "--" + strings.TrimSuffix(flag, "s")
	case cmd.Flags().Lookup(flagsOf[path]) != nil:
		return "--" + flagsOf[path]
	case path == "name" && slices.Contains(strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(cmd.Use)), "NAME"):
		return "NAME"
	}
	return path
}

// flagsOf maps fields of the API to the flags that set them, where the names differ.
var flagsOf = map[string]string{"current_trust_policy": "current", "issuer": "oidc-issuer", "duration": "for"}

// namingRoles replaces the positions of roles in an error by their names, as in "role readonly, arn" for roles[0].arn.
func namingRoles(err error, roles []api.RoleRequest) error {
	return renaming(err, "roles", func(i int, field string) string {
		if i >= len(roles) || roles[i].Name == "" {
			return ""
		}
		return "role " + roles[i].Name + strings.Replace(field, ".", ", ", 1)
	})
}

// renaming replaces paths such as LIST[2].field in an error. words returns "" for a path that stays.
func renaming(err error, list string, words func(i int, field string) string) error {
	e, ok := err.(*rolebroker.Error)
	if !ok {
		return err
	}
	renamed := *e
	renamed.Fields = slices.Clone(e.Fields)
	for n := range renamed.Fields {
		f := &renamed.Fields[n]
		i, field, ok := cutIndex(f.Path, list)
		if !ok {
			continue
		}
		if to := words(i, field); to != "" {
			f.Path = to
		}
		if before, after, ok := strings.Cut(f.Message, list+"["); ok { // the position of another one
			_, after, _ = strings.Cut(after, "]")
			f.Message = before + "another " + strings.TrimSuffix(list, "s") + after
		}
	}
	return &renamed
}

// cutIndex splits a path such as roles[2].arn into 2 and .arn.
func cutIndex(path, list string) (i int, field string, ok bool) {
	rest, found := strings.CutPrefix(path, list+"[")
	number, field, closed := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	return i, field, found && closed && err == nil && i >= 0
}

// unknownFlag says which flag an unknown one could mean.
func unknownFlag(cmd *cobra.Command, err error) error {
	var e *pflag.NotExistError
	if !errors.As(err, &e) || len(e.GetSpecifiedName()) < 2 {
		return err
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	like := similar(e.GetSpecifiedName(), known)
	if len(like) == 0 {
		return err
	}
	return fmt.Errorf("%w; did you mean --%s?", err, strings.Join(like, " or --"))
}

// similar returns the words that a mistyped one could mean: those that it begins, those that have it in them, and those
// to which at most two insertions, deletions and replacements lead.
func similar(typed string, words []string) (like []string) {
	for _, w := range words {
		if strings.HasPrefix(w, typed) || len(typed) > 3 && strings.Contains(w, typed) || distance(typed, w) <= min(2, len(w)/2) {
			like = append(like, w)
		}
	}
	return like
}

// distance is the Levenshtein distance of two words, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
