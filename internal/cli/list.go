package cli

import (
	"iter"

	"github.com/spf13/cobra"
)

// limited is the flag --limit of a listing.
type limited struct{ limit int }

func (l *limited) flag(cmd *cobra.Command) {
	cmd.Flags().IntVar(&l.limit, "limit", 0, "at most so `many`; 0 is all")
}

// collect reads a list from its beginning to its end, or to the limit.
func collect[T any](l limited, all iter.Seq2[T, error]) (items[T], error) {
	list := items[T]{Items: []T{}}
	if l.limit < 0 {
		return list, usage("--limit is %d; it is 0, for all, or more", l.limit)
	}
	for item, err := range all {
		if err != nil {
			return list, err
		}
		list.Items = append(list.Items, item)
		if len(list.Items) == l.limit {
			break
		}
	}
	return list, nil
}
