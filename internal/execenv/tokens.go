package execenv

import (
	"cmp"
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// AWSToken asks the server for an AWS token for a role of the room. What binds the command to a task, and to reading,
// binds the token too.
func (l *lender) AWSToken(ctx context.Context, _ rolebroker.Caller, ask api.AWSTokenRequest) (api.AWSToken, error) {
	role, err := l.furnished().find(ask.Role)
	if err != nil {
		return api.AWSToken{}, err
	}
	if ask.Task, err = l.task(ask.Task); err != nil {
		return api.AWSToken{}, err
	}
	ask.Role, ask.Access = qualified(role), cmp.Or(string(l.first.Access), ask.Access)
	made, err := l.server.AWSToken(ctx, ask)
	if err == nil && made.RoleARN != role.ARN.String() {
		return api.AWSToken{}, rolebroker.Errorf(rolebroker.CodeConflict,
			"role %s is another one now than this rolebroker exec started with", qualified(role)).
			WithHint("start it again to use the role as it is now")
	}
	return made, err
}
