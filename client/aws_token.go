package client

import (
	"context"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// awsTokensPath is where agents ask for AWS tokens.
const awsTokensPath = "/v1/tokens"

// tokenPatience is how long the server waits for a person who has to approve a token, at most.
const tokenPatience = 30 * time.Second

// AWSToken asks, with an agent token, for one request to AWS that is signed for the agent: a token for EKS, RDS or
// CodeCommit, or a URL of S3. Codes: also approval_required.
func (c *Client) AWSToken(ctx context.Context, ask api.AWSTokenRequest) (made api.AWSToken, err error) {
	made, err = send[api.AWSToken](ctx, c, request{method: http.MethodPost, place: at(awsTokensPath), body: ask,
		most: maxLoan, patience: tokenPatience})
	if err == nil && (made.Token == "" || made.ExpiresAt.IsZero()) {
		err = rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker at %s answered without an AWS token", c.base)
	}
	return made, err
}
