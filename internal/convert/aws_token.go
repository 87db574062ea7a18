package convert

import (
	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// FromAWSTokenRequest is what an agent asks for. Codes: invalid.
func FromAWSTokenRequest(r api.AWSTokenRequest) (rolebroker.AWSTokenRequest, error) {
	lifetime, err := FromDuration(r.ExpiresIn)
	if err != nil {
		return rolebroker.AWSTokenRequest{}, &rolebroker.Error{Code: rolebroker.CodeInvalid,
			Message: "the request for an AWS token is not valid",
			Fields:  []rolebroker.Field{{Path: "expires_in", Message: err.Error()}}}
	}
	return rolebroker.AWSTokenRequest{Kind: rolebroker.AWSTokenKind(r.Kind), Role: r.Role, Task: r.Task,
		Access: rolebroker.Access(r.Access), Region: rolebroker.Region(r.Region), Cluster: r.ClusterName,
		Host: r.Hostname, Port: r.Port, User: r.Username, Path: r.Path, Bucket: r.Bucket, Key: r.Key, Method: r.Method,
		Lifetime: lifetime}, nil
}

// AWSToken is a token as an agent gets it.
func AWSToken(t *rolebroker.AWSToken) api.AWSToken {
	return api.AWSToken{Token: api.Secret(t.Token.Reveal()), Username: api.Secret(t.Username.Reveal()),
		ExpiresAt: t.Expires, RoleARN: t.RoleARN.String(), Region: string(t.Region), Call: string(t.Call)}
}
