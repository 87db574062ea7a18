package rest

import (
	"context"
	"net/http"

	"github.com/rolebroker/rolebroker"
)

// tagged is JSON of a noun that has versions.
type tagged interface{ ETag() string }

// resource is a kind of noun that has a name, an ID and versions, and the ways
// in which all of that kind are read, answered, changed and deleted.
type resource[N any, J tagged] struct {
	path string // of the collection
	read func(ctx context.Context, who rolebroker.Caller, nameOrID string) (*N, error)
	id   func(*N) string
	show func(*N) J
}

// get answers one thing, or with status 304 if the client has that version.
func (r resource[N, J]) get(ctx context.Context, who rolebroker.Caller, nameOrID string, known IfNoneMatch) (
	*found[J], error) {
	noun, err := r.read(ctx, who, nameOrID)
	if err != nil {
		return nil, err
	}
	shown := r.show(noun)
	if known.has(shown.ETag()) {
		return &found[J]{Status: http.StatusNotModified, ETag: shown.ETag()}, nil
	}
	return &found[J]{http.StatusOK, shown.ETag(), shown}, nil
}

// created answers a new thing.
func (r resource[N, J]) created(noun *N, err error) (*created[J], error) {
	if err != nil {
		return nil, err
	}
	shown := r.show(noun)
	return &created[J]{shown.ETag(), r.path + "/" + r.id(noun), shown}, nil
}

// changed answers a thing that was changed.
func (r resource[N, J]) changed(noun *N, err error) (*changed[J], error) {
	if err != nil {
		return nil, err
	}
	shown := r.show(noun)
	return &changed[J]{shown.ETag(), shown}, nil
}

// update changes the thing that a path names, if it is what If-Match expects.
func (r resource[N, J]) update(ctx context.Context, who rolebroker.Caller, named string, m IfMatch,
	change func(target string, version int64) (*N, error)) (*changed[J], error) {
	var noun *N
	err := r.guarded(ctx, who, named, m, func(target string, version int64) (err error) {
		noun, err = change(target, version)
		return err
	})
	return r.changed(noun, err)
}

// remove deletes the thing that a path names, if it is what If-Match expects.
func (r resource[N, J]) remove(
	ctx context.Context, who rolebroker.Caller, named string, m IfMatch,
	remove func(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error,
) (*struct{}, error) {
	return nil, r.guarded(ctx, who, named, m, func(target string, version int64) error {
		return remove(ctx, who, target, version)
	})
}

// guarded makes a change to what a path names, if that is what If-Match expects.
// The change is made by ID, so that it hits the right thing even if another one
// gets the name in between.
func (r resource[N, J]) guarded(ctx context.Context, who rolebroker.Caller, named string, m IfMatch,
	change func(target string, version int64) error) error {
	id, version, err := m.expected()
	if err != nil {
		return err
	}
	if id == "" || id == named {
		return change(named, version)
	}
	noun, err := r.read(ctx, who, named)
	if err != nil {
		return err
	}
	if r.id(noun) == id {
		err = change(id, version)
	}
	if r.id(noun) != id || rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return rolebroker.Errorf(rolebroker.CodeStale, "%s is not what has the ETag %s: that was deleted or renamed",
			rolebroker.Quote(named), clip(m.IfMatch)).
			WithHint(sendCurrent)
	}
	return err
}
