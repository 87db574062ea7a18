package action

import "strings"

// furtherCredentialActions are patterns of actions and operations whose answers have credentials, a token or a private
// key, and which rolebroker.CredentialActions does not name: a session policy has no room for them. Together the two
// lists are the reviewed one; a name that is on both is a mistake. Each line has its reason.
//
// Source: the API Reference of each service, as botocore 1.43.11 has it.
func furtherCredentialActions() []string {
	var patterns []string
	for line := range strings.Lines(furtherCredentials) {
		pattern, _, _ := strings.Cut(line, "#")
		patterns = append(patterns, strings.Fields(pattern)...)
	}
	return patterns
}

const furtherCredentials = `
	acm:ExportCertificate                                  # a private key
	airflow:CreateCliToken airflow:CreateWebLoginToken     # a token of Airflow's own API
	apigateway:CreateApiKey apigateway:GetApiKey*          # API keys, in plain text if asked for
	appsync:CreateApiKey appsync:ListApiKeys               # API keys are their own IDs
	cloud9:CreateEnvironmentToken                          # a token for an environment
	codecatalyst:CreateAccessToken                         # a personal access token
	cognito-idp:AdminInitiateAuth cognito-idp:InitiateAuth # tokens of a user
	cognito-idp:AdminRespondToAuthChallenge cognito-idp:RespondToAuthChallenge  # as above
	cognito-idp:CreateUserPoolClient cognito-idp:DescribeUserPoolClient  # client secrets
	cognito-idp:AddUserPoolClientSecret                    # as above
	connect:CreateParticipant                              # a participant token
	connectparticipant:CreateParticipantConnection         # a connection token
	datazone:GetEnvironmentCredentials                     # AWS credentials of an environment
	deadline:Assume*                                       # AWS credentials of a queue or fleet
	ec2:CreateKeyPair                                      # a private key
	finspace-api:GetProgrammaticAccessCredentials          # AWS credentials
	finspace:CreateUser finspace:ResetUserPassword finspace:GetKxConnectionString  # passwords
	grafana:CreateWorkspaceApiKey grafana:CreateWorkspaceServiceAccountToken  # a token of Grafana
	iam:CreateVirtualMFADevice                             # the seed of a second factor
	iam:ResetServiceSpecificCredential                     # a new password
	iam:UpdateLoginProfile                                 # sets a password
	iot:CreateKeysAndCertificate iot:CreateProvisioningClaim  # a private key
	ivs:CreateStreamKey ivs:GetStreamKey ivs:BatchGetStreamKey ivs:CreateParticipantToken  # a stream key or token
	kinesisanalytics:CreateApplicationPresignedUrl         # a URL that signs in
	lakeformation:AssumeDecoratedRoleWithSAML              # AWS credentials
	lightsail:CreateContainerServiceRegistryLogin          # a password
	lightsail:CreateKeyPair lightsail:CreateBucketAccessKey  # keys
	qapps:CreateSubscriptionToken                          # a token
	quicksight:GenerateEmbedUrl* quicksight:GetDashboardEmbedUrl quicksight:GetSessionEmbedUrl  # a URL that signs in
	redshift:GetIdentityCenterAuthToken redshift-serverless:GetIdentityCenterAuthToken  # a token
	sagemaker:CreatePresigned*                             # a URL that signs in
	ssm:GetAccessToken                                     # AWS credentials of an approved access request
	ssm:StartSession ssm:ResumeSession                     # a token for a shell
	sso-oauth:CreateToken* sso-oidc:CreateToken sso-oidc:RegisterClient  # tokens
	storagegateway:DescribeChapCredentials                 # passwords of iSCSI
	workmail:AssumeImpersonationRole                       # a token
`
