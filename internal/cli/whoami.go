package cli

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
)

// whoamiTimeout bounds the time for finding credentials and asking AWS.
const whoamiTimeout = 30 * time.Second

// identity is who this process is to AWS.
type identity struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
	UserID  string `json:"user_id"`
	Region  string `json:"region"` // empty if none is set
}

func newWhoami(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Ask AWS who this process is",
		Long: `Ask AWS who this process is: call GetCallerIdentity with the credentials that an
AWS SDK finds here. In a command that rolebroker exec runs, that is the borrowed
role. This needs no permission in AWS and no token.`,
		Example: `  rolebroker whoami
  rolebroker exec --role deployer -- rolebroker whoami`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			who, err := a.whoami(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(out, who, func() *table {
				return details("Account", who.Account, "ARN", who.ARN, "User ID", who.UserID, "Region",
					orDash(who.Region))
			})
		},
	}
	out.flag(cmd)
	return cmd
}

func (a *app) whoami(ctx context.Context) (identity, error) {
	defer a.progress("asking AWS who this process is")()
	ctx, cancel := context.WithTimeout(ctx, whoamiTimeout)
	defer cancel()
	// What goes wrong is in the error. The SDK also logs a warning of its metadata service to the standard error.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return identity{}, rolebroker.Errorf(rolebroker.CodeInvalid,
			"the AWS settings of this process cannot be read: %s", err).
			WithHint("check AWS_PROFILE, AWS_CONFIG_FILE and the other AWS_… variables: env | grep ^AWS_")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return identity{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated, "no AWS credentials were found here: %s",
			err).
			WithSteps(rolebroker.Step{Command: "rolebroker exec -- rolebroker whoami"},
				rolebroker.Step{Text: "aws configure list shows where the AWS CLI looks"})
	}
	who := identity{Region: cfg.Region}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // any region answers: identities are global
	}
	answer, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return identity{}, explainIdentity(err)
	}
	who.Account, who.ARN, who.UserID = aws.ToString(answer.Account), aws.ToString(answer.Arn),
		aws.ToString(answer.UserId)
	return who, nil
}

// explainIdentity explains why AWS did not answer the question.
func explainIdentity(err error) error {
	var refused smithy.APIError
	if !errors.As(err, &refused) {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "AWS STS cannot be reached: %s", err).
			WithHint("check the network, the proxy variables and AWS_ENDPOINT_URL")
	}
	e := rolebroker.Errorf(rolebroker.CodeDenied, "AWS STS refused: %s (%s)", refused.ErrorMessage(),
		refused.ErrorCode())
	switch refused.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException":
		return e.WithHint("these credentials have expired; rolebroker exec gives a process ones that renew")
	case "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure":
		return e.WithHint("these credentials are not valid here: check them, AWS_REGION and AWS_ENDPOINT_URL")
	case "SignatureDoesNotMatch":
		return e.WithHint("the secret key is wrong, or the clock of this machine is")
	}
	return e
}
