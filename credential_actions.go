package rolebroker

import (
	"encoding/json"
	"strings"
	"sync"
)

// CredentialActions are patterns of the IAM actions whose answers have credentials, or that make credentials: what they
// return outlives the session, or leaves its limits. ssm:GetParameter is not among them, because it returns plain
// parameters too; sessions of read-only and view-only access cannot have it decrypt any.
//
// Source: the flag credentials_exposure of iann0036/iam-dataset, August 2026, and the Service Authorization Reference of
// each service.
func CredentialActions() []string { return strings.Fields(credentialActions) }

const credentialActions = `
	bedrock-agentcore:GetResourceApiKey
	bedrock-agentcore:GetResourceOauth2Token
	bedrock-agentcore:GetWorkloadAccessToken*
	codeartifact:GetAuthorizationToken
	cognito-identity:GetCredentialsForIdentity
	cognito-identity:GetOpenIdToken*
	cognito-idp:GetTokensFromRefreshToken
	connect:GetFederationToken*
	ec2:GetPasswordData
	ecr-public:GetAuthorizationToken
	ecr:GetAuthorizationToken
	eks-auth:AssumeRoleForPodIdentity
	elasticmapreduce:GetClusterSessionCredentials
	emr-containers:GetManagedEndpointSessionCredentials
	gamelift:GetComputeAuthToken
	gamelift:GetInstanceAccess
	iam:CreateAccessKey
	iam:CreateLoginProfile
	iam:CreateServiceSpecificCredential
	iot:AssumeRoleWithCertificate
	lakeformation:GetDataAccess
	lakeformation:GetTemporary*
	lightsail:DownloadDefaultKeyPair
	lightsail:GetBucketAccessKeys
	lightsail:GetInstanceAccessDetails
	lightsail:GetKeyPair
	lightsail:GetRelationalDatabaseMasterUserPassword
	redshift-serverless:GetCredentials
	redshift:GetClusterCredentials*
	rolesanywhere:CreateSession
	s3:GetDataAccess
	s3express:CreateSession
	secretsmanager:BatchGetSecretValue
	secretsmanager:GetSecretValue
	signin:CreateOAuth2Token
	sso:GetRoleCredentials
	sts:Assume*
	sts:Get*Token
`

// noCredentials is the policy that denies a session the CredentialActions, and to have Systems Manager decrypt the
// parameters that are secret. It allows nothing: it goes with a managed policy that does.
//
// Source: AWS KMS Developer Guide, "kms:ViaService".
var noCredentials = sync.OnceValue(func() string {
	type statement struct {
		Effect, Resource string
		Action           any
		Condition        any `json:",omitempty"`
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{
		{Effect: "Deny", Resource: "*", Action: CredentialActions()},
		{Effect: "Deny", Resource: "*", Action: "kms:Decrypt",
			Condition: map[string]any{"StringLike": map[string]string{"kms:ViaService": "ssm.*"}}},
	}})
	if err != nil {
		panic("encoding a policy of plain strings: " + err.Error())
	}
	return string(text)
})
