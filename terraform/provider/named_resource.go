package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"

	"github.com/rolebroker/rolebroker"
)

// namedResource is a resource whose object on the server has a name, an ID and a
// version, and is replaced whole by an update. A is the object in the API, R the
// request that creates or updates it, and M its model.
type namedResource[A versioned, R any, M namedModel[R]] struct {
	onServer
	schema schema.Schema
	calls  func(*server) calls[A, R]
	model  func(A) M
	needed string // the hint when others need the object, so that it cannot be deleted; may be empty
}

// versioned is an object whose ETag guards an update.
type versioned interface{ ETag() string }

// namedModel is the model of such an object. Two models of one object are equal
// if the object is the same in everything that Terraform keeps.
type namedModel[R any] interface {
	comparable
	id() string
	name() string
	request() R
}

// calls are the server's methods for one kind of object.
type calls[A, R any] struct {
	read   func(ctx context.Context, nameOrID string) (A, error)
	create func(ctx context.Context, request R) (A, error)
	update func(ctx context.Context, id string, request R, etag string) (A, error)
	delete func(ctx context.Context, id, etag string) error
}

func (r *namedResource[A, R, M]) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = r.schema
}

func (r *namedResource[A, R, M]) Create(
	ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse,
) {
	var plan M
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}) {
		return
	}
	server := r.calls(r.server)
	made, err := server.create(ctx, plan.request())
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		if _, problem := server.read(ctx, plan.name()); problem == nil { // it is the name that is taken
			err = rolebroker.AsError(err).WithSteps(importIt("rolebroker_"+r.suffix, plan.name()))
		}
	}
	if err != nil {
		report(&resp.Diagnostics, "Creating the "+r.suffix+" "+plan.name(), err, atRoot)
		return
	}
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, r.model(made))...)
}

func (r *namedResource[A, R, M]) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state M
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	now, err := r.calls(r.server).read(ctx, state.id())
	refresh(ctx, resp, "Reading the "+r.suffix+" "+state.id(), err, func() M { return r.model(now) })
}

func (r *namedResource[A, R, M]) Update(
	ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse,
) {
	var plan, state M
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}, modelFrom{&state, req.State}) {
		return
	}
	server := r.calls(r.server)
	updated, err := change(
		func() (A, error) { return server.read(ctx, state.id()) },
		func(now A) bool { return r.model(now) == state },
		func(now A) bool { return r.model(now) == plan },
		func(now A) (A, error) { return server.update(ctx, state.id(), plan.request(), now.ETag()) })
	if err != nil {
		report(&resp.Diagnostics, "Updating the "+r.suffix+" "+state.name(), err, atRoot)
		return
	}
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, r.model(updated))...)
}

func (r *namedResource[A, R, M]) Delete(
	ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse,
) {
	var state M
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	server := r.calls(r.server)
	_, err := change(
		func() (A, error) { return server.read(ctx, state.id()) },
		func(now A) bool { return r.model(now) == state },
		nil,
		func(now A) (A, error) { return now, server.delete(ctx, state.id(), now.ETag()) })
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict && r.needed != "" {
		err = rolebroker.AsError(err).WithHint("%s", r.needed)
	}
	if err != nil && !gone(err) {
		report(&resp.Diagnostics, "Deleting the "+r.suffix+" "+state.name(), err, nil)
	}
}

// ImportState takes a name or an ID, or an identity with either.
func (r *namedResource[A, R, M]) ImportState(
	ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse,
) {
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), r.reference(ctx, req, &resp.Diagnostics))...)
}

// atRoot is the attribute of a field of an object that has no parts.
func atRoot(field string) path.Path { return path.Root(field) }
