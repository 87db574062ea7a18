package api

// The bounds of a list's limit.
const (
	DefaultLimit = 100
	MaxLimit     = 500
)

// List is one page of a list.
type List[T any] struct {
	Items      []T    `json:"items" nullable:"false" doc:"The items of the page; never null."`
	NextCursor string `json:"next_cursor" doc:"The cursor of the next page; empty when this is the last."`
}
